"""Balances as what their events add up to, so that they can be thrown away and rebuilt from the log."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from libs.common.bus.envelope import Received
from libs.common.document import Document
from libs.common.events.base import Event
from libs.common.events.billing import (
    AccountOpenedV1,
    CreditsCapturedV1,
    CreditsGrantedV1,
    CreditsReclaimedV1,
    CreditsRefundedV1,
    CreditsReleasedV1,
    CreditsReservedV1,
)
from libs.common.mongo import Row
from libs.common.rebuild.model import Folded
from services.billing.ledger import Account, Kind, entry
from services.billing.models import BalanceFacts, BalanceRow

KINDS: dict[type[Event], Kind] = {
    CreditsGrantedV1: Kind.PURCHASE,  # welcome credits come from another account, and to the same one
    CreditsReservedV1: Kind.RESERVATION,
    CreditsCapturedV1: Kind.CAPTURE,
    CreditsReleasedV1: Kind.RELEASE,
    CreditsRefundedV1: Kind.REFUND,
    CreditsReclaimedV1: Kind.RECLAIM,
}
"""As which kind of entry of the ledger each event was booked."""


class Balances:
    """The read model `billing.balances`: a sum, so the order of the events makes no difference."""

    name: ClassVar[str] = "billing.balances"
    live: ClassVar[type[Document]] = BalanceRow
    facts: ClassVar[type[Document]] = BalanceFacts
    owner: ClassVar[str] = "_id"
    shown: ClassVar[dict[str, Any]] = {}
    people_at_once: ClassVar[int] = 500
    events: ClassVar[tuple[type[Event], ...]] = (AccountOpenedV1, *KINDS)

    def fold(self, received: Received) -> Folded:
        """Return what one event adds to a person's balance."""
        event: Any = received.event
        if isinstance(event, AccountOpenedV1):
            return Folded(event.user_id, {"$set": {"opened_at": event.opened_at}})
        movement = entry(KINDS[type(event)], event.credits)
        moved = {
            "available": movement.change(Account.AVAILABLE),
            "reserved": movement.change(Account.RESERVED),
        }
        return Folded(event.user_id, {"$inc": moved})

    async def rows(self, facts: Sequence[Row]) -> list[Row | None]:
        """Return balances as they are stored, their fields in the order that MongoDB makes them in."""
        return [
            {
                "_id": each["_id"],
                "available": each.get("available", 0),
                "opened_at": each.get("opened_at"),
                "reserved": each.get("reserved", 0),
            }
            for each in facts
        ]

    def began_at(self, facts: Row) -> datetime | None:
        """Return when the account was opened."""
        opened_at: datetime | None = facts.get("opened_at")
        return opened_at
