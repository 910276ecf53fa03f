"""The status of one service, part by part: a part that does not answer leaves the others standing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, Field

from libs.common.bus.consumes import Subscription
from libs.common.bus.group import groups_of
from libs.common.bus.letters.depth import GroupDepth, measure_depths
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.settings import CommonSettings
from libs.common.status.groups import GroupLag, measure_groups
from libs.common.status.stored import OutboxDepth, has_relay, measure_outbox

PART_S = 5.0
"""How long one part may take. It is when something hangs that an operator looks."""

T = TypeVar("T")

log = logger("status")


class StatusOut(BaseModel):
    """How a service stands. A part is null where it did not answer; `unanswered` says what was in the way."""

    service: str
    ready: dict[str, bool] = Field(description="what holds back the process that answers, by check")
    outbox: OutboxDepth | None = Field(description="events that wait to be published")
    relay: bool | None = Field(description="whether a worker holds the lease to publish them")
    groups: list[GroupLag] | None = Field(description="consumer groups, as the broker knows them")
    dead_letters: list[GroupDepth] | None = Field(
        description="what each group gave up on, and what waits behind it"
    )
    unanswered: dict[str, str]


class Status:
    """Measures how a service stands. Args: checks: what its readiness is made of."""

    def __init__(
        self,
        name: str,
        settings: CommonSettings,
        mongo: Mongo,
        subscriptions: Iterable[Subscription],
        checks: Iterable[Callable[[], Awaitable[None]]],
    ) -> None:
        self._name, self._bootstrap, self._mongo = name, settings.kafka_bootstrap, mongo
        self._groups = groups_of(subscriptions)
        self._checks = tuple(checks)
        self._one_at_a_time = asyncio.Lock()

    async def measure(self) -> StatusOut:
        """Return how the service stands now; who asks meanwhile waits, so that nobody can wear the broker out."""
        parts: Mapping[str, Awaitable[Any]] = {
            "outbox": measure_outbox(self._mongo),
            "relay": has_relay(self._mongo),
            "groups": measure_groups(self._bootstrap, self._groups),
            "dead_letters": measure_depths(self._mongo, [group.name for group in self._groups]),
        }
        async with self._one_at_a_time:
            unanswered: dict[str, str] = {}
            measured = [_answered(name, part, unanswered) for name, part in parts.items()]
            checked = [_passes(check) for check in self._checks]
            found, passed = await asyncio.gather(asyncio.gather(*measured), asyncio.gather(*checked))
        return StatusOut(
            service=self._name,
            ready={check.__qualname__: passes for check, passes in zip(self._checks, passed, strict=True)},
            unanswered=unanswered,
            **dict(zip(parts, found, strict=True)),
        )


async def _answered(name: str, part: Awaitable[T], unanswered: dict[str, str]) -> T | None:
    try:
        async with asyncio.timeout(PART_S):
            return await part
    except Exception as error:
        log.info("status.unanswered", part=name, exc_info=error)
        unanswered[name] = type(error).__name__
        return None


async def _passes(check: Callable[[], Awaitable[None]]) -> bool:
    unanswered: dict[str, str] = {}
    await _answered(check.__qualname__, check(), unanswered)
    return not unanswered
