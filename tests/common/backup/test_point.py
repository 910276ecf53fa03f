"""All rows of a backup are of one moment, also across databases, while people write; and come back as they were."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Timestamp
from bson.raw_bson import RawBSONDocument

from libs.common.backup import rows
from libs.common.backup.errors import ProofDiverged, SnapshotLost
from libs.common.backup.folder import Draft
from libs.common.backup.manifest import FileEntry
from libs.common.backup.rows import Definition
from libs.common.backup.sealed import unsealed
from libs.common.document import Index, Restored
from libs.common.mongo import Mongo

KEY = bytes(32)
ACCOUNTS = 200


@pytest.fixture
async def two(mongo: Mongo) -> tuple[Mongo, Mongo]:
    """Two databases that hold 200 coins, all of them in the first."""
    pair = mongo.beside(f"{mongo.database}_a"), mongo.beside(f"{mongo.database}_b")
    for each, coins in zip(pair, (1, 0), strict=True):
        await each.drop("purses")
        await each.collection("purses").insert_many([{"_id": n, "coins": coins} for n in range(ACCOUNTS)])
    return pair


@asynccontextmanager
async def moving(first: Mongo, second: Mongo) -> AsyncIterator[None]:
    """Move coins between the databases for the block, each in one transaction."""

    async def move(number: int, sign: int) -> None:
        await first.collection("purses").update_one({"_id": number}, {"$inc": {"coins": -sign}})
        await second.collection("purses").update_one({"_id": number}, {"$inc": {"coins": sign}})

    async def for_ever() -> None:
        turn = 0
        while True:
            turn += 1
            number, sign = turn % ACCOUNTS, 1 if (turn // ACCOUNTS) % 2 == 0 else -1
            await first.transaction(lambda: move(number, sign))  # noqa: B023 - awaited here

    task = asyncio.create_task(for_ever())
    await asyncio.sleep(0.2)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def nothing(_: int) -> None:
    """Take no note."""


def raw(*found: dict[str, Any]) -> Iterator[RawBSONDocument]:
    """Return rows as a file has them."""
    return iter([RawBSONDocument(bson.encode(row)) for row in found])


def read(draft: Draft, entry: FileEntry) -> list[dict[str, Any]]:
    chunks = unsealed(draft.path / entry.name, KEY, draft.path.name, entry.name)
    return bson.decode_all(b"".join(chunks))


async def test_two_databases_are_saved_at_one_moment(two: tuple[Mongo, Mongo], tmp_path: Path) -> None:
    first, second = two
    async with moving(first, second):
        for turn in range(5):
            draft = Draft(tmp_path / str(turn), KEY)
            at = await rows.moment(first)
            saved = await rows.save(first, at, (), draft, nothing)
            await asyncio.sleep(0.1)  # coins move on meanwhile
            saved += await rows.save(second, at, (), draft, nothing)
            found = [row for entry in saved if entry.name.endswith(".bson") for row in read(draft, entry)]
            assert sum(row["coins"] for row in found) == ACCOUNTS


async def test_a_collection_comes_back_with_its_rows_options_and_indexes(
    mongo: Mongo, tmp_path: Path
) -> None:
    await mongo.drop("things")
    things = mongo.collection("things")
    partial = Index((("b", -1),), unique=True, partial={"b": {"$type": "date"}})
    await things.ensure_indexes([Index((("a", 1),), expire_after=timedelta(days=3)), partial])
    await things.insert_many([{"_id": n, "a": n, "data": bytes(9)} for n in range(2_500)])
    before = {each.name: each for each in await rows.definitions(mongo)}["things"]
    kept = await things.find({}, sort=[("_id", 1)], limit=3_000)
    draft = Draft(tmp_path / "20261126t080000z-abcdef", KEY)
    at = await rows.moment(mongo)
    others = set(await mongo.collection_names()) - {"things"}
    about, data = await rows.save(mongo, at, others, draft, nothing)
    assert (data.name, data.count) == (f"dump/{mongo.database}/things.bson", 2_500)
    assert about.name == f"dump/{mongo.database}/things.metadata.json"
    await things.delete_many({"_id": {"$lt": 2_000}})
    await things.insert_one({"_id": "later"})
    await rows.load(mongo, before, raw(*read(draft, data)), nothing)
    assert await things.find({}, sort=[("_id", 1)], limit=3_000) == kept
    after = {each.name: each for each in await rows.definitions(mongo)}["things"]
    assert sorted(after.indexes, key=str) == sorted(before.indexes, key=str)
    assert Definition.of_text(before.as_text()) == before


async def test_a_moment_that_the_database_has_lost_is_told(mongo: Mongo) -> None:
    await mongo.drop("things")
    await mongo.collection("things").insert_one({"_id": 1})
    at = await rows.moment(mongo)
    assert [len(batch) async for batch in rows.read_at(mongo, "things", at)] == [1]
    long_ago = Timestamp(at.time - 40_000, 1)
    with pytest.raises(SnapshotLost):
        [batch async for batch in rows.read_at(mongo, "things", long_ago)]


async def test_what_is_kept_is_added_to_and_never_overwritten(mongo: Mongo) -> None:
    await mongo.drop("proofs")
    proofs = mongo.collection("proofs")
    await proofs.ensure_indexes([Index((("sequence", 1),), unique=True)])
    await proofs.insert_many([{"_id": 1, "sequence": 1, "said": "newer"}, {"_id": 3, "sequence": 3}])
    (about,) = [each for each in await rows.definitions(mongo) if each.name == "proofs"]
    saved: list[dict[str, Any]] = [{"_id": 1, "sequence": 1, "said": "older"}, {"_id": 2, "sequence": 2}]
    await rows.load(mongo, about, raw(*saved), nothing, restored=Restored.KEPT)
    found = await proofs.find({}, sort=[("_id", 1)])
    assert [row["_id"] for row in found] == [1, 2, 3]
    assert found[0]["said"] == "newer"
    await rows.require_continued(mongo, about, raw(*saved))
    fork = {"_id": 9, "sequence": 3}
    with pytest.raises(ProofDiverged):
        await rows.require_continued(mongo, about, raw(*saved, fork))
    with pytest.raises(ProofDiverged):
        await rows.load(mongo, about, raw(fork), nothing, restored=Restored.KEPT)


async def test_of_two_ends_of_a_chain_the_further_one_stays(mongo: Mongo) -> None:
    await mongo.drop("ends")
    await mongo.collection("ends").insert_many([{"_id": "a", "sequence": 2}, {"_id": "b", "sequence": 2}])
    (about,) = [each for each in await rows.definitions(mongo) if each.name == "ends"]
    saved = [{"_id": name, "sequence": number} for name, number in (("a", 1), ("b", 3), ("c", 1))]
    await rows.load(mongo, about, raw(*saved), nothing, restored=Restored.FURTHEST)
    found = await mongo.collection("ends").find({}, sort=[("_id", 1)])
    assert [(row["_id"], row["sequence"]) for row in found] == [("a", 2), ("b", 3), ("c", 1)]
