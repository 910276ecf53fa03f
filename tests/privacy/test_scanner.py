"""The scan sees what is left: rows, strays, every object version, and what nobody declared."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.clock import now
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import locator
from libs.common.sealing import Sealing
from libs.common.storage import Version
from libs.common.vault.keys import DataKeys
from services.auth.models import RefusedAddress
from services.auth.privacy import HOLDINGS, REFUSED_ADDRESSES
from services.privacy import scanner
from services.privacy.scanner import Scanner
from tests.privacy.conftest import BUCKET, Privacy


class Platform:
    """Databases of two other services beside privacy's, and a bucket."""

    def __init__(self, privacy: Privacy) -> None:
        self.settings, self.storage = privacy.settings, privacy.storage
        self.client = Mongo.connect(privacy.settings, "privacy")
        self.prefix = privacy.settings.mongo_database_prefix
        self.scanner = Scanner(self.client, privacy.storage, privacy.settings)

    async def put(self, place: str, **row: Any) -> None:
        database, collection = place.split(".")
        await self.rows(database, collection).insert_one({"_id": uuid4(), **row})

    def rows(self, database: str, collection: str) -> Any:
        return Mongo(self.client.client, self.prefix + database).collection(collection)

    async def found(self, user_id: UUID) -> set[tuple[str, str, int]]:
        report = await self.scanner.scan(user_id, [locator(self.settings.pseudonym_key, user_id)])
        return {(finding.kind, finding.where, finding.count) for finding in report.findings}


@pytest.fixture
async def platform_data(privacy: Privacy) -> AsyncIterator[Platform]:
    platform = Platform(privacy)
    await platform.put("auth.users")
    await platform.put("gallery.images", user_id=uuid4())
    yield platform
    await platform.rows("vault", "keys").delete_many({})
    await platform.rows("vault", "notes").raw.drop()
    for database in ("auth", "gallery", "left_over"):
        await platform.client.client.drop_database(platform.prefix + database)
    await platform.client.close()


async def test_nothing_of_the_person_nothing_found(platform_data: Platform) -> None:
    report = await platform_data.scanner.scan(uuid4(), ["ab" * 16])
    assert report.findings == ()
    assert report.databases == 4
    assert report.collections >= 5
    assert report.buckets >= 1
    assert report.total == 0


async def test_rows_at_every_declared_path_in_either_form(platform_data: Platform) -> None:
    user_id = uuid4()
    await platform_data.rows("auth", "users").insert_one({"_id": user_id})
    await platform_data.put("gallery.images", user_id=user_id)
    await platform_data.put("gallery.images", user_id=str(user_id))
    await platform_data.put("gallery.images", user_id=uuid4(), shared=[{"with": user_id}])
    assert await platform_data.found(user_id) == {("row", "auth.users", 1), ("row", "gallery.images", 3)}


@pytest.mark.parametrize("form", ["uuid", "text", "upper", "bytes", "key", "deep", "inside"])
async def test_an_id_that_strayed_into_a_row_about_nobody(platform_data: Platform, form: str) -> None:
    user_id = uuid4()
    values: dict[str, Any] = {
        "uuid": user_id,
        "text": str(user_id),
        "upper": str(user_id).upper(),
        "bytes": b"..." + user_id.bytes,
        "key": {user_id.hex: 1},
        "deep": [{"a": [{"b": str(user_id)}]}],
        "inside": f"GET /users/{user_id}/images",
    }
    await platform_data.put("gallery.styles", note=values[form])
    assert await platform_data.found(user_id) == {("stray-id", "gallery.styles", 1)}


async def test_a_collection_that_nobody_declared_is_a_finding(platform_data: Platform) -> None:
    user_id = uuid4()
    await platform_data.put("gallery.backup_of_images", owner=user_id)
    await platform_data.put("left_over.anything", about=None)
    assert await platform_data.found(user_id) == {
        ("unmapped", "gallery.backup_of_images", 1),
        ("stray-id", "gallery.backup_of_images", 1),
        ("unmapped", "left_over.anything", 1),
    }


async def test_tombstones_and_the_outbox_are_made_for_the_id(platform_data: Platform) -> None:
    user_id = uuid4()
    await platform_data.rows("auth", "tombstones").insert_one({"_id": user_id})
    await platform_data.put("auth.outbox", key=str(user_id))
    assert await platform_data.found(user_id) == set()


async def test_every_version_of_every_object_counts(platform_data: Platform) -> None:
    """A deleted object leaves its version and a marker in a versioned bucket: both are still there."""
    user_id = uuid4()
    prefix = locator(platform_data.settings.pseudonym_key, user_id)
    storage = platform_data.storage
    await storage.put(BUCKET, f"{prefix}/a/b", b"1", "image/png")
    await storage.put(BUCKET, f"{prefix}/a/b", b"2", "image/png")
    await storage.put(BUCKET, f"{user_id}/leaked", b"3", "image/png")
    await storage.put(BUCKET, f"{'cd' * 16}/another/person", b"4", "image/png")
    assert await platform_data.found(user_id) == {("object", BUCKET, 2), ("object", BUCKET, 1)}
    newest = (await storage.list_versions(BUCKET, f"{prefix}/"))[0]
    await storage.delete_versions(BUCKET, [Version(*newest)])
    assert await platform_data.found(user_id) == {("object", BUCKET, 1)}
    await storage.delete_prefix(BUCKET, f"{prefix}/")
    await storage.delete_prefix(BUCKET, f"{user_id}/")
    assert await platform_data.found(user_id) == set()


async def test_a_key_that_was_not_destroyed_is_found_and_the_mark_of_one_that_was_is_not(
    platform_data: Platform,
) -> None:
    user_id, other = uuid4(), uuid4()
    keys = DataKeys(platform_data.client, platform_data.settings)
    sealing = Sealing(platform_data.settings, keys)
    await sealing.seal(user_id, ["word"])
    await sealing.seal(other, ["word"])
    assert await platform_data.found(user_id) == {("key", "vault.keys", 1)}
    await keys.destroy(user_id)
    assert await platform_data.found(user_id) == set()
    await sealing.close()


async def test_an_id_that_strayed_into_the_vault_is_found(platform_data: Platform) -> None:
    user_id = uuid4()
    await platform_data.put("vault.keys", keyAltNames=[str(user_id)])
    await platform_data.put("vault.notes", about=user_id)
    assert await platform_data.found(user_id) == {
        ("stray-id", "vault.keys", 1),
        ("unmapped", "vault.notes", 1),
        ("stray-id", "vault.notes", 1),
    }


async def test_what_was_kept_of_a_minor_is_looked_for_by_its_date(platform_data: Platform) -> None:
    until = now() + timedelta(days=5)
    row = RefusedAddress(id="keyed", retained_until=until).to_mongo()
    await platform_data.rows("auth", RefusedAddress.collection).insert_one(row)
    name = HOLDINGS.name_of(REFUSED_ADDRESSES)
    assert await platform_data.scanner.retained(name, until + timedelta(days=1))
    assert not await platform_data.scanner.retained(name, until - timedelta(days=1))


async def test_a_scan_that_is_cancelled_has_begun_nothing_that_it_leaves(
    recwarn: pytest.WarningsRecorder,
) -> None:
    """A process that stops in the middle of one leaves no coroutine that nobody awaits."""
    begun = asyncio.Semaphore(0)

    async def read() -> None:
        begun.release()
        await asyncio.Event().wait()

    scanning = asyncio.create_task(scanner._bounded([read] * (scanner.AT_ONCE + 3)))
    for _ in range(scanner.AT_ONCE):
        await begun.acquire()
    scanning.cancel()
    await asyncio.gather(scanning, return_exceptions=True)
    del scanning
    gc.collect()
    assert [str(each.message) for each in recwarn if issubclass(each.category, RuntimeWarning)] == []


async def test_a_scan_is_fast(platform_data: Platform) -> None:
    """As many collections as the platform has, with indexes: well within the protocol's share of the time."""
    images = platform_data.rows("gallery", "images")
    await images.raw.create_index("user_id")
    await images.raw.create_index("shared.with")
    await images.insert_many([{"_id": uuid4(), "user_id": uuid4()} for _ in range(5_000)])
    for number in range(25):
        await platform_data.put("gallery.styles", number=number)
    took = []
    for _ in range(5):
        started = time.perf_counter()
        await platform_data.found(uuid4())
        took.append(time.perf_counter() - started)
    assert min(took) < 0.5, took
