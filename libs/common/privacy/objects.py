"""A person's objects: every version and delete marker of them counted, erased, and looked for afterwards."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from uuid import UUID

from pydantic import SecretStr

from libs.common.privacy.holdings import Holdings, ObjectsHolding, locator
from libs.common.privacy.item_holds import ItemHolds
from libs.common.privacy.progress import Claim, Progress, Tally
from libs.common.privacy.rows import Left
from libs.common.privacy.tombstones import Chunk
from libs.common.storage import Aged, Storage, Version, together

CHUNK = 500

Kept = Mapping[str, tuple[str, ...]]
"""What is left of a person's objects, by holding: prefixes beneath the person's locator."""


class Objects:
    """The objects of one service's holdings."""

    def __init__(
        self, holdings: Holdings, storage: Storage | None, progress: Progress, key: SecretStr
    ) -> None:
        if holdings.objects and storage is None:
            raise TypeError(f"{holdings.service} holds objects and was given no storage")
        self._holdings, self._storage, self._progress, self._key = holdings, storage, progress, key

    def locator(self, user_id: UUID) -> str:
        """Return the prefix of a person's objects, without the slash that ends it."""
        return locator(self._key, user_id)

    async def inventory(self, user_id: UUID) -> dict[str, int]:
        """Count a person's object versions and delete markers by holding."""
        held = self._holdings.objects
        counts = await asyncio.gather(*(self._count(each, user_id) for each in held))
        return {self._holdings.name_of(each): count for each, count in zip(held, counts, strict=True)}

    async def remaining(self, user_id: UUID, kept: Kept) -> dict[str, Left]:
        """Count what is still there: what is to go, and what is beneath the prefixes that are kept."""
        held = self._holdings.objects
        counts = await asyncio.gather(*(self._still_there(each, user_id, kept) for each in held))
        return {self._holdings.name_of(each): left for each, left in zip(held, counts, strict=True)}

    async def erase(self, user_id: UUID, kept: Kept) -> Tally:
        """Erase a person's objects, finishing first what a process before this one began.

        Args:     kept: what is left, by holding: prefixes beneath the person's locator.
        Raises:   ErasureUnderWay: another process does so now; retried.
        """
        done = Tally()
        if not self._holdings.objects:
            return done
        async with self._progress.claimed(user_id) as claim:
            begun = claim.tombstone.chunks.items()
            finished = await together(self._finish(claim, key, chunk) for key, chunk in begun)
            erased = await together(
                self._erase(claim, each, self._loose(each, user_id, kept)) for each in self._holdings.objects
            )
        for part in (*finished, *erased):
            done.add(part)
        return done

    async def names(self, user_id: UUID) -> AsyncIterator[tuple[str, str, str]]:
        """Yield holding, bucket and name of every object that a person can still see, archives of such aside."""
        for holding in self._holdings.objects:
            if holding.exported:
                async for name in self._store.names(holding.bucket, self._prefix(user_id)):
                    yield self._holdings.name_of(holding), holding.bucket, name

    async def spared(self, holding: ObjectsHolding, holds: ItemHolds) -> Callable[[str], bool]:
        """Return what tells by its name that an object is held, or of somebody whose erasure is open."""
        frozen = frozenset([self.locator(user_id) async for user_id in self._progress.unfinished()])
        held = [
            self._spared(holding, hold.user_id, holds.prefixes([hold]))
            async for hold in holds.everyone()
            if hold.user_id
        ]
        kept = tuple(prefix for prefixes in held for prefix in prefixes)
        return lambda name: name.partition("/")[0] in frozen or name.startswith(kept)

    async def aged(self, holding: ObjectsHolding, after: str) -> AsyncIterator[list[Aged]]:
        """Yield all objects of a holding, whoever's, behind a name, at most a thousand at a time."""
        async for page in self._store.aged_pages(holding.bucket, after):
            yield page

    async def expire(self, holding: ObjectsHolding, aged: Sequence[Aged]) -> int:
        """Delete versions whose time is over; return how many."""
        await self._store.delete_versions(holding.bucket, [Version(each.name, each.version) for each in aged])
        return len(aged)

    @property
    def _store(self) -> Storage:
        if self._storage is None:
            raise TypeError(f"{self._holdings.service} was given no storage")
        return self._storage

    def _prefix(self, user_id: UUID) -> str:
        return f"{self.locator(user_id)}/"

    async def _count(self, holding: ObjectsHolding, user_id: UUID) -> int:
        return sum([len(page) async for page in self._store.pages(holding.bucket, self._prefix(user_id))])

    async def _loose(
        self, holding: ObjectsHolding, user_id: UUID, kept: Kept
    ) -> AsyncIterator[list[Version]]:
        """Yield pages of a person's versions but those that are kept."""
        spared = self._spared(holding, user_id, kept)
        async for page in self._store.pages(holding.bucket, self._prefix(user_id)):
            yield [version for version in page if not version.name.startswith(spared)]

    async def _still_there(self, holding: ObjectsHolding, user_id: UUID, kept: Kept) -> Left:
        spared, left = self._spared(holding, user_id, kept), Left()
        async for page in self._store.pages(holding.bucket, self._prefix(user_id)):
            held = sum(version.name.startswith(spared) for version in page)
            left = Left(left.loose + len(page) - held, left.held + held)
        return left

    def _spared(self, holding: ObjectsHolding, user_id: UUID, kept: Kept) -> tuple[str, ...]:
        prefix = self._prefix(user_id)
        return tuple(prefix + each for each in kept.get(self._holdings.name_of(holding), ()))

    async def _erase(
        self, claim: Claim, holding: ObjectsHolding, pages: AsyncIterator[list[Version]]
    ) -> Tally:
        """Delete a page of versions while the next one is listed: two pages in memory, however many there are."""
        done = Tally()
        deleting = asyncio.create_task(_nothing())
        try:
            async for page in pages:
                done.add(await deleting)
                deleting = asyncio.create_task(self._erase_page(claim, holding, page))
        finally:
            await asyncio.wait((deleting,))
        done.add(deleting.result())
        return done

    async def _erase_page(self, claim: Claim, holding: ObjectsHolding, page: list[Version]) -> Tally:
        done = Tally()
        chunks = [page[start : start + CHUNK] for start in range(0, len(page), CHUNK)]
        for part in await together(self._erase_chunk(claim, holding, chunk) for chunk in chunks):
            done.add(part)
        return done

    async def _erase_chunk(self, claim: Claim, holding: ObjectsHolding, versions: list[Version]) -> Tally:
        name = self._holdings.name_of(holding)
        chunk = Chunk(holding=name, bucket=holding.bucket, versions=[tuple(each) for each in versions])
        return await self._finish(claim, await claim.open(chunk), chunk)

    async def _finish(self, claim: Claim, key: str, chunk: Chunk) -> Tally:
        """Delete what was written down, gone already or not, and count it."""
        await self._store.delete_versions(chunk.bucket, [Version(*each) for each in chunk.versions])
        done = Tally()
        done.erased[chunk.holding] += await claim.close(key, chunk)
        return done


async def _nothing() -> Tally:
    return Tally()
