"""Where the platform is, and signing in to it as staff. A password or token is never taken from the command line."""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from getpass import getpass
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx

from cli.output import NO, UNKNOWN

DEFAULT_GATEWAY = "http://127.0.0.1:8080"
DEFAULT_STAFF = "operator"
HOST = "127.0.0.1"
TIMEOUT_S = 10.0
SILENCE_S = 45.0
"""A stream that says nothing for so long is dead: it tells how far it is every second or so."""
PAGE = 100
ALLOW_HTTP = "PIXERA_ALLOW_HTTP"
LEAST_LEFT_S = 30.0
"""A token that lasts no longer than this is not used for another request."""


class Unanswered(Exception):
    """The platform does not answer, or refuses. The text says what to do.

    Args:     code: what the command ends with: an order that is refused is a no, all else cannot be found out;
              status: what HTTP answered, if anything did.
    """

    def __init__(self, reason: str, code: int = UNKNOWN, status: int | None = None) -> None:
        super().__init__(reason)
        self.code, self.status = code, status

    @property
    def silent(self) -> bool:
        """Tell whether nobody was there to answer: trying again may help."""
        return self.status is None or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


@dataclass(frozen=True)
class Token:
    """A staff account's access token, in this process's memory only."""

    value: str = field(repr=False)
    good_until: float


@dataclass(frozen=True)
class Platform:
    """A platform: the one that `make run` started here, or the one that the environment names.

    Environment: PIXERA_URL (the gateway), PIXERA_STAFF_NAME, PIXERA_STAFF_PASSWORD, PIXERA_HOME (the stack's folder,
    `.pixera` by default), PIXERA_ALLOW_HTTP (sign in to another machine without TLS).
    """

    home: Path = field(
        default_factory=lambda: Path(os.environ.get("PIXERA_HOME") or Path(__file__).parents[1] / ".pixera")
    )
    _tokens: list[Token] = field(default_factory=list, repr=False)

    @cached_property
    def client(self) -> httpx.Client:
        """Return the client that this command's requests share."""
        return httpx.Client(timeout=TIMEOUT_S)

    @cached_property
    def stack(self) -> dict[str, Any]:
        """Return what the running stack says of itself; empty where none runs here, or another platform is meant."""
        try:
            state: dict[str, Any] = json.loads((self.home / "run" / "stack.json").read_text())
        except (OSError, ValueError):
            return {}
        named = os.environ.get("PIXERA_URL")
        return state if not named or _same(named, state.get("gateway") or "") else {}

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
    def staff_token(self) -> str:
        """Return an access token of the operator's, signing in where there is none that lasts long enough."""
        if not self._tokens or self._tokens[-1].good_until < time.monotonic():
            self._tokens[:] = [self._sign_in()]
        return self._tokens[-1].value

    def get(self, url: str, **params: str) -> Any:
        """Return what anybody may read."""
        return _json(self._answer("GET", url, params=params))

    def staff(
        self, method: str, service: str, path: str, params: dict[str, Any] | None = None, json: Any = None
    ) -> Any:
        """Call a staff route of a service, over the gateway.

        Args:     path: behind `/api/<service>/v1/staff`.
        Returns:  the JSON that it answers, None where it answers with nothing.
        Raises:   Unanswered.
        """
        return _json(self.staff_answer(method, service, path, params=params, json=json))

    def staff_answer(self, method: str, service: str, path: str, **how: Any) -> httpx.Response:
        """Call a staff route, and return its answer as it came, for what is not JSON. Raises: Unanswered."""
        url = f"{self.gateway}/api/{service}/v1/staff{path}"
        headers = {"Authorization": f"Bearer {self.staff_token}"}
        return self._answer(method, url, headers=headers, **how)

    def staff_pages(
        self,
        service: str,
        path: str,
        cursor: str,
        limit: int | None = None,
        params: dict[str, Any] | None = None,
    ) -> list[Any]:
        """Return the items of all pages of a staff route, or the first `limit` of them.

        Args:     cursor: the name of the parameter that takes a page's `next_cursor`.
        """
        items: list[Any] = []
        asked = {**(params or {}), "limit": PAGE}
        while True:
            page = self.staff("GET", service, path, asked)
            items += page["items"]
            if page["next_cursor"] is None or (limit is not None and len(items) >= limit):
                return items[:limit]
            asked[cursor] = page["next_cursor"]

    def staff_lines(self, service: str, path: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the lines of JSON of a staff route that streams them, as they come. Raises: Unanswered."""
        url = f"{self.gateway}/api/{service}/v1/staff{path}"
        headers = {"Authorization": f"Bearer {self.staff_token}"}
        timeout = httpx.Timeout(TIMEOUT_S, read=SILENCE_S)
        try:
            with httpx.stream("GET", url, params=params, headers=headers, timeout=timeout) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                yield from map(json.loads, answer.iter_lines())
        except (httpx.HTTPError, ValueError) as error:
            raise Unanswered(f"{url} broke off ({type(error).__name__}).") from error

    def _sign_in(self) -> Token:
        self._require_privacy()
        body = {"name": self._staff_name, "password": self._password}
        signed = _json(self._answer("POST", f"{self.gateway}/api/auth/v1/staff/sessions", json=body))
        return Token(signed["access_token"], time.monotonic() + signed["expires_in"] - LEAST_LEFT_S)

    def _require_privacy(self) -> None:
        """Refuse to send a password where anybody on the way can read it."""
        address = httpx.URL(self.gateway)
        if address.scheme == "http" and not _is_here(address.host) and not os.environ.get(ALLOW_HTTP):
            raise Unanswered(
                f"{self.gateway} would be told the password unencrypted: name it with https, or set {ALLOW_HTTP}=1."
            )

    @property
    def _staff_name(self) -> str:
        return os.environ.get("PIXERA_STAFF_NAME") or DEFAULT_STAFF

    @cached_property
    def _password(self) -> str:
        """Return the operator's password, from the environment, the stack's secrets or one hidden prompt."""
        if given := os.environ.get("PIXERA_STAFF_PASSWORD"):
            return given
        if (own := self._of_the_stack()) is not None:
            return own
        if sys.stdin.isatty():
            return getpass(f"Password of {self._staff_name}: ")
        raise Unanswered(
            f"Nobody to sign in as: set PIXERA_STAFF_PASSWORD, or run beside the stack ({self.home})."
        )

    def _of_the_stack(self) -> str | None:
        """Return the password that the stack here was started with; it is sent to no other platform."""
        if os.environ.get("PIXERA_URL") and not self.stack:
            return None
        try:
            return (self.home / "secrets" / "PIXERA_STAFF_PASSWORD").read_text().strip()
        except OSError:
            return None

    def _answer(self, method: str, url: str, **how: Any) -> httpx.Response:
        try:
            answer = self.client.request(method, url, **how)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unanswered(
                f"{url} does not answer ({type(error).__name__}). Does the platform run? Try `pixera status`."
            ) from error
        if not answer.is_success:
            raise _refusal(answer)
        return answer


def _same(one: str, other: str) -> bool:
    """Tell whether two addresses are one gateway's."""
    first, second = httpx.URL(one), httpx.URL(other)
    both_here = _is_here(first.host) and _is_here(second.host)
    return first.port == second.port and (both_here or first.host == second.host)


def _is_here(host: str) -> bool:
    """Tell whether an address is this machine's own."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _json(answer: httpx.Response) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError:
        raise Unanswered(f"{answer.url} does not answer with JSON. Is that the gateway's address?") from None


def _refusal(answer: httpx.Response) -> Unanswered:
    if answer.is_redirect:
        return Unanswered(
            f"{answer.url} leads to {answer.headers['location']}: set PIXERA_URL to that gateway."
        )
    code = NO if answer.status_code == HTTPStatus.CONFLICT else UNKNOWN
    return Unanswered(f"{_detail(answer)} ({answer.status_code} from {answer.url})", code, answer.status_code)


def _detail(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        title, detail = problem.get("title"), problem.get("detail")
    except (ValueError, AttributeError):
        return answer.reason_phrase
    return ": ".join(dict.fromkeys(part for part in (title, detail) if part)) or answer.reason_phrase
