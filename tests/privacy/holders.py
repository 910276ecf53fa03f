"""The four other services' real holders on a real bus, with rows and objects of people to erase."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import EnumType
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from contracts.data_map import all_holdings
from libs.common.bus.outbox import Outbox
from libs.common.bus.process import BUS_DOCUMENTS, Bus
from libs.common.clock import new_id, now
from libs.common.errors import Unavailable
from libs.common.events.auth import UserDeletedV1
from libs.common.exporting.gathering import Gathering
from libs.common.exporting.handlers import export_subscriptions
from libs.common.mongo import Mongo
from libs.common.privacy.data_map import data_map
from libs.common.privacy.handlers import privacy_subscriptions
from libs.common.privacy.holder import Holder
from libs.common.privacy.holdings import CollectionHolding, Holdings, locator
from libs.common.privacy.tombstones import ErasureReceipt, Tombstone, Tombstones
from libs.common.privacy.writes import Write, Writes
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.storage import Storage
from libs.common.tasks import Background
from libs.common.vault.keys import DataKeys
from libs.common.work import UnitOfWork
from services.privacy.protocol import HOLDERS

OBJECTS_EACH = 5
OTHERS = frozenset(HOLDERS) - {"privacy"}


def write_data_map(path: Path) -> Path:
    """Write the platform's data map as `make contracts` does."""
    path.write_text(json.dumps(data_map(all_holdings())))
    return path


@dataclass
class OutsideParty:
    """An outside party that is asked to erase: out of order while `down`; it remembers what it proved."""

    down: bool = False
    erased: dict[str, int] = field(default_factory=dict)

    async def erase(self, keys: Sequence[UUID]) -> ErasureReceipt:
        """Erase, and say so."""
        if self.down:
            raise Unavailable("the outside party is out of order")
        reference = f"er_{new_id().hex}"
        self.erased[reference] = len(keys)
        return ErasureReceipt(reference=reference, at=now())


@dataclass
class Service:
    """What is left of a service when only its personal data matters."""

    holdings: Holdings
    mongo: Mongo
    outbox: Outbox
    bus: Bus
    holder: Holder
    gathering: Gathering
    party: OutsideParty = field(default_factory=OutsideParty)

    def __post_init__(self) -> None:
        for held in self.holdings.asked:
            self.holder.outside.reach(held.processor.name, self.party.erase)

    async def plant(self, user_id: UUID) -> None:
        """Store one row of a person in every holding."""
        for held in self.holdings.collections:
            unique = [path for index in held.document.indexes if index.unique for path, _ in index.keys]
            row: dict[str, Any] = {path: _fitting(held, path) for path in {*unique, *(held.where or {})}}
            row |= {"_id": uuid4(), held.made_at: now()}
            row[held.subject] = user_id
            await self.mongo.collection(held.document).insert_one(row)

    async def rows(self, user_id: UUID) -> int:
        """Return how many rows of a person there are."""
        counts = [
            await self.mongo.collection(held.document).count({held.subject: user_id})
            for held in self.holdings.collections
        ]
        return sum(counts)


def _fitting(held: CollectionHolding, path: str) -> str:
    """Return a value that nobody else has; of an enumeration, the first that the holding means."""
    field, wanted = held.document.model_fields.get(path), (held.where or {}).get(path, {})
    kind = field.annotation if field else None
    values = [each.value for each in kind] if isinstance(kind, EnumType) else [str(uuid4())]
    meant = [each for each in values if each in wanted.get("$in", values)]
    return str(next(each for each in meant if each not in wanted.get("$nin", ())))


@dataclass
class Others:
    """All services but privacy."""

    settings: CommonSettings
    storage: Storage
    services: dict[str, Service]
    keys: DataKeys
    sealing: Sealing

    async def person(self) -> UUID:
        """Return somebody who has a row in every collection, objects in every bucket, and a key."""
        user_id = uuid4()
        await self.sealing.seal(user_id, ["words"])
        for service in self.services.values():
            await service.plant(user_id)
            for held in service.holdings.objects:
                for number in range(OBJECTS_EACH):
                    name = f"{locator(self.settings.pseudonym_key, user_id)}/{number}/original"
                    await self.storage.put(held.bucket, name, b"bytes", "image/png")
        return user_id

    async def delete(self, user_id: UUID) -> UUID:
        """Delete an account as auth does; return its case."""
        auth, case_id = self.services["auth"], new_id()
        event = UserDeletedV1(user_id=user_id, case_id=case_id, deleted_at=now())
        await auth.mongo.transaction(lambda: auth.outbox.add(event))
        return case_id

    async def left(self, user_id: UUID) -> int:
        """Return how many rows, object versions and keys of a person there are."""
        rows = sum([await service.rows(user_id) for service in self.services.values()])
        rows += await self.keys.count(user_id)
        prefix = f"{locator(self.settings.pseudonym_key, user_id)}/"
        buckets = {held.bucket for service in self.services.values() for held in service.holdings.objects}
        return rows + sum([len(await self.storage.list_versions(bucket, prefix)) for bucket in buckets])


@asynccontextmanager
async def others(settings: CommonSettings) -> AsyncIterator[Others]:
    """Run the holders of all services but privacy for the block."""
    storage, vault = Storage(settings), Mongo.connect(settings, "privacy")
    keys = DataKeys(vault, settings)
    sealing = Sealing(settings, keys)
    await keys.prepare()
    services: dict[str, Service] = {
        held.service: await _service(settings, storage, held, sealing)
        for held in all_holdings()
        if held.service in OTHERS
    }
    gathering = Background([service.gathering.work_for_ever for service in services.values()])
    try:
        for service in services.values():
            await service.bus.start()
        gathering.start()
        yield Others(settings, storage, services, keys, sealing)
    finally:
        await gathering.stop()
        for service in services.values():
            await service.bus.stop()
            await service.mongo.close()
        await sealing.close()
        await vault.close()
        await storage.close()


async def _service(
    settings: CommonSettings, storage: Storage, holdings: Holdings, sealing: Sealing
) -> Service:
    mongo = Mongo.connect(settings, holdings.service)
    await mongo.prepare([*BUS_DOCUMENTS, Tombstone, Write, *holdings.documents])
    await storage.ensure_buckets(*(held.bucket for held in holdings.objects))
    mongo.seals = sealing
    tombstones, outbox = Tombstones(mongo), Outbox(mongo, holdings.service)
    holder = Holder(holdings, mongo, storage, tombstones, outbox, settings)
    work = UnitOfWork(mongo, outbox, tombstones)
    writes = Writes(mongo, tombstones)
    gathering = Gathering(holder, storage, writes, work, sealing, settings.pseudonym_key)
    subscriptions = [*privacy_subscriptions(holder), *export_subscriptions(gathering)]
    bus = Bus(settings, holdings.service, mongo, work, subscriptions)
    return Service(holdings, mongo, outbox, bus, holder, gathering)
