"""The pages say what is there: files, commands, settings, metrics, routes, events and names."""

from pathlib import Path

import pytest

from contracts.asyncapi import all_subscriptions
from libs.common.events import PRODUCERS, event_classes, producer_of
from tests.architecture.pages import Page, pages, wrongs

PAGES = {str(page.path): page for page in pages()}


@pytest.mark.parametrize("path", PAGES)
def test_what_a_page_names_is_there(path: str) -> None:
    assert wrongs(PAGES[path]) == []


@pytest.mark.parametrize(
    "said",
    [
        "[how](docs/how-to/fly.md)",
        "[how](CONTRIBUTING.md#how-to-fly)",
        "`libs/common/bus/inboxes.py`",
        "`services/<service>/rooutes.py`",
        "`inboxes.py`",
        "`make dmeo`",
        "`make chaos SEEDLINGS=7`",
        "```console\n$ make dmeo  # a story\n```",
        "`python -m bench start`",
        "`python -m deploy.nowhere`",
        "`pixera erasure forget`",
        "`pixera erasure show`, then `pixera erasure resend <case> --twice`",
        "`pixera erasure resend one two`",
        "`pixera dlq discard <id>`",
        "`PIXERA_EXPORT_WEEKS`",
        "`PIXERA_GALERY_…`",
        "`pixera_export_opened`",
        "`pixera_export_part_seconds{holder}`",
        "`pixera_gallery_nothing_…`",
        "`DELETE /api/auth/v1/you`",
        "`POST /checkout`",
        "`user.forgoten`",
        "`gallery.make-thumbs`",
        "`services.auth.nowhere`",
        "`ErasureLedger.append`",
        "`add_to_outbox()`",
    ],
)
def test_what_is_not_there_is_seen(said: str) -> None:
    assert wrongs(Page(Path("README.md"), said))


@pytest.mark.parametrize("service", PRODUCERS)
def test_a_service_says_what_it_publishes_and_takes_in(service: str) -> None:
    page = set(PAGES[f"services/{service}/README.md"].words())
    own = [each for each in all_subscriptions() if each.group.startswith(f"{service}.")]
    published = {event.topic for event in event_classes() if producer_of(event) == service}
    assert published - page == set()
    assert {topic for each in own for topic in each.topics} - page == set()
    assert {each.group for each in own} - page == set()
