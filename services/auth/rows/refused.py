"""Addresses that register nothing for a while."""

from datetime import datetime

from libs.common.mongo import Mongo
from services.auth.look_ups import LookUps
from services.auth.models import RefusedAddress


class RefusedAddresses:
    """The collection `refused_addresses`. Nobody owns a row: it says of nobody's whose it was."""

    def __init__(self, mongo: Mongo, look_ups: LookUps) -> None:
        self._rows, self._look_ups = mongo.collection(RefusedAddress), look_ups

    async def add(self, email: str, until: datetime) -> None:
        """Refuse an address until a moment; a later one counts."""
        key = self._look_ups.refused(email)
        await self._rows.update_one({"_id": key}, {"$max": {"retained_until": until}}, upsert=True)

    async def has(self, email: str, at: datetime) -> bool:
        """Tell whether an address is refused at a moment."""
        query = {"_id": self._look_ups.refused(email), "retained_until": {"$gt": at}}
        return await self._rows.find_one(query, projection={"_id": 1}) is not None
