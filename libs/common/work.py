"""The unit of work: one transaction, its events, and the fence that keeps erased people erased."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar
from uuid import UUID

from libs.common.bus.outbox import Outbox
from libs.common.errors import SubjectErased
from libs.common.mongo import Mongo
from libs.common.privacy.tombstones import Tombstones

T = TypeVar("T")


class UnitOfWork:
    """Runs business writes and the events they cause as one transaction.

    The fence: nothing is written for a tombstoned person. A transaction that read "no tombstone" may still
    commit after the erasure's deletes ran; so the tombstone is looked for once more after the commit, and what
    slipped through is erased again at once (ADR 0006).
    """

    def __init__(self, mongo: Mongo, outbox: Outbox, tombstones: Tombstones) -> None:
        self.mongo, self.outbox, self.tombstones = mongo, outbox, tombstones

    async def run(self, work: Callable[[], Awaitable[T]], *, subject: UUID | None = None) -> T:
        """Run `work` in a transaction on behalf of a person.

        `work` may be repeated after a passing conflict: it holds writes to this service's database only.

        Raises:   SubjectErased (410): the person is being, or has been, erased.
        """
        subjects = () if subject is None else (subject,)
        done = await self.mongo.transaction(lambda: self._fenced(work, subjects))
        if erased := await self.tombstones.among(subjects):
            await self.tombstones.sweep(erased)
            raise SubjectErased
        return done

    async def run_for(self, people: Sequence[UUID], work: Callable[[list[UUID]], Awaitable[T]]) -> T:
        """Run `work` in a transaction on behalf of people; it is given those who are not erased.

        As with `run`, it may be repeated, and what it wrote for somebody erased meanwhile is erased again at once.
        """
        there: list[UUID] = []

        async def fenced() -> T:
            erased = set(await self.tombstones.among(people))
            there[:] = [each for each in people if each not in erased]
            return await work(list(there))

        done = await self.mongo.transaction(fenced)
        if erased := await self.tombstones.among(there):
            await self.tombstones.sweep(erased)
        return done

    async def _fenced(self, work: Callable[[], Awaitable[T]], subjects: Iterable[UUID]) -> T:
        if await self.tombstones.among(subjects):
            raise SubjectErased
        return await work()
