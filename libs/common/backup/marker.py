"""The mark that the databases are being restored: while it is there, no process of the platform starts or is ready.

It lies in a database of its own, with the erasures that must be done again: it outlives a restore that was killed.
"""

from collections.abc import AsyncIterator
from datetime import datetime

from libs.common.backup.erasures import Erasure
from libs.common.backup.errors import AnotherRestore, RestoreUnderWay
from libs.common.clock import now
from libs.common.mongo import Mongo, Row
from libs.common.settings import CommonSettings

DATABASE = "restore"
STATE, ERASURES = "state", "erasures"
RESTORING = "restoring"


class Marker:
    """The mark, and what it keeps. Args: mongo: any database of the platform."""

    def __init__(self, mongo: Mongo, settings: CommonSettings) -> None:
        self._mongo = mongo.beside(settings.mongo_database_prefix + DATABASE)
        self._state, self._erasures = self._mongo.collection(STATE), self._mongo.collection(ERASURES)

    async def refuse(self) -> None:
        """Raises: RestoreUnderWay (503): a restore is under way, or was begun and has to be done again."""
        if row := await self._state.find_one({"_id": RESTORING}):
            raise RestoreUnderWay(f"restore {row['backup']} was begun and is not finished")

    async def set(self, backup: str) -> datetime:
        """Lock the services out. Raises AnotherRestore (409): of another backup, that was not finished."""
        began: Row = {"backup": backup, "since": now()}
        await self._state.update_one({"_id": RESTORING}, {"$setOnInsert": began}, upsert=True)
        row = await self._state.find_one({"_id": RESTORING}) or began
        if row["backup"] != backup:
            raise AnotherRestore(f"restore {row['backup']} first: it was begun and is not finished")
        since: datetime = row["since"]
        return since

    async def keep(self, erasure: Erasure) -> None:
        """Write down somebody who is to be erased again, before anything is overwritten."""
        await self._erasures.upsert_many([({"_id": erasure.user_id}, {"$set": erasure.as_row()})])

    async def kept(self) -> AsyncIterator[Erasure]:
        """Yield all who were written down, also by a try before this one."""
        async for row in self._erasures.stream({}):
            yield Erasure.of_row(row)

    async def clear(self) -> None:
        """Let the services in again."""
        await self._erasures.delete_many({})
        await self._state.delete_one({"_id": RESTORING})
        await self._mongo.command({"dropDatabase": 1})
