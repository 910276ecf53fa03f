"""A service of the tests: every kind of holding there is, and one person's worth of data."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

from pydantic import BaseModel, Field

from libs.common.bus.lease import LeaseRow
from libs.common.bus.outbox import Outbox, OutboxRow
from libs.common.document import Document, Index
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import (
    DAY,
    MONTH,
    QUARTER,
    TAX,
    Basis,
    Operational,
    Personal,
    Purpose,
    SubjectId,
)
from libs.common.privacy.holder import Holder
from libs.common.privacy.holdings import (
    CollectionHolding,
    Delete,
    Holdings,
    KeysHolding,
    ObjectsHolding,
    Pseudonymise,
    locator,
)
from libs.common.privacy.item_holds import ItemHold
from libs.common.privacy.retention.sweeps import Sweep
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.storage import Storage, together
from libs.common.vault.keys import DataKeys
from libs.common.work import UnitOfWork

BUCKET = "studio-tests"
EPOCH = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY_PERSON = Index((("user_id", 1), ("created_at", -1)))


class Account(Document):
    """Whose key is the person."""

    collection: ClassVar[str] = "accounts"

    id: SubjectId = Field(alias="_id")
    email: Annotated[str, Personal("user.contact.email")]
    password_hash: Annotated[str, Personal("user.authorization.password", Purpose.SECURITY)]
    created_at: Operational[datetime] = EPOCH


class Exif(BaseModel):
    """Nested fields."""

    camera: Annotated[str, Personal("user.device")]
    iso: Operational[int] = 100


class Picture(Document):
    """Many rows."""

    collection: ClassVar[str] = "pictures"
    indexes: ClassVar[tuple[Index, ...]] = (BY_PERSON,)

    id: Operational[UUID] = Field(alias="_id", default_factory=uuid4)
    user_id: SubjectId
    caption: Annotated[str | None, Personal("user.content")] = None
    exif: list[Exif] = Field(default_factory=list)
    created_at: Operational[datetime] = EPOCH


class Receipt(Document):
    """What the law keeps."""

    collection: ClassVar[str] = "receipts"
    indexes: ClassVar[tuple[Index, ...]] = (BY_PERSON,)

    id: Operational[UUID] = Field(alias="_id", default_factory=uuid4)
    user_id: SubjectId
    amount: Annotated[int, Personal("user.payment", Purpose.PAYMENT, Basis.LEGAL_OBLIGATION, TAX)]
    name: Annotated[str | None, Personal("user.name", Purpose.PAYMENT, retention=TAX)] = None
    created_at: Operational[datetime] = EPOCH


class Visit(Document):
    """What is kept for a time: the address for a day, the rest for ninety."""

    collection: ClassVar[str] = "visits"
    indexes: ClassVar[tuple[Index, ...]] = (BY_PERSON,)

    id: Operational[UUID] = Field(alias="_id", default_factory=uuid4)
    user_id: SubjectId
    ip: Annotated[str | None, Personal("user.device.ip_address", Purpose.SECURITY, retention=MONTH)] = None
    device: Annotated[str, Personal("user.device", Purpose.SECURITY, retention=QUARTER)]
    created_at: Operational[datetime] = EPOCH


class Code(Document):
    """What is kept for a day."""

    collection: ClassVar[str] = "codes"
    indexes: ClassVar[tuple[Index, ...]] = (BY_PERSON,)

    id: Annotated[str, Personal("user.authorization.credentials", retention=DAY)] = Field(alias="_id")
    user_id: SubjectId
    created_at: Operational[datetime] = EPOCH


class Counter(Document):
    """About nobody."""

    collection: ClassVar[str] = "counters"

    id: Operational[str] = Field(alias="_id")
    value: Operational[int] = 0


class StudioHoldings(Holdings):
    """Holdings that know their documents: those of the tests are in no `services/` folder."""

    def stored_documents(self) -> list[type[Document]]:
        return [Account, Picture, Receipt, Visit, Code, Counter]


HOLDINGS = StudioHoldings(
    "gallery",
    collections=(
        CollectionHolding(Account, subject="_id"),
        CollectionHolding(Picture, erase=Delete()),
        CollectionHolding(Receipt, erase=Pseudonymise(TAX, "tax-law", drop=("name",))),
        CollectionHolding(Visit),
        CollectionHolding(Code),
    ),
    objects=(ObjectsHolding(BUCKET, "files"),),
    keys=(KeysHolding(),),
    operational=(Counter,),
)


@dataclass(frozen=True)
class Studio:
    """A service with a holder, on real servers."""

    settings: CommonSettings
    mongo: Mongo
    storage: Storage
    tombstones: Tombstones
    holder: Holder
    work: UnitOfWork
    sealing: Sealing

    async def settle(self, *, pictures: int = 5, receipts: int = 3) -> UUID:
        """Make a person with data everywhere: an object of two versions and one deleted for each picture."""
        user_id = uuid4()
        rows: list[Document] = [Account(id=user_id, email=f"{user_id}@example.org", password_hash="secret")]
        rows += [self.picture(user_id) for _ in range(pictures)]
        rows += [self.receipt(user_id, day) for day in range(receipts)]
        rows += [
            Visit(user_id=user_id, ip="192.0.2.1", device="a phone"),
            Code(id=uuid4().hex, user_id=user_id),
        ]
        for row in rows:
            await self.mongo.collection(type(row)).insert_one(row.to_mongo())
        await self.put(user_id, [f"picture-{index}" for index in range(pictures)])
        await self.sealing.seal(user_id, ["at the sea"])
        return user_id

    async def put(self, user_id: UUID, names: Sequence[str]) -> None:
        """Store objects under the person's locator."""
        prefix = self.prefix(user_id)
        await together(self.storage.put(BUCKET, prefix + name, b"bytes", "image/png") for name in names)

    def prefix(self, user_id: UUID) -> str:
        return locator(self.settings.pseudonym_key, user_id) + "/"

    @staticmethod
    def picture(user_id: UUID) -> Picture:
        return Picture(user_id=user_id, caption="at the sea", exif=[Exif(camera="K-1")])

    @staticmethod
    def receipt(user_id: UUID, day: int = 0) -> Receipt:
        made = EPOCH + timedelta(days=day)
        return Receipt(user_id=user_id, amount=500, name="A. Person", created_at=made)

    async def rows(self, user_id: UUID) -> dict[str, int]:
        """Count what a query of the tests' own finds of a person, in every collection."""
        found = {}
        for name in await self.mongo.collection_names():
            if name not in {Tombstone.collection, OutboxRow.collection}:
                either = {"$or": [{"user_id": user_id}, {"_id": user_id}]}
                found[name] = await self.mongo.collection(name).count(either)
        return {name: count for name, count in found.items() if count}

    async def objects(self, user_id: UUID) -> int:
        return len(await self.storage.list_versions(BUCKET, self.prefix(user_id)))

    async def tombstone(self, user_id: UUID) -> dict[str, Any]:
        row = await self.mongo.collection(Tombstone).find_one({"_id": user_id})
        assert row is not None
        return row


@asynccontextmanager
async def open_studio(
    settings: CommonSettings,
    *,
    storage: Storage | None = None,
    holdings: Holdings = HOLDINGS,
    named: str = "studio",
) -> AsyncIterator[Studio]:
    """Start the service."""
    mongo, storage = Mongo.connect(settings, named), storage or Storage(settings)
    await mongo.prepare([*holdings.documents, Tombstone, LeaseRow, ItemHold, Sweep, OutboxRow])
    tombstones, outbox = Tombstones(mongo), Outbox(mongo, "gallery")
    holder = Holder(holdings, mongo, storage, tombstones, outbox, settings)
    keys = DataKeys(mongo, settings)
    await keys.prepare()
    sealing = Sealing(settings, keys)
    yield Studio(settings, mongo, storage, tombstones, holder, UnitOfWork(mongo, outbox, tombstones), sealing)
    await sealing.close()
    await storage.close()
    await mongo.close()
