"""The two requests that every holder answers, wired by the process builder: a service writes nothing for them."""

from typing import get_args

from libs.common.bus.consumes import Handler, Once, Subscription
from libs.common.events import privacy
from libs.common.events.privacy import (
    ErasureCompletedV1,
    ErasureRequestedV1,
    InventoryCompletedV1,
    InventoryRequestedV1,
)
from libs.common.privacy.holder import Holder
from libs.common.privacy.metrics import ERASURE_SECONDS

PEOPLE_AT_ONCE = 4


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


class Answers:
    """Answers inventory and erasure requests for one holder."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._name = _holder_name(holder.holdings.service)

    async def answer(self, event: InventoryRequestedV1 | ErasureRequestedV1, once: Once) -> None:
        """Do what is asked, and answer with the counts.

        Raises:   Unavailable and its kinds: retried for as long as it takes.
        """
        if isinstance(event, InventoryRequestedV1):
            await self._inventory(event, once)
        elif event.holders is None or self._name in event.holders:
            await self._erase(event, once)

    async def _inventory(self, event: InventoryRequestedV1, once: Once) -> None:
        found = await self._holder.inventory(event.user_id, event.case_id)
        answer = InventoryCompletedV1(
            user_id=event.user_id, case_id=event.case_id, holder=self._name, holdings=found
        )
        await once(lambda: self._holder.outbox.add(answer))

    async def _erase(self, event: ErasureRequestedV1, once: Once) -> None:
        with ERASURE_SECONDS.labels(self._name).time():
            erased = await self._holder.erase(event.user_id, event.case_id)
        answer = ErasureCompletedV1(
            user_id=event.user_id,
            case_id=event.case_id,
            holder=self._name,
            holdings=erased,
            attempt=event.attempt,
        )

        async def conclude() -> None:
            await self._holder.complete(event.user_id)
            await self._holder.outbox.add(answer)

        await once(conclude)


def _holder_name(service: str) -> privacy.Holder:
    for name in get_args(privacy.Holder):
        if name == service:
            holder: privacy.Holder = name
            return holder
    raise TypeError(f"{service} is no holder: enter it into libs.common.events.privacy.Holder")
