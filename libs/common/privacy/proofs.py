"""What stays of a person beyond the erasure under a key of its own, noted so that their certificate can name it."""

from datetime import datetime
from uuid import UUID

from libs.common.mongo import Mongo
from libs.common.privacy.holdings import Holdings, ProofHolding
from libs.common.privacy.progress import Progress
from libs.common.privacy.tombstones import Tombstones


class Proofs:
    """Notes on a person's tombstone that a row is kept which says nothing of whose it is."""

    def __init__(self, holdings: Holdings, mongo: Mongo, tombstones: Tombstones) -> None:
        self._holdings, self._tombstones, self._progress = holdings, tombstones, Progress(mongo)

    async def keep(self, held: ProofHolding, user_id: UUID, case_id: UUID, until: datetime) -> None:
        """Note that a row is kept until a moment, in the open transaction that writes it and begins the erasure.

        Effects:  the tombstone: from here on the person is frozen; the holder answers that it retains the row.
        """
        await self._tombstones.set(user_id, case_id)
        await self._progress.keep(user_id, self._holdings.name_of(held), until)
