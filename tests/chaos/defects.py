"""Plants one defect in the process that asks for it, so that the checker is known to see.

No product code knows of it. Each breaks one guarantee, and widens the moment in which that shows, so that a few
seeds are enough.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from libs.common.bus import once, stream_worker
from libs.common.bus.batch_worker import BatchWorker
from libs.common.bus.consumes import Once
from libs.common.bus.envelope import headers_of
from libs.common.bus.inbox import Inbox
from libs.common.bus.outbox import Outbox, OutboxRow
from libs.common.bus.ownership import Ownership, next_offsets
from libs.common.bus.producer import Message, Producer
from libs.common.bus.stream_worker import StreamWorker
from libs.common.clock import now
from libs.common.events.base import Event
from libs.common.mongo import require_transaction
from libs.common.privacy.objects import Objects
from libs.common.privacy.progress import Tally
from libs.common.privacy.tombstones import Tombstones
from services.gallery.removal import Removal
from tests.chaos.model import Fault, Kind

WIDENED_S = 0.4
"""How long the moment between the two halves of what should be one step is made."""

LONGER_S = 10.0
"""The same where few steps are of that kind: a person seldom deletes an image."""


def commit_before_effect() -> None:
    """Commit offsets as soon as records are read, and work on them a moment later.

    Seen by: `taken in` (an event without its inbox row), `jobs`, `grants`, or a run that does not settle.
    Exposed by: killing workers while events are under way.
    """

    def early(take: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def committed_first(worker: Any, records: Sequence[Any], ownership: Ownership) -> None:
            await ownership.commit(next_offsets(records))
            await asyncio.sleep(WIDENED_S)
            await take(worker, records, ownership)

        return committed_first

    for worker in (BatchWorker, StreamWorker):
        _replace(worker, take=early(worker.take))


def publish_without_outbox() -> None:
    """Send events straight to Kafka, before the transaction that they are about has committed.

    Seen by: `once ...` (a repeated transaction tells twice) and `event without its write`.
    Exposed by: what makes transactions fail or be repeated: MongoDB killed.
    """

    producer = Producer(os.environ["PIXERA_KAFKA_BOOTSTRAP"])

    async def add(self: Outbox, *events: Event) -> None:
        require_transaction()
        rows = [OutboxRow.of(event, self._source) for event in events]
        await producer.publish(
            Message(row.topic, row.key.encode(), row.body, headers_of(row)) for row in rows
        )
        await asyncio.sleep(WIDENED_S)

    _replace(Outbox, add=add)


def inbox_off() -> None:
    """Write inbox rows and never look at them; every record is handed over twice, as after a lost commit of offsets.

    Seen by: `mails`, and `dead letters` (an image that is there cannot be entered again).
    Exposed by: any workload; it needs no fault.
    """

    async def claim(self: Inbox, event_id: str) -> None:
        row = {"$setOnInsert": {"at": now()}}
        await self._rows.update_one({"_id": self._key(event_id)}, row, upsert=True)

    async def add(self: Inbox, event_ids: Iterable[str]) -> None:
        for event_id in event_ids:
            await claim(self, event_id)

    async def known(self: Inbox, event_ids: Iterable[str]) -> set[str]:
        return set()

    def twice(take: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def delivered(worker: Any, records: Sequence[Any], ownership: Ownership) -> None:
            await take(worker, records, ownership)
            await take(worker, records, ownership)

        return delivered

    _replace(Inbox, add=add, claim=claim, known=known)
    for worker in (BatchWorker, StreamWorker):
        _replace(worker, take=twice(worker.take))


def fence_off() -> None:
    """Look for no tombstone: what comes late for an erased person has its effect. Events are taken in late at that.

    Seen by: `fence`, `acknowledgements`, `traces`, `old tokens`.
    Exposed by: accounts deleted while their events are under way; it needs no fault.
    """

    async def among(self: Tombstones, subjects: Iterable[UUID]) -> list[UUID]:
        return []

    async def refuse(self: Tombstones, user_id: UUID) -> None: ...

    perform = once.perform

    async def late(parts: Any, received: Any) -> None:
        if received.event.fenced:
            await asyncio.sleep(8 * WIDENED_S)
        await perform(parts, received)

    _replace(Tombstones, among=among, refuse=refuse)
    _replace(stream_worker, perform=late)


def object_after_row() -> None:
    """Delete an image's row first, and its objects a moment later, which a crash in between leaves for good.

    Seen by: `removed-images`.
    Exposed by: killing gallery-worker while people delete images.
    """

    async def remove_image(self: Removal, user_id: UUID, image_id: UUID, once: Once) -> None:
        await once(partial(self._images.remove, user_id, image_id))
        await asyncio.sleep(LONGER_S)
        await self._objects.remove_image(user_id, image_id)

    _replace(Removal, remove_image=remove_image)


def early_acknowledgement() -> None:
    """Answer that all objects are erased, and leave them.

    Seen by: `acknowledgements`, and a case that privacy's own scan never lets end.
    Exposed by: accounts with images that are deleted; it needs no fault.
    """

    async def erase(self: Objects, user_id: UUID) -> Tally:
        done = Tally()
        done.erased.update(await self.inventory(user_id))
        if done.total:
            await self._progress.count(user_id, done)
        return done

    async def remaining(self: Objects, user_id: UUID) -> dict[str, int]:
        return {self._holdings.name_of(each): 0 for each in self._holdings.objects}

    _replace(Objects, erase=erase, remaining=remaining)


PLANTS: dict[str, Callable[[], None]] = {
    "commit-before-effect": commit_before_effect,
    "publish-without-outbox": publish_without_outbox,
    "inbox-off": inbox_off,
    "fence-off": fence_off,
    "object-after-row": object_after_row,
    "early-acknowledgement": early_acknowledgement,
}
NAMES = tuple(PLANTS)

WORKERS = ("billing-worker", "generation-worker", "gallery-worker", "auth-worker")


def plant(name: str) -> None:
    """Break one guarantee in this process. Raises KeyError: there is no such defect."""
    PLANTS[name]()


def hint(name: str) -> tuple[Fault, ...]:
    """Return the faults that expose a defect; none where the workload alone does. Raises KeyError."""
    return {
        "commit-before-effect": tuple(
            Fault(Kind.KILL, worker, 2.5 + 0.8 * number, 0.0) for number, worker in enumerate(WORKERS)
        ),
        "publish-without-outbox": tuple(Fault(Kind.KILL, "mongod", at, 0.0) for at in (2.5, 4.5, 6.5, 8.5)),
        "inbox-off": (),
        "fence-off": (),
        "object-after-row": tuple(Fault(Kind.KILL, "gallery-worker", at, 0.0) for at in (4.0, 6.0, 8.0)),
        "early-acknowledgement": (),
    }[name]


def _replace(owner: object, **parts: object) -> None:
    """Put other functions in the place of a class's, or a module's."""
    for name, part in parts.items():
        setattr(owner, name, part)
