"""A person's key: counted, destroyed once for all, and looked for afterwards."""

from collections import Counter
from functools import partial
from uuid import UUID

from libs.common.audit import Audit
from libs.common.bus.outbox import Outbox
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import Holdings
from libs.common.privacy.progress import Progress, Tally
from libs.common.privacy.rows import Left
from libs.common.vault.keys import DataKeys

DESTROYED = "key.destroyed"
"""What the audit calls it."""


class Keys:
    """The keys of the people of the platform, for the one service whose holdings have them."""

    def __init__(
        self, holdings: Holdings, keys: DataKeys, mongo: Mongo, progress: Progress, outbox: Outbox
    ) -> None:
        self._names = [holdings.name_of(each) for each in holdings.keys]
        self._keys, self._mongo, self._progress = keys, mongo, progress
        self._outbox, self._service = outbox, holdings.service

    async def inventory(self, user_id: UUID) -> dict[str, int]:
        """Count a person's keys by holding: one, or none."""
        return {name: await self._keys.count(user_id) for name in self._names}

    async def remaining(self, user_id: UUID, *, held: bool) -> dict[str, Left]:
        """Count what is still there. Args: held: something is held that the key is needed for."""
        counts = await self.inventory(user_id)
        return {name: Left(held=count) if held else Left(count) for name, count in counts.items()}

    async def erase(self, user_id: UUID) -> Tally:
        """Destroy a person's key. Whatever crashed before, it is counted, and told to the audit, exactly once.

        The mark that it leaves in the vault says that there was one: so what is counted needs no transaction
        over two databases, of which the vault may one day be elsewhere.
        """
        done = Tally()
        for name in self._names:
            if gone := await self._keys.destroy(user_id):
                settle = partial(self._settle, user_id, name, gone)
                done.add(await self._mongo.transaction(settle))
        return done

    async def _settle(self, user_id: UUID, name: str, gone: int) -> Tally:
        if not await self._progress.settle(user_id, name, gone):
            return Tally()
        audit = Audit(self._outbox, self._service)
        await audit.record(DESTROYED, ground="erasure", subject=user_id, target=name, count=gone)
        return Tally(erased=Counter({name: gone}))
