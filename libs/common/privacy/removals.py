"""Objects that go in the course of business, removed so that an erasure that begins meanwhile still adds up."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from libs.common.mongo import Mongo
from libs.common.privacy.holdings import Holdings, ObjectsHolding
from libs.common.privacy.progress import Progress, Tally
from libs.common.privacy.tombstones import Tombstones
from libs.common.storage import Storage


class Removals:
    """Deletes a person's objects of one holding for good, every version.

    An inventory may have counted them a moment before they go. Where the person turns out to be frozen, they are
    counted as erased, or the erasure would miss them for ever: fewer erased than found is a failed erasure.
    """

    def __init__(
        self,
        holdings: Holdings,
        holding: ObjectsHolding,
        mongo: Mongo,
        storage: Storage,
        tombstones: Tombstones,
    ) -> None:
        self._name, self._bucket = holdings.name_of(holding), holding.bucket
        self._storage, self._tombstones, self._progress = storage, tombstones, Progress(mongo)

    async def delete(self, user_id: UUID, names: Iterable[str]) -> None:
        """Delete objects by name; one that is gone already is no error."""
        await self._count(user_id, await self._storage.delete(self._bucket, names))

    async def delete_prefix(self, user_id: UUID, prefix: str) -> None:
        """Delete all that lies under a prefix."""
        await self._count(user_id, await self._storage.delete_prefix(self._bucket, prefix))

    async def _count(self, user_id: UUID, gone: int) -> None:
        if gone and await self._tombstones.among((user_id,)):
            await self._progress.count(user_id, Tally(erased=Counter({self._name: gone})))
