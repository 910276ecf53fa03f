"""What is stored of holds: what is kept against erasure until a date, and who ordered it."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.document import Document, Index, Restored
from libs.common.privacy.annotations import Operational


class HoldKind(StrEnum):
    """What is held."""

    ITEM = "item"
    ACCOUNT = "account"


class HoldState(StrEnum):
    """Where a hold is. The first two are its beginning, the last three its end."""

    ASKED = "asked"
    """The service that has the item was asked to keep it, and has not answered."""
    UNCONFIRMED = "unconfirmed"
    """It is on an account, and waits for a second operator."""
    IN_FORCE = "in-force"
    TOO_LATE = "too-late"
    ABSENT = "absent"
    ENDED = "ended"


class Hold(Document):
    """A hold on an item or an account.

    Args:     called: what the item is, for people; settled_at: when a case was last held by it; ended_as: why, as a
              code.

    `lift_asked_by` is who wants a hold on an account to end before its date; a second operator has to confirm it.

    Personal: none readable here. Of an account there is a keyed pseudonym, and until the hold ends the id, sealed.
    """

    collection: ClassVar[str] = "holds"
    restored: ClassVar[Restored] = Restored.KEPT
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("state", 1), ("until", 1))),
        Index((("subject", 1), ("state", 1))),
        Index((("placed_at", -1), ("_id", -1))),
    )

    id: Operational[UUID] = Field(alias="_id")
    kind: Operational[HoldKind]
    state: Operational[HoldState]
    ground: Operational[str]
    until: Operational[datetime]
    placed_at: Operational[datetime]
    placed_by: Operational[str]
    holding: Operational[str | None] = None
    item_id: Operational[UUID | None] = None
    called: Operational[str] = "the account"
    subject: Operational[str | None] = None
    sealed_subject: Operational[bytes | None] = None
    confirmed_at: Operational[datetime | None] = None
    confirmed_by: Operational[str | None] = None
    settled_at: Operational[datetime | None] = None
    lift_asked_at: Operational[datetime | None] = None
    lift_asked_by: Operational[str | None] = None
    ended_at: Operational[datetime | None] = None
    ended_by: Operational[str | None] = None
    ended_as: Operational[str | None] = None

    @property
    def open(self) -> bool:
        """Tell whether it is, or may yet be, in force."""
        return self.state in (HoldState.ASKED, HoldState.UNCONFIRMED, HoldState.IN_FORCE)
