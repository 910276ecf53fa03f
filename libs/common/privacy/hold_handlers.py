"""The two events about holds on items, wired by the process builder for every service that has such items."""

from functools import partial

from libs.common.audit import Audit
from libs.common.bus.consumes import Handler, Once, Subscription
from libs.common.events.base import Event
from libs.common.events.privacy import ErasureCompletedV1, HoldAnsweredV1, HoldPlacedV1, HoldReleasedV1
from libs.common.privacy.handlers import Answers
from libs.common.privacy.holder import Holder
from libs.common.privacy.item_holds import HoldState, ItemHold
from libs.common.privacy.patience import Patience
from libs.common.privacy.tombstones import Tombstone

ITEMS_AT_ONCE = 4


def hold_subscriptions(holder: Holder) -> list[Subscription]:
    """Return the holder's subscription, group `<service>.hold`; none where nothing of it can be held."""
    if not holder.holdings.items:
        return []
    return [hold_subscription(holder.holdings.service, HoldAnswers(holder).answer)]


def hold_subscription(service: str, handler: Handler) -> Subscription:
    """Return a service's subscription to holds on its items."""
    return Subscription(
        events=(HoldPlacedV1, HoldReleasedV1),
        group=f"{service}.hold",
        handler=handler,
        io=True,
        concurrency=ITEMS_AT_ONCE,
    )


class HoldAnswers:
    """Places and ends holds on one holder's items, and goes on with an erasure that waited for one."""

    def __init__(self, holder: Holder) -> None:
        self._holder, self._answers, self._patience = holder, Answers(holder), Patience()
        self._audit = Audit(holder.outbox, holder.holdings.service)

    async def answer(self, event: HoldPlacedV1 | HoldReleasedV1, once: Once) -> None:
        """Do what is asked of an item of ours. A hold that came too late is ended, and told so.

        Raises:   Unavailable and its kinds: retried; an erasure that cannot go on for minutes is left to its case.
        Effects:  publishes hold.answered to a hold, and erasure.completed where an erasure went on.
        """
        if event.holding.partition(".")[0] != self._holder.holdings.service:
            return
        hold = ItemHold(
            id=event.hold_id, holding=event.holding, item_id=event.item_id, state=HoldState.PLACING
        )
        if isinstance(event, HoldReleasedV1):
            await self._go_on(await self._holder.item_holds.release(hold), once)
            return
        placed = await self._holder.item_holds.place(hold)
        told = HoldAnsweredV1(hold_id=hold.id, holder=self._answers.name, outcome=placed.state.value)
        if placed.state is HoldState.IN_FORCE:
            await once(partial(self._tell, told, placed))
        else:
            await self._go_on(placed, once, told)

    async def _tell(self, told: HoldAnsweredV1, placed: ItemHold) -> None:
        await self._audit.record("item.held", ground="hold", subject=placed.user_id, target=str(placed.id))
        await self._holder.outbox.add(told)

    async def _go_on(self, hold: ItemHold, once: Once, *also: Event) -> None:
        """Erase what an ended hold kept, where its person is being erased, and answer with the counts as of then."""
        tombstone = await self._holder.erasing(hold.user_id) if hold.user_id else None
        answer = await self._erased(tombstone) if tombstone else None

        async def conclude() -> None:
            await self._holder.item_holds.forget(hold)
            if answer:
                await self._holder.complete(answer.user_id, answer.attempt, answer.holdings)
            await self._holder.outbox.add(*also, *([answer] if answer else []))

        await once(conclude)

    async def _erased(self, tombstone: Tombstone) -> ErasureCompletedV1 | None:
        """Go on with an erasure; None where none was answered yet: whoever erases now does, and knows the number.

        None as well where it could not go on for minutes: its case asks soon after a hold has ended.
        """
        erasing = self._holder.erase(tombstone.id, tombstone.case_id)
        erased = await self._patience.within(tombstone.case_id, erasing)
        if erased is None or tombstone.attempt is None:
            return None
        return self._answers.answered(tombstone.id, tombstone.case_id, tombstone.attempt, erased)
