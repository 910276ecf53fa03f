"""What operators see of dead letters."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from libs.common.bus.envelope import Record
from libs.common.bus.letters.depth import GroupDepth
from libs.common.bus.letters.rows import DeadLetter, State
from libs.common.events.base import Code

SHOWN_BYTES = 64
LONGEST_TEXT = 256
MALFORMED = "malformed."

json_of = TypeAdapter(dict[str, JsonValue])


class LetterOut(BaseModel):
    """A dead letter. Opaque ids, codes and times; no body."""

    id: UUID
    group: str
    topic: str
    partition: int
    offset: int
    event_id: str | None
    type: str | None
    key: str | None
    state: State
    code: str
    error: str
    at: datetime
    tries: int = Field(description="deliveries that failed")
    asked_at: datetime | None
    reason: str | None
    outcome: str | None
    settled_at: datetime | None

    @classmethod
    def of(cls, letter: DeadLetter) -> "LetterOut":
        """Return what is shown of a letter."""
        return cls.model_validate(letter.model_dump())


class BytesOut(BaseModel):
    """What was stored, as far as it is shown: text or JSON where it can be read, else its size and how it begins."""

    size: int | None = Field(description="null: there is none, as in a tombstone")
    text: str | None = None
    content: dict[str, JsonValue] | None = Field(None, description="an event's body: opaque ids and codes")
    hex_head: str | None = Field(None, description=f"the first {SHOWN_BYTES} bytes, where it is no event")


class HeaderOut(BaseModel):
    """One header of the record, as it came."""

    name: str
    value: BytesOut


class RecordOut(BaseModel):
    """The record behind a letter, as it was at its origin."""

    key: BytesOut
    headers: list[HeaderOut]
    body: BytesOut


class LetterShownOut(LetterOut):
    """A dead letter with its record; `record` is null once the topic's retention is over."""

    waiting_behind: int = Field(description="later events of its key, which wait until it is settled")
    record: RecordOut | None


class ReasonIn(BaseModel):
    """Why something is done about letters: a code such as `bug-1234`, for the audit."""

    reason: Code


class RedriveIn(ReasonIn):
    """Why, and which open letters; the audit keeps the reason. `cursor` is `next_cursor` of the page before."""

    group: str | None = None
    topic: str | None = None
    code: str | None = None
    older_than: float | None = Field(None, ge=0, description="seconds since it came")
    cursor: str | None = Field(None, max_length=64)


class RedrivenOut(BaseModel):
    """The letters that were asked for; with `next_cursor` others fit as well: ask again from there."""

    letters: list[LetterOut]
    next_cursor: str | None


class DepthsOut(BaseModel):
    """How many letters wait in each group, and for how long."""

    groups: list[GroupDepth]


def record_of(letter: DeadLetter, record: Record) -> RecordOut:
    """Return what is shown of a record. A body is shown only where it is an event: all else may hold anything."""
    body = _event_body(record.value) if not letter.code.startswith(MALFORMED) else None
    return RecordOut(
        key=_text(record.key),
        headers=_headers(record.headers),
        body=_raw(record.value) if body is None else _raw(record.value).model_copy(update=body),
    )


def _event_body(value: bytes | None) -> dict[str, Any] | None:
    try:
        return {"content": json_of.validate_json(value or b""), "hex_head": None}
    except ValidationError:
        return None


def _headers(headers: Sequence[tuple[str, bytes | None]]) -> list[HeaderOut]:
    return [HeaderOut(name=name, value=_text(value)) for name, value in headers]


def _text(value: bytes | None) -> BytesOut:
    shown = _raw(value)
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError:
        return shown
    if value is None or len(text) > LONGEST_TEXT or not text.isprintable():
        return shown
    return BytesOut(size=shown.size, text=text)


def _raw(value: bytes | None) -> BytesOut:
    if value is None:
        return BytesOut(size=None)
    return BytesOut(size=len(value), hex_head=value[:SHOWN_BYTES].hex())
