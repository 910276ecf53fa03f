"""The whole story through the gateway, with a smaller cast, and with each process killed in the middle of it."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from demo.cast import Role, role
from demo.needles import of_image
from demo.scanner import Scanner
from demo.story import Story
from demo.timeline import Timeline
from deploy.k8s.generate import access
from deploy.local.ports import HOST
from deploy.local.spawn import RunningStack, started
from deploy.observe import metrics, prometheus
from deploy.observe.dashboards import DASHBOARDS
from deploy.observe.rules import EVERY
from libs.common.bus.envelope import first_of, source_of
from libs.common.bus.replay import Reading
from libs.common.bus.selection import Selection
from libs.common.bus.topics import event_topics
from libs.common.clock import now
from libs.common.testing.waiting import eventually
from tests.cli.conftest import pixera
from tests.e2e.writer import REQUESTS, Writer

pytestmark = pytest.mark.slow

VICTIMS = (
    ("auth-api", "auth-worker", "envoy"),
    ("gallery-api", "gallery-worker", "billing-api", "billing-worker"),
    ("generation-api", "generation-worker", "pay"),
    ("privacy-api", "privacy-worker"),
    ("kafka",),
    ("mongod",),
    ("s3",),
)
"""Of a service both at once: nobody of it is left who could go on. Of the servers one: the others have to notice."""
HOLDS = "/api/privacy/v1/staff/holds"
BLIND = "it does not see what is there: it would prove nothing"
numbers = count()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The whole platform, and a Prometheus that watches it."""
    prometheus.install()
    often = {"PIXERA_AUDIT_CHECK_EVERY_S": "5"}  # its figures come from the check
    with started(tmp_path_factory.mktemp("platform"), "--observe", env=often) as running:
        yield running


@pytest.fixture
async def http(platform: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client that knows the gateway and nothing else."""
    async with httpx.AsyncClient(base_url=platform.gateway, timeout=30) as client:
        yield client


@pytest.fixture
def story(platform: RunningStack, tmp_path: Path) -> Story:
    """The story, told to nobody."""
    return Story(platform.gateway, platform.env, tmp_path, Timeline(Console(file=io.StringIO())))


@pytest.mark.timeout(300)
async def test_one_leaves_and_is_gone_and_one_stays_and_loses_nothing(
    story: Story, http: httpx.AsyncClient
) -> None:
    leaving = role(http, "ophelia", photos=4, jobs=3)
    staying = role(http, "horatio", photos=4, jobs=3, first=4)
    await story.play(leaving, staying)


@pytest.mark.timeout(300)
async def test_copies_that_no_erasure_reaches_hold_nothing_of_who_left(
    platform: RunningStack, story: Story, http: httpx.AsyncClient
) -> None:
    """Yesterday's backup without the vault, the segments of the log, the object store's volumes once compacted."""
    leaving, staying = (
        role(http, "miranda", photos=2, jobs=1, first=56),
        role(http, "caliban", photos=2, jobs=1, first=58),
    )
    for each in (leaving, staying):
        await story.move_in(each)
    await story.seen(leaving)
    hers, his = await story.bytes_of(leaving), await story.bytes_of(staying)

    async def on_disk(who: Role, images: dict[str, bytes], server: str) -> set[str]:
        scanner = Scanner(platform.env, [*who.words(), *who.pictures(images)])
        read = await asyncio.to_thread(scanner.files, platform.home.data / server)
        return set(read.kinds)

    words = Scanner(platform.env, [*leaving.words()])
    yesterday = await asyncio.to_thread(words.copied)
    read = await asyncio.to_thread(words.reread, yesterday)
    assert read.kinds.keys() >= {"e-mail", "username", "device", "prompt", "caption", "camera"}
    assert "image bytes" in await on_disk(leaving, hers, "s3"), BLIND
    assert {"caption", "camera"} <= await on_disk(leaving, hers, "kafka"), BLIND
    await story.follow(leaving, await story.leave(leaving))
    assert (await asyncio.to_thread(words.reread, yesterday)).findings == [], (
        "a backup can be read without the vault"
    )
    master = f"http://{HOST}:{platform.ports['s3_master']}/vol/vacuum"

    async def compacted() -> bool:
        async with httpx.AsyncClient(timeout=60) as operator:
            (await operator.get(master, params={"garbageThreshold": "0.00001"})).raise_for_status()
        return not await on_disk(leaving, hers, "s3")

    await eventually(compacted, within_s=60)
    assert await on_disk(leaving, hers, "kafka") == set(), "a segment can be read without her key"
    for server, kind in {"s3": "image bytes", "kafka": "caption"}.items():
        assert kind in await on_disk(staying, his, server), "it took more than what was erased"


@pytest.mark.timeout(300)
async def test_what_is_held_stays_while_the_rest_goes_and_goes_when_the_hold_ends(
    platform: RunningStack, story: Story, http: httpx.AsyncClient
) -> None:
    """An image is held, then the account: two operators hold and lift that; the image goes by itself at the end."""
    leaving = role(http, "prospero", photos=2, jobs=0, first=40)
    await story.move_in(leaving)
    images = await story.bytes_of(leaving)
    held, other = leaving.person.image_ids
    mine, second = await operators(platform, http)
    item = await placed(mine, {"kind": "item", "holding": "gallery.images", "id": held})
    await eventually(lambda: hold_is(mine, item, "in-force"), within_s=60)
    account = await placed(mine, {"kind": "account", "id": leaving.person.user_id})
    refused = await mine.post(f"{HOLDS}/{account}/confirm")
    assert (refused.status_code, refused.json()["code"]) == (409, "second-operator-needed")
    (await second.post(f"{HOLDS}/{account}/confirm")).raise_for_status()

    case = await leaving.person.delete_account()
    told = await eventually(lambda: case_in(http, case, "HELD"), within_s=60)
    assert [hold["ended_at"] for hold in told["holds"]] == [None]
    both = [*leaving.pictures(images), *leaving.words()]
    assert {"image bytes", "e-mail", "caption"} <= (await Scanner(platform.env, both).run()).kinds.keys()

    (await mine.post(f"{HOLDS}/{account}/release")).raise_for_status()
    (await second.post(f"{HOLDS}/{account}/confirm")).raise_for_status()
    told = await eventually(lambda: case_in(http, case, "WAITING"), within_s=120)
    assert [each["what"] for each in told["held_items"]] == ["an image"]
    kept = await Scanner(
        platform.env, [*of_image("held", images[held]), *of_image("other", images[other])]
    ).run()
    assert "held" in kept.kinds, "what is held is gone"
    assert "other" not in kept.kinds, "the rest was not erased"

    (await mine.post(f"{HOLDS}/{item}/release")).raise_for_status()
    certificate = await story.follow(leaving, case)
    assert [each["item"] for each in certificate["item_holds"]] == ["an image"]
    for hold in (*certificate["item_holds"], *certificate["holds"]):
        assert hold["since"] < hold["ended_at"] < hold["until"]
    assert len(certificate["holds"]) == 1
    await story.nothing_left(leaving, certificate)


async def operators(
    platform: RunningStack, http: httpx.AsyncClient
) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """Return two operators who are signed in; the first one makes the account of the second."""
    secret = (platform.home.secrets / "PIXERA_STAFF_PASSWORD").read_text().strip()
    first = await operator(http, "operator", secret)
    made = {"name": "second-operator", "password": "kelp-Basalt-harbour-93"}
    (await first.post("/api/auth/v1/staff/accounts", json=made)).raise_for_status()
    return first, await operator(http, **made)


async def operator(http: httpx.AsyncClient, name: str, password: str) -> httpx.AsyncClient:
    answer = await http.post("/api/auth/v1/staff/sessions", json={"name": name, "password": password})
    token = answer.raise_for_status().json()["access_token"]
    return httpx.AsyncClient(base_url=http.base_url, timeout=30, headers={"Authorization": f"Bearer {token}"})


async def placed(operator: httpx.AsyncClient, target: dict[str, str]) -> str:
    """Have something held for a while; return the hold's id."""
    until = (now() + timedelta(days=30)).isoformat()
    asked = {"target": target, "until": until, "ground": "court-order"}
    return str((await operator.post(HOLDS, json=asked)).raise_for_status().json()["id"])


async def hold_is(operator: httpx.AsyncClient, hold_id: str, state: str) -> bool:
    return bool((await operator.get(f"{HOLDS}/{hold_id}")).raise_for_status().json()["state"] == state)


async def case_in(http: httpx.AsyncClient, case: dict[str, Any], state: str) -> dict[str, Any]:
    """Return a case as its person sees it, once it is in a state."""
    headers = {"X-Case-Token": case["case_token"]}
    answer = await http.get(f"/api/privacy/v1/cases/{case['case_id']}", headers=headers)
    told: dict[str, Any] = answer.json()
    return told if answer.is_success and told["state"] == state else {}


async def test_the_policy_is_a_page_for_everybody(http: httpx.AsyncClient) -> None:
    page = await http.get("/privacy", headers={"accept-language": "de"})
    assert (page.status_code, page.headers["content-language"]) == (200, "de")
    # Its own policy on content, which is stricter than the gateway's, and all that the gateway says of every answer.
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.timeout(300)
async def test_who_is_signed_out_asks_to_be_erased_once_it_is_proven_and_a_minor_is_at_once(
    platform: RunningStack, http: httpx.AsyncClient
) -> None:
    person = role(http, "perdita", photos=0, jobs=0).person
    await person.sign_up()
    writer, message = Writer(http, person.email), "Please forget me"
    request_id = await writer.file("erasure", message)
    read = await writer.read(request_id)
    assert (read["state"], [each["text"] for each in read["messages"]]) == ("unproven", [message])

    home = {"PIXERA_HOME": str(platform.home.root)}
    listed = await pixera("requests", "list", "--json", **home)
    (waiting,) = [each for each in json.loads(listed.out) if each["id"] == request_id]
    assert (waiting["kind"], waiting["state"], waiting["proven_by"]) == ("erasure", "unproven", None)
    assert person.email not in str(waiting)
    assert (await person.call("GET", "/api/auth/v1/me")).status_code == 200, "it is done before it is proven"

    assert (await writer.prove(request_id))["state"] == "accepted"

    async def ended() -> str | None:
        outcome: str | None = (await writer.read(request_id))["outcome"]
        return outcome

    assert await eventually(ended, within_s=60) == "erasure-scheduled"

    async def signed_out() -> bool:
        return (await person.call("GET", "/api/gallery/v1/images")).status_code == 401

    assert await eventually(signed_out, within_s=60)

    async def told() -> bool:
        return any("is closed" in subject for subject in await writer.subjects())

    assert await eventually(told, within_s=60)

    # She could come back for a week. Somebody reports her as a minor: once staff confirm it, she is erased at once.
    report = await Writer(http, "neighbour.mail@example.org").file("minor-report", f"{person.username} is 15")
    confirmed = await pixera("requests", "confirm", report, "--minor", typed=person.email, **home)
    assert confirmed.code == 0, confirmed.err

    async def gone() -> bool:
        return (await http.get(f"{REQUESTS}/{request_id}", headers=writer.link)).status_code == 404

    assert await eventually(gone, within_s=90)


async def test_every_panel_shows_something(platform: RunningStack) -> None:
    """Right after the story, in which everything happened that a dashboard is about."""
    queries = {
        f"{board.title}: {panel.title}": query
        for board in DASHBOARDS
        for panel in board.panels()
        for query, _ in panel.queries
    }
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{platform.ports['prometheus']}") as server:

        async def series(query: str) -> int:
            found = (await server.get("/api/v1/query", params={"query": query})).json()
            assert found["status"] == "success", found
            return len(found["data"]["result"])

        async def empty() -> list[str]:
            return [name for name, query in queries.items() if not await series(query)]

        async def none_is_empty() -> bool:
            return not await empty()

        with suppress(AssertionError):
            await eventually(none_is_empty, within_s=45)
        assert await empty() == []
        known = (await server.get("/api/v1/metadata")).json()["data"]
        asked = {
            name
            for query in (*queries.values(), *(alert.expr for alert in EVERY))
            for name in metrics.named(query)
        }
        scraped = {name.removesuffix("_total") for name in known}
        assert {name for name in asked if name.removesuffix("_total") not in scraped} == set()
        assert await series("up == 0") == 0, "somebody cannot be asked"


async def test_nobody_published_what_its_access_on_kubernetes_is_not_for(platform: RunningStack) -> None:
    """Right after the story as well: access is read off the code, and this is what the code did."""
    reading = await Reading.open(
        platform.env["PIXERA_KAFKA_BOOTSTRAP"], Selection(tuple(topic.name for topic in event_topics()))
    )
    published = {
        (first_of(record.headers, "ce_source"), record.topic)
        async for batch in reading.batches()
        for record in batch
    }
    await reading.close()
    granted = {(source_of(each.service), topic) for each in access.everyone() for topic in each.writes}
    assert {source for source, _ in published} == {source for source, _ in granted}
    assert published - granted == set()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("victims", VICTIMS, ids="+".join)
async def test_an_erasure_survives_the_death_of_any_process(
    platform: RunningStack, story: Story, http: httpx.AsyncClient, victims: tuple[str, ...]
) -> None:
    number = next(numbers)
    leaving = role(http, f"yorick{number:02d}", photos=2, jobs=1, first=8 + 2 * number)
    await story.move_in(leaving)
    await story.seen(leaving)
    case = await story.leave(leaving)
    for victim in victims:
        platform.kill(victim)
    certificate = await story.follow(leaving, case)
    await story.nothing_left(leaving, certificate)
