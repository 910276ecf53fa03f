"""How much billing takes in before it looks at it, and that no card number is among it."""

import json
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import unquote_plus

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import JsonValue
from starlette.types import Message

from libs.common.errors import TooLarge
from services.billing.cards import holds_card_number
from services.billing.errors import CardDataRefused
from services.billing.metrics import CARD_DATA_REFUSED

Answer = Callable[[Request], Coroutine[Any, Any, Response]]

MOST_ASKED = 4_096
"""Bytes of a body, or of an address: the longest request of billing has a few hundred."""
MOST_NOTICED = 65_536
"""Bytes of a provider's notice."""


class CardFreeRoute(APIRoute):
    """A route of billing's own: nothing long and no card number comes as far as the parsing of the request.

    Raises:   TooLarge (413).  CardDataRefused (422).
    """

    def get_route_handler(self) -> Answer:
        """Return what answers, behind the checks."""
        answer = super().get_route_handler()

        async def checked(request: Request) -> Response:
            taken = _at_most(request, MOST_ASKED)
            refuse_card_data(_heads(request), await taken.body())
            return await answer(taken)

        return checked


class NoticeRoute(APIRoute):
    """A provider's route: what its signature does not cover is refused there, so only its length is looked at.

    Raises:   TooLarge (413).
    """

    def get_route_handler(self) -> Answer:
        """Return what answers, behind the check."""
        answer = super().get_route_handler()

        async def checked(request: Request) -> Response:
            return await answer(_at_most(request, MOST_NOTICED))

        return checked


def refuse_card_data(heads: list[str], body: bytes) -> None:
    """Refuse a request with a card number in its address, its Idempotency-Key or its body.

    Raises:   TooLarge (413).  CardDataRefused (422): what was sent is neither stored, nor logged, nor repeated.
    Source:   PCI DSS 4.0, requirement 3: what never enters needs no protection.
    """
    if any(len(head) > MOST_ASKED for head in heads):
        raise TooLarge
    if holds_card_number([*heads, _content(body)]):
        CARD_DATA_REFUSED.inc()
        raise CardDataRefused


def _heads(request: Request) -> list[str]:
    address = [unquote_plus(request.url.path), unquote_plus(request.url.query)]
    return [*address, request.headers.get("idempotency-key", "")]


def _content(body: bytes) -> JsonValue:
    try:
        content: JsonValue = json.loads(body) if body else None
    except (ValueError, RecursionError):  # no JSON, or nested too deep to be read: it is looked at as it came
        return unquote_plus(body.decode(errors="replace"))
    return content


def _at_most(request: Request, limit: int) -> Request:
    """Return the request with a body that raises TooLarge (413) as soon as more than the limit has come."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise TooLarge
        return message

    return Request(request.scope, receive)
