"""How a person reaches the platform under faults: every call is recorded, and none of them raises."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from tests.chaos.history import Cast, Operation, Outcome, Record, began

Json = dict[str, Any]

TIMEOUT_S = 8.0
POLL_S = 0.25

NOTHING = Operation("", "", Outcome.OK)


@dataclass
class Client:
    """Somebody's client. Each call is one operation of the history, whatever becomes of it.

    `clock_ends` is the `time.monotonic()` after which nothing more is begun. `last` is the operation just done.
    """

    http: httpx.AsyncClient
    cast: Cast
    history: Record
    clock_ends: float
    token: str = ""
    last: Operation = NOTHING

    @property
    def over(self) -> bool:
        """Tell whether nothing more is to be begun."""
        return time.monotonic() >= self.clock_ends

    async def call(
        self,
        what: str,
        method: str,
        path: str,
        *,
        arguments: str = "",
        given: Mapping[str, str] | None = None,
        takes: Mapping[str, str] | None = None,
        http: httpx.AsyncClient | None = None,
        **options: Any,
    ) -> Json | None:
        """Do one thing and record it; return the answer where it was acknowledged, else None.

        Args:     takes: which fields of the answer are kept in the history, by the name that they get there.
                  http: another client than the person's own, for what the provider does.
        """
        headers = {"User-Agent": self.cast.device} | options.pop("headers", {})
        if self.token and path.startswith("/api/"):
            headers.setdefault("Authorization", f"Bearer {self.token}")
        note = partial(Operation, self.cast.name, what, arguments=arguments, given=dict(given or {}))
        invoked, at = began()
        try:
            answer = await (http or self.http).request(method, path, headers=headers, **options)
        except httpx.TransportError as error:
            told = note(Outcome.UNKNOWN, type(error).__name__, invoked=invoked, returned=began()[0], at=at)
            self._note(told)
            return None
        outcome, code = _judged(answer)
        body = _body(answer)
        got = {name: str(body[key]) for name, key in (takes or {}).items() if body.get(key) is not None}
        self._note(note(outcome, code, got=got, invoked=invoked, returned=began()[0], at=at))
        return body if outcome is Outcome.OK else None

    async def retried(
        self, what: str, method: str, path: str, *, tries: int = 3, **options: Any
    ) -> Json | None:
        """Do a thing that may be repeated until it is answered, as a good client does."""
        for _ in range(tries):
            if (body := await self.call(what, method, path, **options)) is not None:
                return body
            if self.over or self.last.outcome is Outcome.REFUSED:
                return None
            await asyncio.sleep(POLL_S)
        return None

    async def answer(self, method: str, url: str, **options: Any) -> httpx.Response | None:
        """Ask for something that changes nothing, and is not recorded; None where nothing answered."""
        headers = {"User-Agent": self.cast.device}
        if url.startswith("/api/"):
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            return await self.http.request(method, url, headers=headers, **options)
        except httpx.TransportError:
            return None

    def _note(self, operation: Operation) -> None:
        self.last = operation
        self.history.note(operation)


def subject_of(token: str) -> str:
    """Return whom an access token is about."""
    payload = token.split(".")[1]
    subject: str = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]
    return subject


def _judged(answer: httpx.Response) -> tuple[Outcome, str]:
    if answer.status_code < httpx.codes.BAD_REQUEST:
        return Outcome.OK, ""
    code = f"{answer.status_code} {_body(answer).get('code', '')}".strip()
    return (Outcome.UNKNOWN if answer.is_server_error else Outcome.REFUSED), code


def _body(answer: httpx.Response) -> Json:
    """Return an answer's JSON object; what has none is acknowledged by its status alone."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
