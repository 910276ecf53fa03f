"""The two requests that every holder answers, wired by the process builder: a service writes nothing for them."""

import asyncio
from typing import get_args
from uuid import UUID

from libs.common.bus.consumes import Handler, Once, Subscription
from libs.common.events import privacy
from libs.common.events.privacy import (
    ErasureCompletedV1,
    ErasureRequestedV1,
    HoldingErasure,
    InventoryCompletedV1,
    InventoryRequestedV1,
)
from libs.common.logging import logger
from libs.common.privacy.holder import Holder
from libs.common.privacy.metrics import ERASURE_SECONDS, WAITING_OUTSIDE
from libs.common.privacy.patience import Patience
from libs.common.privacy.tombstones import Tombstone
from libs.common.tasks import Loop

PEOPLE_AT_ONCE = 4
ASK_AGAIN_EVERY_S = 15.0

log = logger("privacy.answers")


def privacy_subscriptions(holder: Holder) -> list[Subscription]:
    """Return the holder's subscription, group `<service>.privacy`; it does I/O and commits through `once`."""
    return [privacy_subscription(holder.holdings.service, Answers(holder).answer)]


def privacy_subscription(service: str, handler: Handler) -> Subscription:
    """Return a service's subscription to the two requests."""
    return Subscription(
        events=(InventoryRequestedV1, ErasureRequestedV1),
        group=f"{service}.privacy",
        handler=handler,
        io=True,
        concurrency=PEOPLE_AT_ONCE,
    )


def privacy_loops(holder: Holder) -> list[Loop]:
    """Return what a holder's worker does by itself about erasures that wait for outside parties."""
    return [Answers(holder).ask_again_loop] if holder.holdings.asked else []


class Answers:
    """Answers inventory and erasure requests for one holder."""

    def __init__(self, holder: Holder) -> None:
        self._holder, self._patience = holder, Patience()
        self.name = holder_name(holder.holdings.service)

    async def answer(self, event: InventoryRequestedV1 | ErasureRequestedV1, once: Once) -> None:
        """Do what is asked, and answer with the counts; nothing where that is not possible for minutes.

        Raises:   Unavailable and its kinds: retried for that long; after it the case asks again, without end.
        """
        if isinstance(event, InventoryRequestedV1):
            await self._inventory(event, once)
        elif event.holders is None or self.name in event.holders:
            await self._erase(event, once)

    async def _inventory(self, event: InventoryRequestedV1, once: Once) -> None:
        counting = self._holder.inventory(event.user_id, event.case_id)
        found = await self._patience.within(event.case_id, counting)
        if found is None:
            return
        answer = InventoryCompletedV1(
            user_id=event.user_id, case_id=event.case_id, holder=self.name, holdings=found
        )
        await once(lambda: self._holder.outbox.add(answer))

    async def ask_again_loop(self) -> None:
        """Ask outside parties again for as long as the process lives."""
        while True:
            await self.ask_again()
            await asyncio.sleep(ASK_AGAIN_EVERY_S)

    async def ask_again(self) -> int:
        """Ask outside parties again for those who wait; return how many still do. One's trouble holds up nobody else.

        Effects:  publishes erasure.completed, once more, for each whose erasure is complete now.
        """
        waiting: dict[UUID, None] = {}  # in their order
        for held in self._holder.holdings.asked:
            people = await self._holder.waiting_outside(held)
            WAITING_OUTSIDE.labels(held.processor.name).set(len(people))
            waiting |= dict.fromkeys(people)
        return sum([not await self._asked_again(user_id) for user_id in waiting])

    async def _asked_again(self, user_id: UUID) -> bool:
        """Ask for one person; return whether nothing is left to ask. What fails is tried again in the next round."""
        tombstone = await self._holder.erasing(user_id)
        if tombstone is None:
            return True
        try:
            return await self._finished(tombstone)
        except Exception as error:
            log.warning("erasure.not_asked_again", case_id=str(tombstone.case_id), exc_info=error)
            return False

    async def _finished(self, tombstone: Tombstone) -> bool:
        erased = await self._holder.erase(tombstone.id, tombstone.case_id)
        if any((await self._holder.outside.remaining(tombstone.id)).values()):
            return False
        answer = self.answered(tombstone.id, tombstone.case_id, tombstone.attempt or 1, erased)

        async def conclude() -> None:
            await self._holder.complete(tombstone.id, answer.attempt, erased)
            await self._holder.outbox.add(answer)

        await self._holder.mongo.transaction(conclude)
        return True

    async def _erase(self, event: ErasureRequestedV1, once: Once) -> None:
        with ERASURE_SECONDS.labels(self.name).time():
            erasing = self._holder.erase(event.user_id, event.case_id)
            erased = await self._patience.within(event.case_id, erasing)
        if erased is None:
            return
        answer = self.answered(event.user_id, event.case_id, event.attempt, erased)

        async def conclude() -> None:
            await self._holder.complete(event.user_id, event.attempt, erased)
            await self._holder.outbox.add(answer)

        await once(conclude)

    def answered(
        self, user_id: UUID, case_id: UUID, attempt: int, erased: list[HoldingErasure]
    ) -> ErasureCompletedV1:
        """Return the answer to a request to erase."""
        return ErasureCompletedV1(
            user_id=user_id, case_id=case_id, holder=self.name, holdings=erased, attempt=attempt
        )


def holder_name(service: str) -> privacy.Holder:
    """Return a service's name as a holder. Raises TypeError: it is none."""
    for name in get_args(privacy.Holder):
        if name == service:
            holder: privacy.Holder = name
            return holder
    raise TypeError(f"{service} is no holder: enter it into libs.common.events.privacy.Holder")
