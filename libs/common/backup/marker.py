"""The mark that the databases are being restored: while it is there, no process of the platform starts or is ready.

It lies in a database of its own, with the erasures that must be done again: it outlives a restore that was killed.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from libs.common.backup.erasures import Erasure
from libs.common.backup.errors import AnotherRestore, RestoreUnderWay
from libs.common.clock import new_id, now
from libs.common.mongo import Mongo, Row
from libs.common.settings import CommonSettings

DATABASE = "restore"
STATE, ERASURES = "state", "erasures"
RESTORING = "restoring"


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark as it stands. Args: report: the id of its restore's report; new: it was not there before."""

    report: str
    new: bool


class Marker:
    """The mark, and what it keeps. Args: mongo: any database of the platform."""

    def __init__(self, mongo: Mongo, settings: CommonSettings) -> None:
        self._mongo = mongo.beside(settings.mongo_database_prefix + DATABASE)
        self._state, self._erasures = self._mongo.collection(STATE), self._mongo.collection(ERASURES)

    async def refuse(self) -> None:
        """Raises: RestoreUnderWay (503): a restore is under way, or was begun and has to be done again."""
        if row := await self._state.find_one({"_id": RESTORING}):
            raise RestoreUnderWay(f"restore {row['backup']} was begun and is not finished")

    async def is_of(self, backup: str) -> bool:
        """Tell whether the mark is there, by a restore of this backup."""
        return bool(await self._state.count({"_id": RESTORING, "backup": backup}))

    async def set(self, backup: str) -> Mark:
        """Lock the services out. Raises AnotherRestore (409): of another backup, that was not finished.

        A restore that is done again finds the id of its report here, so that what it did is told once.
        """
        mine: Row = {"backup": backup, "since": now(), "report": str(new_id())}
        await self._state.update_one({"_id": RESTORING}, {"$setOnInsert": mine}, upsert=True)
        row = await self._state.find_one({"_id": RESTORING}) or mine
        if row["backup"] != backup:
            raise AnotherRestore(f"restore {row['backup']} first: it was begun and is not finished")
        return Mark(row["report"], new=row["report"] == mine["report"])

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
