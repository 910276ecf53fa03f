"""The sandbox's only way to its collections."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from libs.common.clock import now
from libs.common.mongo import DuplicateKeyError, Mongo
from services.billing.providers.sandbox.models import (
    CheckoutRow,
    CheckoutState,
    Counter,
    Delivery,
    ErasureRow,
)

OPEN, DECLINED = CheckoutState.OPEN.value, CheckoutState.DECLINED.value


class CheckoutRepository:
    """Checkouts."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(CheckoutRow)
        self._counters = mongo.collection(Counter)

    async def next_number(self, of: str = "checkouts") -> int:
        """Return the next one's number, counted from 1."""
        row = await self._counters.find_one_and_update({"_id": of}, {"$inc": {"value": 1}}, upsert=True)
        return int(row["value"]) if row else 1

    async def add(self, checkout: CheckoutRow) -> bool:
        """Store a checkout; false where the payment has one already."""
        try:
            await self._rows.insert_one(checkout.to_mongo())
        except DuplicateKeyError:
            return False
        return True

    async def of_payment(self, payment_id: UUID) -> CheckoutRow | None:
        """Return the checkout of a payment."""
        row = await self._rows.find_one({"payment_id": payment_id})
        return CheckoutRow.from_mongo(row) if row else None

    async def get(self, checkout_id: UUID) -> CheckoutRow | None:
        """Return a checkout."""
        row = await self._rows.find_one({"_id": checkout_id})
        return CheckoutRow.from_mongo(row) if row else None

    async def move(
        self, checkout_id: UUID, allowed: tuple[CheckoutState, ...], state: CheckoutState
    ) -> CheckoutRow | None:
        """Move a checkout on from one of the allowed states; None where it is in another, or erased."""
        states = {"$in": [each.value for each in allowed]}
        query = {"_id": checkout_id, "state": states, "erased": {"$ne": True}}
        row = await self._rows.find_one_and_update(query, {"$set": {"state": state.value}})
        return CheckoutRow.from_mongo(row) if row else None

    async def erase(self, payment_ids: list[UUID]) -> int:
        """Delete what was not paid, and let what was lead to no payment of the merchant's; return how many it was.

        Only inside a transaction.
        """
        of_payments: dict[str, Any] = {"payment_id": {"$in": payment_ids}}
        unpaid = await self._rows.delete_many({**of_payments, "state": {"$in": [OPEN, DECLINED]}})
        paid = await self._rows.find(of_payments, projection={"_id": 1}, limit=len(payment_ids))
        for row in paid:
            await self._rows.update_one(
                {"_id": row["_id"]}, {"$set": {"payment_id": uuid4(), "erased": True}}
            )
        return unpaid + len(paid)


class ErasureRepository:
    """What merchants had erased."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(ErasureRow)

    async def add(self, erasure: ErasureRow) -> None:
        """Keep the proof."""
        await self._rows.insert_one(erasure.to_mongo())


class DeliveryRepository:
    """Notices on their way."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Delivery)

    async def add(self, deliveries: list[Delivery]) -> None:
        """Queue notices."""
        await self._rows.insert_many([delivery.to_mongo() for delivery in deliveries])

    async def claim(self, lease: timedelta) -> Delivery | None:
        """Take the next due notice for a while; who dies with it loses it to the next one who looks."""
        moment = now()
        row = await self._rows.find_one_and_update(
            {"due_at": {"$lte": moment}},
            {"$set": {"due_at": moment + lease}, "$inc": {"attempts": 1}},
            sort=[("due_at", 1)],
        )
        return Delivery.from_mongo(row) if row else None

    async def next_due_at(self) -> datetime | None:
        """Return when the next notice is due."""
        row = await self._rows.find_one(
            {"due_at": {"$ne": None}}, sort=[("due_at", 1)], projection={"due_at": 1}
        )
        return row["due_at"] if row else None

    async def postpone(self, delivery: Delivery, due_at: datetime) -> None:
        """Let a notice be tried again later."""
        await self._rows.update_one({"_id": delivery.id}, {"$set": {"due_at": due_at}})

    async def arrived(self, delivery: Delivery) -> None:
        """Note that a copy arrived; the next one, if there is one, is due at once."""
        if delivery.copies > 1:
            change = {"copies": delivery.copies - 1, "due_at": now()}
        else:
            change = {"copies": 0, "due_at": None, "delivered_at": now()}
        await self._rows.update_one({"_id": delivery.id}, {"$set": change})
        if delivery.copies <= 1:
            await self._rows.delete_many({"_id": delivery.id, "erased": True})

    async def erase(self, payment_ids: list[UUID]) -> None:
        """Delete the notices of these payments; one that is on its way goes when it has arrived."""
        of_payments: dict[str, Any] = {"payment_id": {"$in": payment_ids}}
        await self._rows.delete_many({**of_payments, "due_at": None})
        await self._rows.update_many(of_payments, {"$set": {"erased": True, "payment_id": None}})
