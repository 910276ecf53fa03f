"""What is sent and answered about holds, to operators alone."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from libs.common.events.base import Code
from services.privacy.holds.grounds import Ground, told
from services.privacy.holds.models import Hold, HoldKind, HoldState


class ItemTarget(BaseModel):
    """An item: the holding that it is in, such as `gallery.images`, and its id."""

    kind: Literal["item"]
    holding: Code
    id: UUID


class AccountTarget(BaseModel):
    """An account by its person's opaque id, or the account that an erasure case is about."""

    kind: Literal["account", "case"]
    id: UUID


class HoldIn(BaseModel):
    """What is to be held, why, and until when."""

    target: ItemTarget | AccountTarget = Field(discriminator="kind")
    until: AwareDatetime
    ground: Ground


class StaffHoldOut(BaseModel):
    """A hold. `told` is why, as its person is told; `waits_for` is who has to act for it to take effect or end."""

    id: UUID
    kind: HoldKind
    state: HoldState
    holding: str | None
    item_id: UUID | None
    what: str
    ground: str
    told: str
    until: datetime
    placed_at: datetime
    placed_by: str
    confirmed_at: datetime | None
    confirmed_by: str | None
    lift_asked_at: datetime | None
    lift_asked_by: str | None
    ended_at: datetime | None
    ended_by: str | None
    ended_as: str | None
    waits_for: Literal["its-service", "second-operator"] | None

    @classmethod
    def of(cls, hold: Hold) -> "StaffHoldOut":
        """Return a hold as operators see it."""
        named = hold.model_dump(exclude={"subject", "sealed_subject", "called"})
        return cls(**named, what=hold.called, told=told(hold.ground).words, waits_for=_waits_for(hold))


def _waits_for(hold: Hold) -> Literal["its-service", "second-operator"] | None:
    if hold.state is HoldState.ASKED:
        return "its-service"
    lifted = hold.state is HoldState.IN_FORCE and hold.lift_asked_by is not None
    return "second-operator" if lifted or hold.state is HoldState.UNCONFIRMED else None
