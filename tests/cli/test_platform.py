"""Where the command goes, whom it signs in as, and what it sends to whom."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from cli import platform as platform_module
from cli.platform import Platform, Unanswered
from libs.common.testing.serving import serving
from tests.cli.conftest import pixera

HERE = "http://127.0.0.1:8080"
OTHER = "https://pixera.example"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a stack that runs here, with its secrets."""
    for name in ("PIXERA_URL", "PIXERA_STAFF_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for folder in ("run", "secrets"):
        (tmp_path / folder).mkdir()
    (tmp_path / "run" / "stack.json").write_text(json.dumps({"gateway": HERE, "ports": {"auth-api": 1}}))
    (tmp_path / "secrets" / "PIXERA_STAFF_PASSWORD").write_text("of the stack")
    return tmp_path


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [(None, True), (HERE, True), (f"{HERE}/", True), ("http://localhost:8080", True), (OTHER, False)],
)
def test_the_stack_here_is_meant_only_where_its_gateway_is(
    home: Path, monkeypatch: pytest.MonkeyPatch, url: str | None, is_ours: bool
) -> None:
    """Its processes are not another platform's, and its password is sent to no other."""
    if url:
        monkeypatch.setenv("PIXERA_URL", url)
    platform = Platform(home)
    assert bool(platform.ports) is is_ours
    if is_ours:
        assert platform._password == "of the stack"
    else:
        with pytest.raises(Unanswered, match="PIXERA_STAFF_PASSWORD"):
            _ = platform._password


def test_a_password_is_asked_for_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXERA_URL", OTHER)
    asked = list[str]()

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return "typed"

    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(platform_module, "getpass", typed)
    platform = Platform(home)
    assert [platform._password for _ in range(2)] == ["typed", "typed"]
    assert asked == ["Password of operator: "]


@pytest.mark.parametrize(
    ("url", "refused"), [("http://pixera.example", True), (OTHER, False), ("http://[::1]:8080", False)]
)
def test_a_password_is_not_sent_where_others_can_read_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, url: str, refused: bool
) -> None:
    monkeypatch.setenv("PIXERA_URL", url)
    if refused:
        with pytest.raises(Unanswered, match="https"):
            _ = Platform(home).staff_token
        monkeypatch.setenv(platform_module.ALLOW_HTTP, "1")
    Platform(home)._require_privacy()


@pytest.fixture
async def elsewhere() -> AsyncIterator[str]:
    """A gateway that sends everybody to another address, as one does that speaks https alone."""

    app = FastAPI()

    @app.get("/readyz")
    async def ready() -> None: ...

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def moved(path: str) -> RedirectResponse:
        return RedirectResponse(f"https://pixera.example/{path}", 301)

    async with serving(app) as address:
        yield address


async def test_a_gateway_that_leads_elsewhere_says_so(elsewhere: str) -> None:
    ran = await pixera("dlq", "list", PIXERA_URL=elsewhere, PIXERA_STAFF_PASSWORD="a password")
    assert ran.code == 2
    assert "leads to https://pixera.example/" in ran.err
    assert "PIXERA_URL" in ran.err
