"""What is stored of a dead letter, and of a key whose later events wait behind one."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID, uuid5

from pydantic import Field

from libs.common.document import Document, Index
from libs.common.privacy.annotations import MONTH, Operational, Personal

NAMESPACE = UUID("6c0b9f1e-4a52-4d0e-9a3f-2f6a1f0f7c11")
"""Of the names that ids are made of (RFC 9562, version 5): a record has the same id wherever it is met."""

OpaqueId = Personal("user.unique_id", retention=MONTH)
"""As long as the dead-letter topic keeps the bytes."""


class State(StrEnum):
    """Where a letter is on its way."""

    OPEN = "open"
    PARKED = "parked"
    REDRIVING = "redriving"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


WAITING = (State.OPEN, State.PARKED, State.REDRIVING)


class DeadLetter(Document):
    """A record that one consumer group gave up, or that waits behind such a one.

    Its bytes are in the group's dead-letter topic at `stored_partition` and `stored_offset`; where they were too
    large for that, `whole` is false and they are at their origin only. `place` orders the letters of one lane.

    Personal: opaque ids, for as long as the topic keeps the bytes. A letter of the privacy protocol (an event that is
    not fenced) has none: the erasure that it is about must not take the sign that it failed.
    """

    collection: ClassVar[str] = "dead_letters"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("at", -1), ("_id", -1))),
        Index((("state", 1), ("at", -1), ("_id", -1))),
        Index((("lane", 1), ("place", 1))),
    )

    id: Operational[UUID] = Field(alias="_id")
    group: Operational[str]
    topic: Operational[str]
    partition: Operational[int]
    offset: Operational[int]
    stored_partition: Operational[int]
    stored_offset: Operational[int]
    whole: Operational[bool]
    event_id: Operational[str | None]
    type: Operational[str | None]
    user_id: Annotated[UUID | None, OpaqueId]
    key: Annotated[str | None, OpaqueId]
    lane: Annotated[UUID | None, OpaqueId]
    place: Operational[int] = 0
    state: Operational[State]
    code: Operational[str]
    error: Operational[str]
    at: Operational[datetime]
    tries: Operational[int]
    asked_by: Operational[UUID | None] = None
    asked_at: Operational[datetime | None] = None
    reason: Operational[str | None] = None
    outcome: Operational[str | None] = None
    settled_at: Operational[datetime | None] = None


class ParkedKey(Document):
    """A lane: one key's events in one group and topic, that wait while the first of them has failed.

    Whoever adds a letter to the lane writes this row (`places`), whoever lets it run does (`starts`), and whoever
    closes it deletes it, each in the transaction of what it does: so they meet in a write conflict, nothing is parked
    in a lane that is closed, and no lane stands still whose first letter has its turn.
    """

    collection: ClassVar[str] = "parked_keys"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("group", 1),)),
        Index((("draining", 1), ("at", 1))),
    )

    id: Annotated[UUID, OpaqueId] = Field(alias="_id")
    group: Operational[str]
    topic: Operational[str]
    key: Annotated[str, OpaqueId]
    user_id: Annotated[UUID | None, OpaqueId]
    places: Operational[int] = 0
    draining: Operational[bool] = False
    starts: Operational[int] = 0
    at: Operational[datetime]


def letter_id(group: str, topic: str, partition: int, offset: int) -> UUID:
    """Return the id of the letter of a record: redelivered, or met again after a crash, it makes no second one."""
    return uuid5(NAMESPACE, f"{group}/{topic}/{partition}/{offset}")


def lane_id(group: str, topic: str, key: str) -> UUID:
    """Return the id of the lane of a key."""
    return uuid5(NAMESPACE, f"{group}/{topic}/{key}")
