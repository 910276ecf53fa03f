"""The only way out over HTTP: to hosts that settings name, with calls and fields that the code declares.

What is not declared is refused before a byte leaves. An outside party's requests are classes whose every field says
which stored field it carries, and that has to be among what the party is declared to receive (`privacy.py`).
Source:   ADR 0040.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from httpx import HTTPError, HTTPStatusError, Response, TransportError
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from libs.common.errors import PixeraError
from libs.common.metrics import OUTBOUND_SECONDS
from libs.common.privacy.annotations import nested_model
from libs.common.privacy.holdings import ProcessorHolding

__all__ = [
    "Call",
    "Carries",
    "HTTPError",
    "HTTPStatusError",
    "Outgoing",
    "Party",
    "Response",
    "TransportError",
]

PLAIN_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "authorization", "connection", "content-length", "content-type"),
        *("host", "traceparent", "user-agent"),
    }
)
OPAQUE = "[A-Za-z0-9_-]{1,64}"
"""What stands for a `{part}` of a path: an id, never what a person typed."""


class UndeclaredCall(PixeraError):
    """Something was about to leave that nobody declared: a fault of ours, whoever asked for it."""

    code, title = "undeclared-call", "This is not sent to another party"


@dataclass(frozen=True, slots=True)
class Carries:
    """Marks a field of a request. Args: place: the stored field it carries, None: it says nothing of a person."""

    place: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request that is made. Args: path: with `{part}` for ids; sends: the body; headers: of its own."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    sends: type[BaseModel] | None = None
    headers: frozenset[str] = frozenset()

    def fits(self, method: str, path: str) -> bool:
        """Tell whether a request is of this kind."""
        pattern = OPAQUE.join(re.escape(part) for part in re.split(r"\{\w+\}", self.path))
        return method == self.method and re.fullmatch(pattern, path) is not None


@dataclass(frozen=True, slots=True)
class Party:
    """Whom we call. Args: holding: what it is declared to receive of people, None: nothing.

    Raises:   UndeclaredCall: a request carries what the party is not declared to receive, or does not say what it is.
    """

    name: str
    calls: tuple[Call, ...]
    holding: ProcessorHolding | None = None
    receives: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "receives", frozenset(self.holding.receives if self.holding else ()))
        for call in self.calls:
            for path, place in _carried(call.sends) if call.sends else ():
                if place is not None and place not in self.receives:
                    raise UndeclaredCall(
                        f"{self.name} is not declared to receive `{place}` ({call.path}: {path})"
                    )

    def call(self, method: str, path: str) -> Call:
        """Return the declared call that a request is. Raises UndeclaredCall."""
        for call in self.calls:
            if call.fits(method, path):
                return call
        raise UndeclaredCall(f"{method} {path} of {self.name} is not declared")


class Outgoing:
    """Calls one party. Args: base_url: from settings; retries: of connecting alone."""

    def __init__(
        self,
        party: Party,
        base_url: str,
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        retries: int = 0,
    ) -> None:
        guard = _Guard(party, base_url, httpx.AsyncHTTPTransport(retries=retries))
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeout_s,
            headers=dict(headers or {}),
            transport=guard,
            trust_env=False,  # a proxy from the environment would get round the guard
        )

    async def get(self, path: str) -> Response:
        """Return the answer. Raises UndeclaredCall, TransportError."""
        return await self._client.get(path)

    async def post(
        self, path: str, body: BaseModel | str, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send a body, a model or JSON; return the answer. Raises UndeclaredCall, TransportError."""
        content = body if isinstance(body, str) else body.model_dump_json()
        more = {"content-type": "application/json", **(headers or {})}
        return await self._client.post(path, content=content, headers=more)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class _Guard(httpx.AsyncBaseTransport):
    """Lets through what is declared; every request passes here, a redirected one too."""

    def __init__(self, party: Party, base_url: str, inner: httpx.AsyncBaseTransport) -> None:
        self._party, self._origin, self._inner = party, _origin(base_url), inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        started, outcome = time.perf_counter(), "failed"
        try:
            outcome = "undeclared"
            self._check(request, await request.aread())
            outcome = "failed"
            answer = await self._inner.handle_async_request(request)
            outcome = "ok" if answer.is_success else "refused"
        finally:
            OUTBOUND_SECONDS.labels(self._party.name, outcome).observe(time.perf_counter() - started)
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _check(self, request: httpx.Request, content: bytes) -> None:
        if _origin(str(request.url)) != self._origin:
            raise UndeclaredCall(f"{self._party.name} is not at {request.url.host}")
        if request.url.query:
            raise UndeclaredCall(f"nothing is said to {self._party.name} in a query")
        call = self._party.call(request.method, request.url.path)
        if odd := sorted(set(request.headers) - PLAIN_HEADERS - call.headers):
            raise UndeclaredCall(
                f"{self._party.name} is sent headers that are not declared: {', '.join(odd)}"
            )
        _check_body(call, content)


def _check_body(call: Call, content: bytes) -> None:
    if call.sends is None:
        if content:
            raise UndeclaredCall(f"{call.method} {call.path} sends no body")
        return
    try:
        call.sends.model_validate_json(content)
    except ValidationError as error:
        fields = sorted({".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)})
        raise UndeclaredCall(f"{call.path} is not sent like this: {', '.join(fields)}") from None


def _carried(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """Yield every field of a request with the stored field that it carries. Raises UndeclaredCall."""
    if model.model_config.get("extra") != "forbid":
        raise UndeclaredCall(f"{model.__name__} lets other fields through: say extra='forbid'")
    for name, info in model.model_fields.items():
        inner = nested_model(info.annotation)
        if inner is not None:
            yield from _carried(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, _mark(model, name, info).place


def _mark(model: type[BaseModel], name: str, info: FieldInfo) -> Carries:
    for mark in info.metadata:
        if isinstance(mark, Carries):
            return mark
    raise UndeclaredCall(
        f"{model.__name__}.{name} does not say what it carries: annotate it with Carries(...)"
    )


def _origin(url: str) -> tuple[str, Any, Any]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
