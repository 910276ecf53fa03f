"""The keys of people as they are stored, and the end of them: whose key is destroyed never has another."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field, SecretStr

from libs.common.clock import new_id, now
from libs.common.document import Document, Index
from libs.common.mongo import DuplicateKeyError, Mongo
from libs.common.privacy.annotations import Basis, Operational, Personal, Purpose
from libs.common.privacy.tombstones import LASTING
from libs.common.settings import CommonSettings

DATABASE = "vault"
"""Behind the prefix, as every database of the platform."""

NAME = b"pixera.vault-key.v1"
STATES = 3
"""A name has nothing, then a key, then a mark, and nothing else after: so many tries meet every neighbour."""


class DataKey(Document):
    """The key of one person, wrapped by a master; destroyed, it is the mark that there will never be another.

    The driver writes keys and names their fields; `destroyed_at` and `destroyed`, how many keys went, are ours.

    Personal: a keyed hash of the person's id, in keys and marks alike; a mark is kept, as a tombstone is.
    """

    collection: ClassVar[str] = "keys"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("keyAltNames", 1),), unique=True),
        Index((("masterKey.provider", 1),)),
    )

    id: Operational[UUID] = Field(alias="_id")
    names: Annotated[
        list[str], Personal("user.unique_id", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION, LASTING)
    ] = Field(alias="keyAltNames")
    material: Operational[bytes | None] = Field(None, alias="keyMaterial")
    master: Operational[dict[str, Any] | None] = Field(None, alias="masterKey")
    created_at: Operational[datetime | None] = Field(None, alias="creationDate")
    updated_at: Operational[datetime | None] = Field(None, alias="updateDate")
    status: Operational[int | None] = None
    destroyed_at: Operational[datetime | None] = None
    destroyed: Operational[int] = 0


def key_name(key: SecretStr, user_id: UUID) -> str:
    """Return the name that a person's key goes by.

    Source:   HMAC-SHA256 (RFC 2104) under the pseudonym key: without it the name leads to nobody.
    """
    return hmac.new(key.get_secret_value().encode(), NAME + user_id.bytes, hashlib.sha256).hexdigest()


def vault_database(settings: CommonSettings) -> str:
    """Return the name of the vault's database."""
    return settings.mongo_database_prefix + DATABASE


class DataKeys:
    """Keys as they are counted, destroyed and watched over; none is opened here, so no master is needed."""

    def __init__(self, mongo: Mongo, settings: CommonSettings) -> None:
        self._mongo = Mongo(mongo.client, vault_database(settings))
        self._rows = self._mongo.collection(DataKey)
        self._pseudonym_key = settings.pseudonym_key

    def name_of(self, user_id: UUID) -> str:
        """Return the name that a person's key goes by."""
        return key_name(self._pseudonym_key, user_id)

    async def prepare(self) -> None:
        """Make the collection, and the index without which a person could have two keys."""
        await self._mongo.prepare([DataKey])

    async def count(self, user_id: UUID) -> int:
        """Return 1 where a person has a key, else 0."""
        return await self._rows.count({"keyAltNames": self.name_of(user_id), "destroyed_at": None})

    async def having(self, people: Iterable[UUID]) -> set[UUID]:
        """Return those of these people who have a key; what was sealed for the others nobody opens any more."""
        names = {self.name_of(user_id): user_id for user_id in people}
        query = {"keyAltNames": {"$in": list(names)}, "destroyed_at": None}
        rows = await self._rows.find(query, limit=len(names) or 1, projection={"keyAltNames": 1})
        return {names[name] for row in rows for name in row["keyAltNames"]}

    async def destroy(self, user_id: UUID) -> int:
        """Destroy a person's key, and see to it that none is ever made again.

        Returns:  how many keys went, 1 or 0: the same however often it is asked, and whoever did it.
        Effects:  the key goes and the mark comes in one transaction; the unique name refuses a key after that.
        """
        name = self.name_of(user_id)
        for _ in range(STATES - 1):
            try:
                return await self._mongo.transaction(partial(self._destroy, name))
            except DuplicateKeyError:
                continue  # a key was made, or destroyed, at this very moment
        return await self._mongo.transaction(partial(self._destroy, name))

    async def masters(self) -> list[str]:
        """Return the masters that keys are wrapped by."""
        found: list[str] = await self._rows.distinct("masterKey.provider", {"destroyed_at": None})
        return found

    async def wrapped_otherwise(self, master: str, limit: int) -> list[UUID]:
        """Return some keys that another master than this one has wrapped."""
        rows = await self._rows.find(_by_another(master), limit=limit, projection={"_id": 1})
        return [row["_id"] for row in rows]

    async def figures(self, master: str) -> tuple[int, int, int]:
        """Return how many keys there are, how many another master has wrapped, and how many marks."""
        every, marks = await self._rows.count({}), await self._rows.count({"destroyed_at": {"$ne": None}})
        return every - marks, await self._rows.count(_by_another(master)), marks

    async def _destroy(self, name: str) -> int:
        row = await self._rows.find_one({"keyAltNames": name}, projection={"destroyed_at": 1, "destroyed": 1})
        if row and row.get("destroyed_at"):
            return int(row["destroyed"])
        gone = await self._rows.delete_one({"keyAltNames": name})
        await self._rows.insert_one(
            {"_id": new_id(), "keyAltNames": [name], "destroyed_at": now(), "destroyed": gone}
        )
        return gone


def _by_another(master: str) -> dict[str, Any]:
    return {"masterKey.provider": {"$exists": True, "$ne": master}}
