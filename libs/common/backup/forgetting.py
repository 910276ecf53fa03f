"""Erases again, from restored data, everybody who left: by the services' own holders, before any service starts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from libs.common.backup.erasures import Erasure, tombstones_of
from libs.common.backup.errors import StillThere
from libs.common.bus.outbox import Outbox
from libs.common.bus.process import BUS_DOCUMENTS
from libs.common.mongo import Mongo
from libs.common.privacy.holder import Holder
from libs.common.privacy.holdings import Holdings
from libs.common.privacy.item_holds import ItemHold
from libs.common.privacy.progress import Progress
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.privacy.writes import Write
from libs.common.settings import CommonSettings
from libs.common.storage import Storage

Tell = Callable[[str, int, int], Awaitable[None]]


class Forgetting:
    """Every service's holder, outside of its process. Args: databases: by service."""

    def __init__(
        self,
        holdings: Sequence[Holdings],
        databases: Mapping[str, Mongo],
        storage: Storage,
        settings: CommonSettings,
    ) -> None:
        self._holdings = {each.service: each for each in holdings if each.service in databases}
        self._databases, self._storage, self._settings = databases, storage, settings

    async def run(self, written_down: AsyncIterator[Erasure], tell: Tell) -> tuple[int, int]:
        """Erase again who was erased, and freeze again who was frozen; return how many of each.

        Raises:   StillThere: a holder still sees something of somebody.
        """
        await self._prepare()
        leavers = {erasure.user_id: erasure async for erasure in written_down}
        for number, erasure in enumerate(leavers.values()):
            await tell("erasures", number, len(leavers))
            await asyncio.gather(*(self._apply(service, erasure) for service in self._holdings))
        for service in self._holdings:
            await self._finish_older(service)
        erased = sum(erasure.requested for erasure in leavers.values())
        return erased, len(leavers) - erased

    async def _prepare(self) -> None:
        for service, holdings in self._holdings.items():
            await self._databases[service].prepare(
                [*BUS_DOCUMENTS, Tombstone, Write, ItemHold, *holdings.documents]
            )

    async def _apply(self, service: str, erasure: Erasure) -> None:
        """Do to one person in one service what was done before: the tombstone first, with the first inventory."""
        holder, mongo = self._holder(service), self._databases[service]
        await Tombstones(mongo).set(erasure.user_id, erasure.case_id)
        if found := erasure.found.get(service):
            await Progress(mongo).freeze_counts(erasure.user_id, found)
        await holder.inventory(erasure.user_id, erasure.case_id)
        if erasure.requested:
            erased = await holder.erase(erasure.user_id, erasure.case_id)
            await holder.complete(erasure.user_id, answered=erased)
            await self._require_gone(holder, erasure)

    async def _finish_older(self, service: str) -> None:
        """Erase again what the backup brought back of people whose tombstone it has itself."""
        holder = self._holder(service)
        async for _, erasure in tombstones_of(self._databases[service], service):
            if erasure.requested and any((await _held_here(holder, erasure)).values()):
                await holder.erase(erasure.user_id, erasure.case_id)
                await self._require_gone(holder, erasure)

    async def _require_gone(self, holder: Holder, erasure: Erasure) -> None:
        left = [name for name, count in (await _held_here(holder, erasure)).items() if count]
        if left:
            raise StillThere(
                f"{', '.join(left)} still holds who left in case {erasure.case_id}", left=[*left]
            )

    def _holder(self, service: str) -> Holder:
        mongo, holdings = self._databases[service], self._holdings[service]
        storage = self._storage if holdings.objects else None
        return Holder(holdings, mongo, storage, Tombstones(mongo), Outbox(mongo, service), self._settings)


async def _held_here(holder: Holder, erasure: Erasure) -> dict[str, int]:
    """Return what is still held of somebody; outside parties are asked again once the services run."""
    return holder.outside.others(await holder.verify(erasure.user_id))
