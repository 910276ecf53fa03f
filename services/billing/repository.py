"""Billing's only way to its collections. A person's rows are only reached with that person's id."""

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from libs.common.clock import now
from libs.common.mongo import DuplicateKeyError, Mongo
from libs.common.pagination import after_cursor
from libs.common.privacy.annotations import TAX
from libs.common.privacy.rows import GROUND, UNTIL
from services.billing.errors import DuplicatePayment
from services.billing.ledger import Account, Balance, Entry, Kind
from services.billing.models import (
    BalanceRow,
    LedgerEntry,
    Payment,
    Reservation,
    ReservationState,
    WebhookReceipt,
)
from services.billing.payments import PaymentState
from services.billing.privacy import TAX_LAW

NEWEST_FIRST = [("created_at", -1), ("_id", -1)]
BALANCE_OF = {"available": Account.AVAILABLE, "reserved": Account.RESERVED}


class PaymentRepository:
    """Payments."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Payment)

    async def add(self, payment: Payment) -> None:
        """Store a new payment. Raises DuplicatePayment where its Idempotency-Key is known already."""
        try:
            await self._rows.insert_one(payment.to_mongo())
        except DuplicateKeyError as error:
            raise DuplicatePayment from error

    async def add_retained(self, payment: Payment) -> None:
        """Store a payment of nobody's, for as long as the law keeps it. Raises DuplicatePayment, as above."""
        kept = {GROUND: TAX_LAW, UNTIL: TAX.end_of(payment.created_at)}
        try:
            await self._rows.insert_one(payment.to_mongo() | kept)
        except DuplicateKeyError as error:
            raise DuplicatePayment from error

    async def get(self, user_id: UUID, payment_id: UUID) -> Payment | None:
        """Return one payment of a person."""
        row = await self._rows.find_one({"_id": payment_id, "user_id": user_id})
        return Payment.from_mongo(row) if row else None

    async def by_key(self, user_id: UUID, key_hash: str) -> Payment | None:
        """Return the payment that was begun with an Idempotency-Key."""
        row = await self._rows.find_one({"user_id": user_id, "idempotency_key_hash": key_hash})
        return Payment.from_mongo(row) if row else None

    async def told_of(self, payment_id: UUID) -> Payment | None:
        """Return the payment that a signed notice of the provider names; the provider does not know the person."""
        row = await self._rows.find_one({"_id": payment_id})
        return Payment.from_mongo(row) if row else None

    async def page(self, user_id: UUID, cursor: str | None, limit: int) -> list[Payment]:
        """Return a person's payments, newest first."""
        query = {"user_id": user_id} | after_cursor(cursor)
        return [
            Payment.from_mongo(row) for row in await self._rows.find(query, sort=NEWEST_FIRST, limit=limit)
        ]

    async def place(self, user_id: UUID, payment_id: UUID, reference: str, url: str) -> Payment | None:
        """Note where the provider lets the person pay."""
        change = {"provider_reference": reference, "checkout_url": url, "changed_at": now()}
        row = await self._rows.find_one_and_update({"_id": payment_id, "user_id": user_id}, {"$set": change})
        return Payment.from_mongo(row) if row else None

    async def set_state(self, payment: Payment, state: PaymentState) -> None:
        """Move a payment on."""
        query = {"_id": payment.id, "user_id": payment.user_id}
        await self._rows.update_one(query, {"$set": {"state": state.value, "changed_at": now()}})

    async def mark_credited(self, user_id: UUID, payment_id: UUID) -> bool:
        """Claim the crediting of a completed payment; true for one caller only."""
        query = {
            "_id": payment_id,
            "user_id": user_id,
            "state": PaymentState.COMPLETED.value,
            "credited": False,
        }
        return bool(await self._rows.update_one(query, {"$set": {"credited": True, "changed_at": now()}}))


class EntryRepository:
    """The entries of the ledger: added and read, never changed."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(LedgerEntry)

    async def add(self, entry: LedgerEntry) -> None:
        """Append an entry."""
        await self._rows.insert_one(entry.to_mongo())

    async def has(self, user_id: UUID, kind: Kind) -> bool:
        """Tell whether a person has an entry of a kind."""
        query = {"user_id": user_id, "kind": kind.value}
        return await self._rows.find_one(query, projection={"_id": 1}) is not None

    async def page(self, user_id: UUID, cursor: str | None, limit: int) -> list[LedgerEntry]:
        """Return a person's entries, newest first."""
        query = {"user_id": user_id} | after_cursor(cursor)
        return [
            LedgerEntry.from_mongo(row)
            for row in await self._rows.find(query, sort=NEWEST_FIRST, limit=limit)
        ]

    async def of(self, user_id: UUID) -> AsyncIterator[Entry]:
        """Yield all entries about a person, some at a time in memory."""
        async for row in self._rows.stream({"user_id": user_id}):
            yield LedgerEntry.from_mongo(row).entry

    async def imbalance(self) -> int:
        """Return what all postings of all entries add up to."""
        rows = await self._rows.aggregate(
            [{"$group": {"_id": None, "sum": {"$sum": {"$sum": "$postings.credits"}}}}]
        )
        return int(rows[0]["sum"]) if rows else 0


class BalanceRepository:
    """The balances: one row a person, changed only together with an entry."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(BalanceRow)

    async def open(self, user_id: UUID) -> datetime | None:
        """Give a person an empty balance and return since when there is one; None where there was one before."""
        opened_at = now()
        empty = {"available": 0, "opened_at": opened_at, "reserved": 0}
        before = await self._rows.find_one_and_update(
            {"_id": user_id}, {"$setOnInsert": empty}, upsert=True, before=True
        )
        return opened_at if before is None else None

    async def get(self, user_id: UUID) -> Balance:
        """Return a person's balance; an empty one where nothing was booked yet."""
        row = await self._rows.find_one({"_id": user_id})
        return Balance(row["available"], row["reserved"]) if row else Balance()

    async def apply(self, user_id: UUID, entry: Entry) -> bool:
        """Change a balance by an entry; false, and unchanged, where there is not enough, or none.

        The condition is part of the update, so no two transactions can both spend the last credit.
        """
        changes = {field: change for field, of in BALANCE_OF.items() if (change := entry.change(of))}
        enough = {field: {"$gte": need} for field, of in BALANCE_OF.items() if (need := entry.need(of))}
        return bool(await self._rows.update_one({"_id": user_id} | enough, {"$inc": changes}))

    async def replace(self, user_id: UUID, balance: Balance) -> bool:
        """Set a balance to what the entries say; true where it said otherwise."""
        said = {"available": balance.available, "reserved": balance.reserved}
        before = await self._rows.find_one_and_update({"_id": user_id}, {"$set": said}, before=True)
        return before is not None and (before["available"], before["reserved"]) != tuple(said.values())

    async def after(self, user_id: UUID | None, limit: int) -> list[UUID]:
        """Return whose balances come after a person's, by id."""
        query = {"_id": {"$gt": user_id}} if user_id else {}
        rows = await self._rows.find(query, sort=[("_id", 1)], limit=limit, projection={"_id": 1})
        return [row["_id"] for row in rows]


class ReservationRepository:
    """The credits set aside for jobs."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Reservation)

    async def known(self, user_id: UUID, job_id: UUID) -> bool:
        """Tell whether a job's credits were decided on, or the job is over."""
        return (
            await self._rows.find_one({"_id": job_id, "user_id": user_id}, projection={"_id": 1}) is not None
        )

    async def add(self, reservation: Reservation) -> None:
        """Store what was decided about a job's credits."""
        await self._rows.insert_one(reservation.to_mongo())

    async def owe(self, user_id: UUID, credits_: int) -> int:
        """Let credits that are set aside be owed, each once; return how many are now that were not."""
        query = {"user_id": user_id, "state": ReservationState.RESERVED.value}
        changes, left = [], credits_
        async for row in self._rows.stream(query):
            reservation = Reservation.from_mongo(row)
            if more := min(left, reservation.credits - reservation.owed):
                change = {"$set": {"owed": reservation.owed + more}}
                changes.append(({"_id": reservation.job_id, "user_id": user_id}, change))
                left -= more
        await self._rows.upsert_many(changes)
        return credits_ - left

    async def settle(self, user_id: UUID, job_id: UUID, state: ReservationState) -> Reservation | None:
        """Settle an open reservation and return it; None where none is open."""
        query = {"_id": job_id, "user_id": user_id, "state": ReservationState.RESERVED.value}
        change = {"state": state.value, "settled_at": now()}
        row = await self._rows.find_one_and_update(query, {"$set": change})
        return Reservation.from_mongo(row) if row else None


class ReceiptRepository:
    """The ids of notices that were taken in."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(WebhookReceipt)

    async def is_new(self, notice_id: str) -> bool:
        """Enter a notice; false where it was taken in before."""
        if await self._rows.find_one({"_id": notice_id}, projection={"_id": 1}):
            return False
        await self._rows.insert_one(WebhookReceipt(id=notice_id).to_mongo())
        return True
