"""Where the platform is, and the token that lets operators in. A token is never taken from the command line."""

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from cli.output import fail

DEFAULT_GATEWAY = "http://127.0.0.1:8080"
HOST = "127.0.0.1"
TIMEOUT_S = 10.0
PAGE = 100


@dataclass(frozen=True)
class Platform:
    """A platform: the one that `make run` started here, or the one that the environment names.

    Environment: PIXERA_URL (the gateway), PIXERA_PRIVACY_URL (privacy's own address: staff routes are not behind
    the gateway), PIXERA_STAFF_TOKEN, PIXERA_HOME (the stack's folder, `.pixera` by default).
    """

    home: Path = field(
        default_factory=lambda: Path(os.environ.get("PIXERA_HOME") or Path(__file__).parents[1] / ".pixera")
    )

    @cached_property
    def stack(self) -> dict[str, Any]:
        """Return what the running stack says of itself, empty where none runs here."""
        try:
            state: dict[str, Any] = json.loads((self.home / "run" / "stack.json").read_text())
        except (OSError, ValueError):
            return {}
        return state

    @property
    def ports(self) -> dict[str, int]:
        """Return the ports of the stack's processes by name."""
        ports: dict[str, int] = self.stack.get("ports", {})
        return ports

    @property
    def gateway(self) -> str:
        """Return the gateway's address."""
        return (os.environ.get("PIXERA_URL") or self.stack.get("gateway") or DEFAULT_GATEWAY).rstrip("/")

    @property
    def privacy(self) -> str:
        """Return the address of privacy's API, for staff."""
        if given := os.environ.get("PIXERA_PRIVACY_URL"):
            return given.rstrip("/")
        port = self.ports.get("privacy-api")
        if port is None:
            fail(
                f"No platform runs in {self.home}: start one, or set PIXERA_PRIVACY_URL to privacy's own address."
            )
        return f"http://{HOST}:{port}"

    @property
    def staff_token(self) -> str:
        """Return the operators' token, from the environment or the stack's secrets."""
        if given := os.environ.get("PIXERA_STAFF_TOKEN"):
            return given
        try:
            return (self.home / "secrets" / "PIXERA_STAFF_TOKEN").read_text().strip()
        except OSError:
            fail(f"No staff token: set PIXERA_STAFF_TOKEN, or run on the machine of the stack ({self.home}).")

    def get(self, url: str, **params: str) -> Any:
        """Return what anybody may read."""
        return _answer("GET", url, params=params)

    def staff(self, method: str, path: str, **params: str) -> Any:
        """Call one of privacy's staff routes."""
        url = f"{self.privacy}/api/privacy/v1/staff{path}"
        return _answer(method, url, params=params, headers={"X-Pixera-Staff": self.staff_token})

    def staff_pages(self, path: str, cursor: str, limit: int | None = None) -> list[Any]:
        """Return the items of all pages of a staff route, or the first `limit` of them."""
        items: list[Any] = []
        params = {"limit": str(PAGE)}
        while True:
            page = self.staff("GET", path, **params)
            items += page["items"]
            if page["next_cursor"] is None or (limit is not None and len(items) >= limit):
                return items[:limit]
            params[cursor] = page["next_cursor"]


def _answer(method: str, url: str, **how: Any) -> Any:
    try:
        answer = httpx.request(method, url, timeout=TIMEOUT_S, **how)
    except httpx.HTTPError as error:
        fail(f"{url} does not answer ({type(error).__name__}). Does the platform run? Try `pixera status`.")
    if answer.is_error:
        fail(f"{url} answers {answer.status_code}: {_detail(answer)}")
    try:
        return answer.json()
    except ValueError:
        fail(f"{url} does not answer with JSON.")


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail") or answer.reason_phrase)
    except (ValueError, AttributeError):
        return answer.reason_phrase
