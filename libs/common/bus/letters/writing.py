"""What a record says of itself that its letter may keep: opaque ids and names, whatever else came with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from libs.common.bus.archive import Stored
from libs.common.bus.envelope import Malformed, NotSubscribed, Received, Record, first_of, receive
from libs.common.bus.letters.rows import DeadLetter, State, lane_id, letter_id
from libs.common.clock import now
from libs.common.events.base import Event

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
WRONG_PLACE = frozenset({"malformed.wrong-key", "malformed.wrong-topic"})
"""Malformed in such a way that the key is not to be believed."""


@dataclass(frozen=True, slots=True)
class Address:
    """Whom a record is about, as far as it can be believed. Without `key`, nothing waits behind it."""

    event_id: str | None
    type: str | None
    user_id: UUID | None = None
    key: str | None = None


def address_of(record: Record, readable: Mapping[str, type[Event]]) -> Address:
    """Return what a letter may keep of a record.

    An event of the privacy protocol is not fenced: nothing waits behind it, and its letter keeps no id of a person.
    """
    try:
        received = receive(record, readable)
    except Malformed as error:
        return _of_unreadable(record, readable, error.code)
    except NotSubscribed:
        return Address(None, None)
    return address(received)


def address(received: Received) -> Address:
    """Return what a letter may keep of an event that was read."""
    event = received.event
    if not event.fenced:
        return Address(_name(received.id), event.type_name())
    return Address(_name(received.id), event.type_name(), received.fenced_subject, event.key)


def _of_unreadable(record: Record, readable: Mapping[str, type[Event]], code: str) -> Address:
    event_id, kind = (_name(first_of(record.headers, name)) for name in ("ce_id", "ce_type"))
    here = [event for event in readable.values() if event.topic == record.topic]
    person = _uuid(record.key)
    keyed = here and all(event.fenced and event.subject == "user_id" for event in here)
    if person is None or not keyed or code in WRONG_PLACE:
        return Address(event_id, kind)
    return Address(event_id, kind, person, str(person))


def _name(text: str | None) -> str | None:
    return text if text and NAME.fullmatch(text) else None


def _uuid(key: bytes | None) -> UUID | None:
    try:
        found = UUID((key or b"").decode("ascii"))
    except ValueError:
        return None
    return found if str(found).encode() == key else None


@dataclass(frozen=True, slots=True)
class Fate:
    """Why there is a letter."""

    state: State
    code: str
    error: str = ""


PARKED = Fate(State.PARKED, "parked")


def letter_of(group: str, record: Record, about: Address, fate: Fate, stored: Stored) -> DeadLetter:
    """Return the letter of a record."""
    return DeadLetter(
        id=letter_id(group, record.topic, record.partition, record.offset),
        group=group,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        stored_partition=stored.partition,
        stored_offset=stored.offset,
        whole=stored.whole,
        event_id=about.event_id,
        type=about.type,
        user_id=about.user_id,
        key=about.key,
        lane=lane_id(group, record.topic, about.key) if about.key else None,
        state=fate.state,
        code=fate.code,
        error=fate.error,
        at=now(),
        tries=1 if fate.state is State.OPEN else 0,
    )
