"""What is kept on devices is declared: the policy says it, and nothing else gets there."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI, Response
from httpx import ASGITransport, AsyncClient

from libs.common.device_storage import ON_THE_DEVICE, UndeclaredCookie, require_declared_cookies
from libs.common.web import Observed
from services.privacy.policies.texts import current_text

ROOT = Path(__file__).parents[2]
KEEPS = re.compile(
    r"document\.cookie|localStorage|sessionStorage|indexedDB|set_cookie|set-cookie|persistAuthorization: true",
    re.IGNORECASE,
)
KNOWN = {"libs/common/device_storage.py"}


def test_the_policy_names_what_is_kept_and_nothing_else_is() -> None:
    said = " ".join(sentence for _, sentence in current_text("policy", "en").sentences)
    found = re.search(r"cookies/local storage for ([^.]+)\.", said)
    assert found
    named = set(re.split(r",(?: and)? ", found[1]))
    assert named == {each.about for each in ON_THE_DEVICE} == {"session", "language", "theme"}
    assert all(each.what and each.lasts for each in ON_THE_DEVICE)
    assert len({each.name for each in ON_THE_DEVICE}) == len(ON_THE_DEVICE)


async def test_an_answer_with_an_undeclared_cookie_never_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    app = FastAPI()
    app.add_middleware(Observed, service="tests")

    @app.get("/tracked")
    async def tracked(response: Response) -> None:
        response.set_cookie("tracker", "ada")

    async with AsyncClient(transport=ASGITransport(app), base_url="http://tests") as client:
        with pytest.raises(UndeclaredCookie, match="tracker is set and not declared"):
            await client.get("/tracked")
        monkeypatch.setattr("libs.common.device_storage.COOKIES", frozenset({"tracker"}))
        assert "tracker" in (await client.get("/tracked")).headers["set-cookie"]


def test_other_headers_and_a_strange_cookie_are_told_apart() -> None:
    require_declared_cookies([(b"content-type", b"text/html"), (b"x-cookie", b"a=1")])
    with pytest.raises(UndeclaredCookie, match="a b is set"):
        require_declared_cookies([(b"Set-Cookie", b"a b=1; Path=/")])


def test_no_source_keeps_anything_on_a_device_by_itself() -> None:
    kinds = ("*.py", "*.js", "*.ts", "*.tsx", "*.html")
    folders = ("libs", "services", "deploy", "web")
    files = [path for folder in folders for kind in kinds for path in (ROOT / folder).rglob(kind)]
    assert files
    found = {path.relative_to(ROOT).as_posix() for path in files if KEEPS.search(path.read_text())}
    assert found == KNOWN
