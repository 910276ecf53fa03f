"""Who left since a backup: collected from what outlives the databases, and from what is left of them."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import get_args
from uuid import UUID

from pydantic import ValidationError

from libs.common.bus.outbox import OutboxRow
from libs.common.clock import now
from libs.common.events.auth import UserDeletedV1
from libs.common.events.base import Event, event_classes
from libs.common.events.privacy import (
    ErasureCompletedV1,
    ErasureRequestedV1,
    ErasureVerifiedV1,
    InventoryCompletedV1,
    InventoryRequestedV1,
)
from libs.common.mongo import Mongo, Row
from libs.common.privacy.progress import holding_of
from libs.common.privacy.tombstones import Tombstone

Leaving = (
    UserDeletedV1
    | InventoryRequestedV1
    | InventoryCompletedV1
    | ErasureRequestedV1
    | ErasureCompletedV1
    | ErasureVerifiedV1
)
GOING = (ErasureRequestedV1, ErasureCompletedV1, ErasureVerifiedV1)


@dataclass(slots=True)
class Erasure:
    """One person who left.

    Args:     requested: the erasure itself was asked for, not only the freeze: a held case keeps what it holds;
              found: the first inventory of each holder, which its answer is compared with.
    """

    user_id: UUID
    case_id: UUID
    at: datetime
    requested: bool = False
    found: dict[str, dict[str, int]] = field(default_factory=dict)

    def join(self, other: "Erasure") -> None:
        """Take in what another source knows."""
        self.requested = self.requested or other.requested
        self.found = other.found | self.found

    def as_row(self) -> Row:
        """Return it as the marker keeps it."""
        found = [[holder, [[*each] for each in counts.items()]] for holder, counts in self.found.items()]
        return {"case_id": self.case_id, "at": self.at, "requested": self.requested, "found": found}

    @classmethod
    def of_row(cls, row: Row) -> "Erasure":
        """Return what `as_row` made a row of."""
        found = {holder: dict(counts) for holder, counts in row["found"]}
        return cls(row["_id"], row["case_id"], row["at"], row["requested"], found)


class Leavers:
    """All who left, each once. Args: certificates: numbers that were given out, as the log tells."""

    def __init__(self) -> None:
        self.by_id: dict[UUID, Erasure] = {}
        self.certificates: set[int] = set()

    def add(self, erasure: Erasure) -> None:
        """Take somebody in."""
        self.by_id.setdefault(erasure.user_id, erasure).join(erasure)

    def hear(self, event: Event) -> None:
        """Take in what an event says of somebody who leaves; others say nothing."""
        if not isinstance(event, Leaving):
            return
        erasure = Erasure(event.user_id, event.case_id, now(), isinstance(event, GOING))
        if isinstance(event, InventoryCompletedV1):
            erasure.found[event.holder] = {held.holding: held.found for held in event.holdings}
        if isinstance(event, ErasureVerifiedV1):
            self.certificates.add(event.certificate_sequence)
        self.add(erasure)

    async def read_database(self, mongo: Mongo, service: str) -> None:
        """Take in what a database still knows: its tombstones, and events that were never published."""
        async for row in mongo.collection(Tombstone).stream({}):
            self.add(_of_tombstone(Tombstone.from_mongo(row), service))
        async for row in mongo.collection(OutboxRow).stream({"topic": {"$in": sorted(_topics())}}):
            if found := event_of(row["type"], row["body"]):
                self.hear(found)


def event_of(type_name: str, body: bytes) -> Event | None:
    """Return an event from its type and bytes, None where this code does not know it."""
    kind = _types().get(type_name)
    try:
        return kind.model_validate_json(body) if kind else None
    except ValidationError:
        return None


async def tombstones_of(mongo: Mongo, service: str) -> AsyncIterator[tuple[Tombstone, Erasure]]:
    """Yield everybody who has a tombstone in a database."""
    async for row in mongo.collection(Tombstone).stream({}):
        tombstone = Tombstone.from_mongo(row)
        yield tombstone, _of_tombstone(tombstone, service)


def _of_tombstone(tombstone: Tombstone, service: str) -> Erasure:
    counts = {holding_of(name): count for name, count in (tombstone.inventory or {}).items()}
    return Erasure(
        tombstone.id,
        tombstone.case_id,
        tombstone.at,
        tombstone.erasing_since is not None,
        {service: counts} if tombstone.inventory is not None else {},
    )


@cache
def _types() -> dict[str, type[Event]]:
    return {kind.type_name(): kind for kind in event_classes()}


def _topics() -> Iterable[str]:
    return {kind.topic for kind in get_args(Leaving)}
