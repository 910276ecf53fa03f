"""The door to MongoDB behaves the same with both drivers (ADR 0002)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from pydantic import Field

from libs.common.clock import new_id, now
from libs.common.document import Document, Index
from libs.common.mongo import (
    Collection,
    DuplicateKeyError,
    Mongo,
    NoTransaction,
    OperationFailure,
    Row,
    require_transaction,
)
from libs.common.privacy.annotations import Operational
from libs.common.settings import CommonSettings, MongoDriver
from libs.common.testing.waiting import eventually

KILLED_STEP_RESUMES_S = 10.0
"""What a killed process has left must not stand in the way of the one that comes back for longer."""


class Thing(Document):
    """A row to try things with."""

    collection: ClassVar[str] = "things"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("name", 1),), unique=True, partial={"name": {"$gt": ""}}),
        Index((("at", -1),), expire_after=timedelta(days=1)),
    )

    id: Operational[UUID] = Field(alias="_id", default_factory=new_id)
    name: Operational[str] = ""
    number: Operational[int] = 0
    at: Operational[datetime] = Field(default_factory=now)


def thing(number: int = 0, name: str = "") -> Row:
    """Return a row as it is stored."""
    return Thing(number=number, name=name).to_mongo()


@pytest.fixture(params=list(MongoDriver))
async def database(request: pytest.FixtureRequest, common_settings: CommonSettings) -> AsyncIterator[Mongo]:
    """An empty database, through one driver and then the other."""
    settings = common_settings.model_copy(update={"mongo_driver": request.param})
    mongo = Mongo.connect(settings, uuid4().hex[:8])
    await mongo.prepare([Thing])
    yield mongo
    await mongo.close()


@pytest.fixture
def things(database: Mongo) -> Collection:
    """The collection of things."""
    return database.collection(Thing)


async def test_rows_come_back_as_they_went(things: Collection) -> None:
    row = thing(7, "seven")
    await things.insert_one(row)
    found = await things.find_one({"_id": row["_id"]})
    assert found is not None
    assert Thing.from_mongo(found) == Thing.from_mongo(row)
    assert found["at"].tzinfo is not None


async def test_reading(things: Collection) -> None:
    await things.insert_many([thing(number) for number in range(25)])
    await things.insert_many([])
    descending = await things.find({"number": {"$gte": 10}}, sort=[("number", -1)], limit=5)
    assert [row["number"] for row in descending] == [24, 23, 22, 21, 20]
    assert await things.find_one({"number": -1}) is None
    streamed = [row["number"] async for row in things.stream({}, sort=[("number", 1)], batch=4)]
    assert streamed == list(range(25))
    assert await things.count({"number": {"$lt": 3}}) == 3
    assert await things.count({}, limit=10) == 10
    assert sorted(await things.distinct("number", {"number": {"$lt": 3}})) == [0, 1, 2]
    (total,) = await things.aggregate([{"$group": {"_id": None, "sum": {"$sum": "$number"}}}])
    assert total["sum"] == sum(range(25))
    (projected,) = await things.find({"number": 4}, projection={"number": 1, "_id": 0})
    assert projected == {"number": 4}


@pytest.mark.parametrize("by", ["_id", "number"])
async def test_pages_have_each_row_once_whatever_becomes_of_those_before(things: Collection, by: str) -> None:
    """Also where a page ends between rows whose field is the same, and where some are gone by then."""
    await things.insert_many([thing(number // 4) for number in range(15)])
    seen: list[list[int]] = []
    async for page in things.pages({"number": {"$lt": 3}}, by=by, size=5, projection={"number": 1}):
        seen.append([row["number"] for row in page])
        await things.delete_one({"_id": page[-1]["_id"]})
    assert [len(page) for page in seen] == [5, 5, 2]
    numbers = [number for page in seen for number in page]
    assert sorted(numbers) == [0] * 4 + [1] * 4 + [2] * 4
    if by == "number":
        assert numbers == sorted(numbers)


async def test_writing(things: Collection) -> None:
    row = thing(1)
    assert await things.update_one({"_id": row["_id"]}, {"$set": row | {"number": 2}}, upsert=True) == 1
    assert await things.update_one({"_id": row["_id"]}, {"$inc": {"number": 1}}) == 1
    assert await things.update_one({"_id": new_id()}, {"$inc": {"number": 1}}) == 0
    after = await things.find_one_and_update({"_id": row["_id"]}, {"$inc": {"number": 1}})
    before = await things.find_one_and_update({"_id": row["_id"]}, {"$inc": {"number": 1}}, before=True)
    assert after is not None
    assert before is not None
    assert (after["number"], before["number"]) == (4, 4)
    await things.upsert_many(({"_id": new_id()}, {"$set": {"number": number}}) for number in range(10))
    await things.upsert_many([])
    assert await things.update_many({"number": {"$lt": 10}}, {"$set": {"number": 0}}) == 11
    assert await things.delete_one({"number": 0}) == 1
    assert await things.delete_many({"number": 0}) == 10


async def test_unique_where_it_counts(things: Collection) -> None:
    await things.insert_many([thing(), thing(), thing(name="one")])
    with pytest.raises(DuplicateKeyError):
        await things.insert_one(thing(name="one"))


async def test_indexes_are_made_and_making_them_again_changes_nothing(database: Mongo) -> None:
    await asyncio.gather(*(database.prepare([Thing]) for _ in range(4)))
    indexes = await database.collection(Thing).raw.index_information()
    assert indexes["name_1"]["unique"]
    assert indexes["at_-1"]["expireAfterSeconds"] == 24 * 3600
    assert len(indexes) == 3


async def test_transaction_is_all_or_nothing(database: Mongo, things: Collection) -> None:
    async def write_and_fail() -> None:
        await things.insert_one(thing(1))
        assert await things.count({}) == 1  # sees its own writes
        raise LookupError

    with pytest.raises(LookupError):
        await database.transaction(write_and_fail)
    assert await things.count({}) == 0

    async def write() -> int:
        require_transaction()
        await things.insert_many([thing(1), thing(2)])
        await things.update_many({}, {"$inc": {"number": 1}})
        return await things.count({})

    assert await database.transaction(write) == 2
    assert sorted(await things.distinct("number", {})) == [2, 3]
    with pytest.raises(NoTransaction):
        require_transaction()


async def test_inner_transaction_joins_the_outer_one(database: Mongo, things: Collection) -> None:
    async def outer() -> None:
        await database.transaction(lambda: things.insert_one(thing(1)))
        raise LookupError

    with pytest.raises(LookupError):
        await database.transaction(outer)
    assert await things.count({}) == 0


async def test_conflicting_transactions_are_repeated_until_all_are_done(
    database: Mongo, things: Collection
) -> None:
    row = thing(0)
    await things.insert_one(row)

    async def add_one() -> None:
        found = await things.find_one({"_id": row["_id"]})
        assert found is not None
        await things.update_one({"_id": row["_id"]}, {"$set": {"number": found["number"] + 1}})

    await asyncio.gather(*(database.transaction(add_one) for _ in range(12)))
    found = await things.find_one({"_id": row["_id"]})
    assert found is not None
    assert found["number"] == 12


async def test_conflict_that_only_the_commit_finds_is_repeated_too(database: Mongo) -> None:
    """Making a collection inside a transaction conflicts at its commit; motor's own helper gives up there."""
    names = ("fresh-one", "fresh-two")

    async def write() -> None:
        for name in names:
            await database.collection(name).insert_one(thing())

    await asyncio.gather(*(database.transaction(write) for _ in range(8)))
    assert [await database.collection(name).count({}) for name in names] == [8, 8]


async def test_cancelled_transaction_leaves_nothing(database: Mongo, things: Collection) -> None:
    written = asyncio.Event()

    async def write_and_hang() -> None:
        await things.insert_one(thing(1))
        written.set()
        await asyncio.Event().wait()

    hanging = asyncio.create_task(database.transaction(write_and_hang))
    await written.wait()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert await things.count({}) == 0
    await database.transaction(lambda: things.insert_one(thing(2)))
    assert await things.count({}) == 1


async def test_transaction_that_nobody_goes_on_with_holds_up_nobody_for_long(
    common_settings: CommonSettings,
) -> None:
    database = Mongo.connect(common_settings, uuid4().hex[:8])
    await database.prepare([Thing])
    things, written = database.collection(Thing), asyncio.Event()
    row = thing(1)
    await things.insert_one(row)

    async def write_and_stop() -> None:
        """As a process that is killed: the server hears nothing more of it, not even that it is over."""
        await things.update_one({"_id": row["_id"]}, {"$set": {"number": 2}})
        written.set()
        await asyncio.Event().wait()

    stopped = asyncio.create_task(database.transaction(write_and_stop))
    await written.wait()
    change = {"$set": {"number": 3}}
    async with asyncio.timeout(KILLED_STEP_RESUMES_S):
        await database.transaction(lambda: things.update_one({"_id": row["_id"]}, change))
    assert await things.count({"number": 3}) == 1
    stopped.cancel()
    await asyncio.wait((stopped,))
    await database.close()


async def test_watch_shows_changes_in_order(things: Collection) -> None:
    async with things.watch([{"$match": {"operationType": "insert"}}]) as stream:
        for number in range(3):
            await things.insert_one(thing(number))
        seen = [(await anext(stream))["fullDocument"]["number"] for _ in range(3)]
    assert seen == [0, 1, 2]


async def test_inserts_come_in_the_order_of_their_commits(database: Mongo, things: Collection) -> None:
    await things.insert_one(thing(-1))  # before: not shown, or shown first
    seen: list[int] = []
    opened = asyncio.Event()

    async def follow() -> None:
        async for rows in things.inserts(batch=4):
            seen.extend(row["number"] for row in rows)
            opened.set()

    following = asyncio.create_task(follow())
    await opened.wait()
    await things.update_many({}, {"$set": {"name": "changed"}})
    for first in range(0, 30, 3):
        rows = [thing(first + n) for n in range(3)]
        await database.transaction(lambda rows=rows: things.insert_many(rows))  # type: ignore[misc]

    async def all_seen() -> bool:
        return [number for number in seen if number >= 0] == list(range(30))

    await eventually(all_seen)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following


async def test_inserts_end_when_the_collection_goes(database: Mongo, things: Collection) -> None:
    async def follow() -> None:
        async for rows in things.inserts():
            if not rows:
                opened.set()

    opened = asyncio.Event()
    following = asyncio.create_task(follow())
    await opened.wait()
    await asyncio.sleep(0.2)
    await things.raw.drop()
    with suppress(OperationFailure):
        await asyncio.wait_for(following, 10)


async def test_unknown_collection_is_empty(database: Mongo) -> None:
    assert await database.collection("nothing").find({}) == []
    assert "nothing" not in await database.collection_names()
    await database.ping()
