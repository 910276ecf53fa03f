"""Pages with an opaque cursor: stable under inserts, one indexed read a page."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from libs.common.errors import Invalid

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_PAGE = 100

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="how many, at most")]
CursorParam = Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before")]


class InvalidCursor(Invalid):
    """The cursor is not one that this service gave out."""

    code, title = "invalid-cursor", "Start again without a cursor, or use `next_cursor` as it was given"


class Page(BaseModel, Generic[T]):
    """One page; `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None = None


def encode_cursor(made_at: datetime, row_id: UUID) -> str:
    """Return the cursor that points behind a row."""
    millis = (made_at - EPOCH) // timedelta(milliseconds=1)
    return base64.urlsafe_b64encode(millis.to_bytes(8, "big") + row_id.bytes).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Return the place that a cursor points behind. Raises InvalidCursor (422)."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        made_at = EPOCH + timedelta(milliseconds=int.from_bytes(raw[:8], "big"))
        return made_at, UUID(bytes=raw[8:])
    except (binascii.Error, ValueError, OverflowError) as error:
        raise InvalidCursor from error


def after_cursor(
    cursor: str | None, *, made_at: str = "created_at", key: str = "_id", oldest_first: bool = False
) -> dict[str, Any]:
    """Return the filter for what comes behind a cursor, newest first if not said otherwise; empty without one."""
    if cursor is None:
        return {}
    moment, row_id = decode_cursor(cursor)
    behind = "$gt" if oldest_first else "$lt"
    return {"$or": [{made_at: {behind: moment}}, {made_at: moment, key: {behind: row_id}}]}
