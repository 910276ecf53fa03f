"""Plants one defect in the process that asks for it, so that the checker is known to see.

No product code knows of it. Each breaks one guarantee, and widens the moment in which that shows, so that a seed or
two are enough. `planted.py` plays them.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
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
from tests.chaos.model import Fault, Kind, Violation

WIDENED_S = 0.4
"""How long the moment between the two halves of what should be one step is made."""

LONGER_S = 10.0
"""The same where few steps are of that kind: a person seldom deletes an image."""


def commit_before_effect() -> None:
    """Commit offsets as soon as records are read, and work on them a moment later, which a crash forgets."""

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

    Auth's are left alone: nobody would get a mail for an account that is not there yet, and do anything.
    """

    producer = Producer(os.environ["PIXERA_KAFKA_BOOTSTRAP"])
    properly = Outbox.add

    async def add(self: Outbox, *events: Event) -> None:
        if self._source.endswith("/auth"):
            await properly(self, *events)
            return
        require_transaction()
        rows = [OutboxRow.of(event, self._source) for event in events]
        await producer.publish(
            Message(row.topic, row.key.encode(), row.body, headers_of(row)) for row in rows
        )
        await asyncio.sleep(WIDENED_S)

    _replace(Outbox, add=add)


def inbox_off() -> None:
    """Write inbox rows and never look at them; every record is handed over twice, as after a lost commit of offsets.

    A second mail goes out, and an image that is there cannot be entered again.
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
    """Look for no tombstone, and take fenced events in late: what comes for an erased person has its effect."""

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
    """Delete an image's row first, and its objects a moment later, which a crash in between leaves for good."""

    async def remove_image(self: Removal, user_id: UUID, image_id: UUID, once: Once) -> None:
        await once(partial(self._images.remove, user_id, image_id))
        await asyncio.sleep(LONGER_S)
        await self._objects.remove_image(user_id, image_id)

    _replace(Removal, remove_image=remove_image)


def early_acknowledgement() -> None:
    """Answer that all objects are erased, and leave them."""

    async def erase(self: Objects, user_id: UUID) -> Tally:
        done = Tally()
        done.erased.update(await self.inventory(user_id))
        if done.total:
            await self._progress.count(user_id, done)
        return done

    async def remaining(self: Objects, user_id: UUID) -> dict[str, int]:
        return {self._holdings.name_of(each): 0 for each in self._holdings.objects}

    _replace(Objects, erase=erase, remaining=remaining)


@dataclass(frozen=True)
class Defect:
    """A guarantee that can be broken.

    Args: plant: breaks it in this process. breaks: the promises that are not kept then, by the families of their
        names. exposed_by: the faults that show it; none where people's acting alone does. needs: what somebody has
        to do, in this order, so that there is anything to see.
    """

    plant: Callable[[], None]
    breaks: tuple[str, ...]
    exposed_by: tuple[Fault, ...] = ()
    needs: tuple[str, ...] = ("upload", "generate")

    def can_show_in(self, steps: Iterable[str]) -> bool:
        """Tell whether somebody who does these things one after the other does what is needed."""
        rest = iter(steps)
        return all(what in rest for what in self.needs)

    def seen_in(self, violations: Iterable[Violation]) -> list[str]:
        """Return which of the promises that this breaks were broken; nothing where other things went wrong."""
        return sorted({each.family for each in violations} & {*self.breaks})


def _kill(target: str, after: str, *moments: float) -> tuple[Fault, ...]:
    return tuple(Fault(Kind.KILL, target, at, 0.0, after=after) for at in moments)


DEFECTS = {
    "commit-before-effect": Defect(
        commit_before_effect,
        ("taken in",),
        (*_kill("gallery-worker", "upload", 0.3), *_kill("billing-worker", "generate", 0.3, 9.0)),
    ),
    "publish-without-outbox": Defect(
        publish_without_outbox,
        ("once", "event without its write"),
        (
            *_kill("gallery-worker", "upload", 0.2, 9.5),
            *_kill("billing-worker", "generate", 0.2, 9.5),
            *_kill("generation-worker", "generate", 1.0, 10.5),
        ),
    ),
    "inbox-off": Defect(inbox_off, ("mails", "dead letters")),
    "fence-off": Defect(fence_off, ("fence",), needs=("upload", "delete-account")),
    "object-after-row": Defect(
        object_after_row,
        ("removed-images",),
        _kill("gallery-worker", "delete-image", 5.0),
        needs=("upload", "delete-image"),
    ),
    "early-acknowledgement": Defect(
        early_acknowledgement, ("acknowledgements", "traces"), needs=("upload", "delete-account")
    ),
}


def plant(name: str) -> None:
    """Break one guarantee in this process. Raises KeyError: there is no such defect."""
    DEFECTS[name].plant()


def _replace(owner: object, **parts: object) -> None:
    """Put other functions in the place of a class's, or a module's."""
    for name, part in parts.items():
        setattr(owner, name, part)
