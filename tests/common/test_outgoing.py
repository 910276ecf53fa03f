"""What nobody declared does not leave: planted calls to other hosts, paths, and with other fields are refused."""

import ast
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict

from libs.common.metrics import OUTBOUND_SECONDS
from libs.common.outgoing import Call, Carries, Outgoing, Party, UndeclaredCall
from libs.common.privacy.holdings import ProcessorHolding
from libs.common.privacy.processors import MAIL_SERVER
from libs.common.testing.serving import serving

ROOT = Path(__file__).parents[2]
DOORS = {
    "httpx": {
        "libs/common/outgoing.py",
        "libs/common/testing/processes.py",
        "libs/common/testing/serving.py",
    },
    "urllib3": {"libs/common/storage.py"},
    "aiosmtplib": {"libs/common/mailing/postman.py"},
    "requests": {"libs/common/trace_export.py"},
    **dict.fromkeys(("aiohttp", "http.client", "urllib.request", "smtplib", "ftplib"), frozenset()),
}
"""What can talk to another machine, and the only modules of services that may use it."""


class Letter(BaseModel):
    """What the party of the tests is sent."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[str, Carries("accounts.email")]
    pages: Annotated[int, Carries()]


RECEIVES = ProcessorHolding(MAIL_SERVER, ("accounts.email",))
PARTY = Party(
    "post-office",
    (Call("POST", "/letters", Letter), Call("GET", "/letters/{letter}"), Call("GET", "/elsewhere")),
    RECEIVES,
)


@pytest.fixture(scope="module")
async def office() -> AsyncIterator[tuple[str, list[str]]]:
    """A party that notes what arrives."""
    app, arrived = FastAPI(), list[str]()

    @app.get("/readyz")
    async def ready() -> None:
        return None

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT"])
    async def take(path: str, request: Request) -> Any:
        arrived.append(f"{request.method} /{path} {(await request.body()).decode()}")
        return RedirectResponse("http://localhost:9/stolen") if path == "elsewhere" else {"taken": True}

    async with serving(app) as url:
        yield url, arrived


@pytest.fixture
async def post(office: tuple[str, list[str]]) -> AsyncIterator[Outgoing]:
    office[1].clear()
    client = Outgoing(PARTY, office[0], timeout_s=5)
    yield client
    await client.close()


async def test_what_is_declared_goes_out_and_is_timed(post: Outgoing, office: tuple[str, list[str]]) -> None:
    before = _observed("ok")
    answer = await post.post("/letters", Letter(to="a@example.org", pages=2))
    assert answer.is_success
    assert (await post.get("/letters/letter_1")).is_success
    assert office[1] == ['POST /letters {"to":"a@example.org","pages":2}', "GET /letters/letter_1 "]
    assert _observed("ok") == before + 2


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (lambda client: client.get("http://127.0.0.1:9/letters/1"), "post-office is not at 127.0.0.1"),
        (lambda client: client.get("https://evil.example/letters/1"), "post-office is not at evil.example"),
        (lambda client: client.get("/accounts"), "GET /accounts of post-office is not declared"),
        (lambda client: client.get("/letters/a@example.org"), "is not declared"),
        (lambda client: client.get("/letters/1?email=a@example.org"), "in a query"),
        (
            lambda client: client.post("/letters", '{"to":"a","pages":1,"name":"A. Person"}'),
            "like this: name",
        ),
        (lambda client: client.post("/letters", '{"to":"a"}'), "like this: pages"),
        (lambda client: client.post("/letters", '{"to":"a","pages":1}', {"x-user": "a"}), "declared: x-user"),
    ],
)
async def test_what_is_not_declared_never_leaves(
    planted: Any, said: str, post: Outgoing, office: tuple[str, list[str]]
) -> None:
    before = _observed("undeclared")
    with pytest.raises(UndeclaredCall, match=said) as refused:
        await planted(post)
    assert "Person" not in str(refused.value)
    assert office[1] == []
    assert _observed("undeclared") == before + 1


async def test_a_body_where_none_is_declared_is_refused(post: Outgoing) -> None:
    with pytest.raises(UndeclaredCall, match="sends no body"):
        await post._client.request("GET", "/letters/1", content=b"a@example.org")


async def test_a_redirect_does_not_lead_past_the_guard(post: Outgoing) -> None:
    with pytest.raises(UndeclaredCall, match="not at localhost"):
        await post._client.get("/elsewhere", follow_redirects=True)


async def test_a_proxy_of_the_environment_is_not_used(
    monkeypatch: pytest.MonkeyPatch, office: tuple[str, list[str]]
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    client = Outgoing(PARTY, office[0], timeout_s=5)
    assert (await client.get("/letters/1")).is_success
    await client.close()


def test_a_request_carries_only_what_the_party_is_declared_to_receive() -> None:
    class Gossip(Letter):
        about: Annotated[str, Carries("accounts.password_hash")]

    class Silent(Letter):
        mood: str

    class Open(BaseModel):
        to: Annotated[str, Carries("accounts.email")]

    for model, said in (
        (Gossip, r"not declared to receive `accounts\.password_hash`"),
        (Silent, "Silent.mood does not say what it carries"),
        (Open, "Open lets other fields through"),
    ):
        with pytest.raises(UndeclaredCall, match=said):
            Party("post-office", (Call("POST", "/letters", model),), RECEIVES)


def foreign_clients(source: str, place: str) -> list[str]:
    """Return the modules by which a source could talk to another machine past the guard."""
    imported = {
        name
        for node in ast.walk(ast.parse(source))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    return [
        door
        for door, places in DOORS.items()
        if place not in places and any(name == door or name.startswith(f"{door}.") for name in imported)
    ]


@pytest.mark.parametrize("folder", ["libs", "services"])
def test_no_module_makes_a_client_of_its_own(folder: str) -> None:
    found = {}
    for path in (ROOT / folder).rglob("*.py"):
        place = str(path.relative_to(ROOT))
        if strays := foreign_clients(path.read_text(), place):
            found[place] = strays
    assert found == {}


@pytest.mark.parametrize(
    "planted",
    [
        "import httpx",
        "from httpx import AsyncClient",
        "from urllib import request",
        "import requests.sessions as s",
    ],
)
def test_a_planted_client_is_seen(planted: str) -> None:
    assert foreign_clients(planted, "services/gallery/images.py")


def _observed(outcome: str) -> float:
    """Return how many calls to the party of the tests ended like this."""
    labels = {"target": PARTY.name, "outcome": outcome}
    samples = (sample for metric in OUTBOUND_SECONDS.collect() for sample in metric.samples)
    return sum(each.value for each in samples if each.name.endswith("_count") and each.labels == labels)
