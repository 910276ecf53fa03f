"""A person's objects: every version and delete marker of them counted, erased, and looked for afterwards."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from pydantic import SecretStr

from libs.common.privacy.holdings import Holdings, ObjectsHolding, locator
from libs.common.privacy.progress import Claim, Progress, Tally
from libs.common.privacy.tombstones import Chunk
from libs.common.storage import Storage, Version, together

CHUNK = 500


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

    remaining = inventory

    async def erase(self, user_id: UUID) -> Tally:
        """Erase a person's objects, finishing first what a process before this one began.

        Raises:   ErasureUnderWay: another process does so now; retried.
        """
        done = Tally()
        if not self._holdings.objects:
            return done
        async with self._progress.claimed(user_id) as claim:
            begun = claim.tombstone.chunks.items()
            finished = await together(self._finish(claim, key, chunk) for key, chunk in begun)
            erased = await together(self._erase(claim, each, user_id) for each in self._holdings.objects)
        for part in (*finished, *erased):
            done.add(part)
        return done

    async def names(self, user_id: UUID) -> AsyncIterator[tuple[str, str, str]]:
        """Yield holding, bucket and name of every object that a person can still see."""
        for holding in self._holdings.objects:
            async for name in self._store.names(holding.bucket, self._prefix(user_id)):
                yield self._holdings.name_of(holding), holding.bucket, name

    @property
    def _store(self) -> Storage:
        if self._storage is None:
            raise TypeError(f"{self._holdings.service} was given no storage")
        return self._storage

    def _prefix(self, user_id: UUID) -> str:
        return f"{self.locator(user_id)}/"

    async def _count(self, holding: ObjectsHolding, user_id: UUID) -> int:
        return sum([len(page) async for page in self._store.pages(holding.bucket, self._prefix(user_id))])

    async def _erase(self, claim: Claim, holding: ObjectsHolding, user_id: UUID) -> Tally:
        """Delete a page of versions while the next one is listed: two pages in memory, however many there are."""
        done = Tally()
        deleting = asyncio.create_task(_nothing())
        try:
            async for page in self._store.pages(holding.bucket, self._prefix(user_id)):
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
