"""Fields that are sealed at rest: users of a collection see what was typed, the database has none of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

import pytest
from bson import Binary
from pydantic import BaseModel, Field, SecretStr

from libs.common.blind_index import BlindIndexes
from libs.common.document import Document, Index
from libs.common.errors import SubjectErased
from libs.common.mongo import Collection, DuplicateKeyError, Mongo, Row, row_bytes
from libs.common.privacy.annotations import (
    BlindIndex,
    Operational,
    Personal,
    SealedAtRest,
    SubjectId,
    personal_fields,
)
from libs.common.sealed_fields import NotSealed
from tests.common.vault.conftest import House

Content = Personal("user.content.private")
NICKNAME = BlindIndex("tests.nickname")


class Frame(BaseModel):
    kind: Annotated[str, Content]
    width: Annotated[int, Content]


class Postcard(Document):
    collection: ClassVar[str] = "postcards"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("nickname_key", 1),), unique=True),)

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    number: Operational[int] = 0
    nickname: Annotated[str, Content, SealedAtRest(erased="")]
    nickname_key: Annotated[str, Content, NICKNAME]
    text: Annotated[str | None, Content, SealedAtRest()] = None
    tags: Annotated[list[str] | None, Content, SealedAtRest()] = None
    frame: Annotated[Frame | None, SealedAtRest()] = None
    sent_at: Annotated[datetime | None, Content, SealedAtRest()] = None


BLIND = BlindIndexes(SecretStr("a key of these tests"))
WORDS = "greetings from the sea"
EVENING = datetime(2026, 5, 4, 18, 30, tzinfo=UTC)


class CountingHops:
    """What seals, and how often a thread was asked."""

    def __init__(self, house: House) -> None:
        self._sealing, self.hops = house.sealing, 0

    async def seal_each(self, values: Any) -> list[bytes]:
        self.hops += 1
        return await self._sealing.seal_each(values)

    async def open_each(self, sealed: Any) -> list[Any]:
        self.hops += 1
        return await self._sealing.open_each(sealed)


@pytest.fixture
def seals(vault: House) -> CountingHops:
    return CountingHops(vault)


@pytest.fixture
async def cards(mongo: Mongo, seals: CountingHops) -> AsyncIterator[Collection]:
    sealed = Mongo(mongo.client, mongo.database, seals)
    await sealed.prepare([Postcard])
    yield sealed.collection(Postcard)
    await mongo.collection("postcards").delete_many({})


def a_card(user_id: UUID, **fields: Any) -> Postcard:
    nickname = fields.pop("nickname", uuid4().hex)
    key = BLIND.of(NICKNAME, nickname)
    return Postcard(id=uuid4(), user_id=user_id, nickname=nickname, nickname_key=key, **fields)


def full(user_id: UUID) -> Postcard:
    frame = Frame(kind="gilded", width=7)
    return a_card(user_id, text=WORDS, tags=["sea", "sun"], frame=frame, sent_at=EVENING)


async def stored(mongo: Mongo, card: Postcard) -> Row:
    row = await mongo.collection("postcards").find_one({"_id": card.id})
    assert row is not None
    return row


async def test_it_reads_as_it_was_written_and_lies_sealed(cards: Collection, mongo: Mongo) -> None:
    card = full(uuid4())
    await cards.insert_one(card.to_mongo())
    assert await cards.find_one({"_id": card.id}) == card.to_mongo()
    assert [Postcard.from_mongo(row) for row in await cards.find({"user_id": card.user_id})] == [card]
    row = await stored(mongo, card)
    assert {name for name, value in row.items() if isinstance(value, Binary) and value.subtype == 6} == {
        "nickname", "text", "tags", "frame", "sent_at",
    }  # fmt: skip
    for word in (card.nickname, WORDS, "gilded", "sun"):
        assert word.encode() not in row_bytes(row)


async def test_a_field_without_a_value_stays_without_one(cards: Collection, mongo: Mongo) -> None:
    card = a_card(uuid4())
    await cards.insert_one(card.to_mongo())
    assert (await stored(mongo, card))["text"] is None
    assert await cards.count({"_id": card.id, "text": {"$ne": None}}) == 0
    assert await cards.update_many({"_id": card.id, "text": {"$exists": True}}, {"$unset": {"text": ""}}) == 1
    assert "text" not in await stored(mongo, card)
    assert Postcard.from_mongo(await cards.find_one({"_id": card.id}) or {}) == card


async def test_every_way_to_change_a_row_seals(cards: Collection, mongo: Mongo) -> None:
    card = a_card(uuid4())
    mine = {"_id": card.id, "user_id": card.user_id}
    await cards.upsert_many([(mine, {"$setOnInsert": card.to_mongo()})])
    assert await cards.update_one(mine, {"$set": {"text": "first"}, "$inc": {"number": 1}}) == 1
    before = await cards.find_one_and_update(mine, {"$set": {"text": "second"}}, before=True)
    after = await cards.find_one_and_update(mine, {"$set": {"tags": ["third"]}})
    assert before is not None
    assert after is not None
    assert (before["text"], after["text"], after["tags"], after["number"]) == (
        "first",
        "second",
        ["third"],
        1,
    )
    assert await cards.update_many({"user_id": card.user_id}, {"$set": {"text": "fourth"}}) == 1
    await cards.insert_many([full(card.user_id).to_mongo()])
    texts = [row["text"] async for row in cards.stream({"user_id": card.user_id}, batch=1)]
    assert sorted(texts) == ["fourth", WORDS]
    raw = await mongo.collection("postcards").find({"user_id": card.user_id})
    assert not [row for row in raw if b"fourth" in row_bytes(row) or b"third" in row_bytes(row)]
    assert await cards.update_one(mine, {"$set": {"text": None}}) == 1
    assert (await stored(mongo, card))["text"] is None


async def test_a_page_is_one_hop_whoever_its_rows_are_about(cards: Collection, seals: CountingHops) -> None:
    page = [full(uuid4()) for _ in range(30)]
    await cards.insert_many([card.to_mongo() for card in page])
    assert seals.hops == 1
    rows = await cards.find({"_id": {"$in": [card.id for card in page]}}, projection={"text": 1, "tags": 1})
    assert seals.hops == 2
    assert {row["text"] for row in rows} == {WORDS}
    assert {frozenset(row) for row in rows} == {frozenset({"_id", "text", "tags"})}, (
        "nothing that was not asked for"
    )


async def test_what_is_plain_alone_takes_no_hop(cards: Collection, seals: CountingHops) -> None:
    card = a_card(uuid4())
    await cards.insert_one(card.to_mongo())
    before = seals.hops
    assert await cards.find_one({"_id": card.id}, projection={"number": 1}) == {"_id": card.id, "number": 0}
    await cards.update_one({"_id": card.id}, {"$inc": {"number": 1}})
    assert seals.hops == before


async def test_the_erased_read_as_erased_among_others(vault: House, cards: Collection) -> None:
    erased, other = full(uuid4()), full(uuid4())
    await cards.insert_many([erased.to_mongo(), other.to_mongo()])
    assert await vault.keys.destroy(erased.user_id) == 1
    vault.sealing.forget(erased.user_id)
    rows = await cards.find({"_id": {"$in": [erased.id, other.id]}})
    found = {card.id: card for card in map(Postcard.from_mongo, rows)}
    gone = {"nickname": "", "text": None, "tags": None, "frame": None, "sent_at": None}
    assert found == {erased.id: erased.model_copy(update=gone), other.id: other}
    with pytest.raises(SubjectErased):
        await cards.update_one({"_id": erased.id, "user_id": erased.user_id}, {"$set": {"text": "again"}})
    with pytest.raises(SubjectErased):
        await cards.insert_one(a_card(erased.user_id).to_mongo())


async def test_a_row_that_was_given_to_somebody_else_tells_them_nothing(
    cards: Collection, mongo: Mongo
) -> None:
    mine, theirs = full(uuid4()), full(uuid4())
    await cards.insert_many([mine.to_mongo(), theirs.to_mongo()])
    await mongo.collection("postcards").update_one({"_id": mine.id}, {"$set": {"user_id": theirs.user_id}})
    row = await cards.find_one({"_id": mine.id})
    assert row is not None
    assert (row["nickname"], row["text"], row["tags"]) == ("", None, None)


async def test_plain_text_that_was_written_past_the_model_is_refused(cards: Collection, mongo: Mongo) -> None:
    card = a_card(uuid4(), text=WORDS)
    await mongo.collection("postcards").insert_one(card.to_mongo())
    with pytest.raises(NotSealed, match=r"postcards\.") as refused:
        await cards.find_one({"_id": card.id})
    assert WORDS not in str(refused.value)


async def test_it_is_looked_for_by_its_blind_index(cards: Collection) -> None:
    card = a_card(uuid4(), nickname="Ada of the Sea")
    await cards.insert_one(card.to_mongo())
    found = await cards.find_one({"nickname_key": BLIND.of(NICKNAME, "  ADA of the sea ")})
    assert found == card.to_mongo()
    with pytest.raises(DuplicateKeyError):
        await cards.insert_one(a_card(uuid4(), nickname="ada of the sea").to_mongo())


def test_a_blind_index_is_of_its_field_its_parts_and_its_key() -> None:
    made = [
        BLIND.of(NICKNAME, "ada"),
        BLIND.of(BlindIndex("tests.other"), "ada"),
        BLIND.of(NICKNAME, "ada", ""),
        BLIND.of(NICKNAME, "", "ada"),
        BlindIndexes(SecretStr("another")).of(NICKNAME, "ada"),
    ]
    assert len(set(made)) == len(made)
    assert not [(one, other) for one, other in pairwise(made) if "ada" in one or len(one) != len(other)]


@pytest.mark.parametrize(
    "query",
    [
        {"text": WORDS},
        {"frame.kind": "gilded"},
        {"$or": [{"number": 1}, {"tags": "sea"}]},
        {"sent_at": {"$gt": EVENING}},
    ],
)
async def test_a_query_that_looks_into_what_is_sealed_is_refused(cards: Collection, query: Row) -> None:
    for look in (cards.find, cards.find_one, cards.count):
        with pytest.raises(TypeError, match="blind index"):
            await look(query)
    with pytest.raises(TypeError, match="blind index"):
        await cards.update_many(query, {"$set": {"number": 1}})
    with pytest.raises(TypeError, match="blind index"):
        await cards.find({}, sort=[("text", 1)])


@pytest.mark.parametrize(
    "change",
    [
        {"$push": {"tags": "more"}},
        {"$set": {"frame.kind": "plain"}},
        [{"$set": {"text": "$number"}}],
        {"$set": {"text": "whose?"}},
    ],
)
async def test_a_change_that_cannot_be_sealed_is_refused(cards: Collection, change: Any) -> None:
    with pytest.raises(TypeError, match=r"sealed"):
        await cards.update_one({"_id": uuid4()}, change)


async def test_a_transaction_that_fails_leaves_nothing(cards: Collection, mongo: Mongo) -> None:
    card = full(uuid4())

    async def work() -> None:
        await cards.insert_one(card.to_mongo())
        found = await cards.find_one({"_id": card.id})
        assert found == card.to_mongo()
        raise LookupError

    with pytest.raises(LookupError):
        await mongo.transaction(work)
    assert await cards.find_one({"_id": card.id}) is None


def test_what_is_declared_inside_of_it_stays_on_the_map() -> None:
    assert {"frame.kind", "frame.width", "text", "nickname"} < personal_fields(Postcard).keys()


def test_a_seal_that_could_not_work_is_refused_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="does not take None"):

        class WithoutErased(Document):
            collection: ClassVar[str] = "some"
            user_id: SubjectId
            text: Annotated[str, Content, SealedAtRest()]

    with pytest.raises(TypeError, match="has no user_id"):

        class WithoutOwner(Document):
            collection: ClassVar[str] = "some"
            text: Annotated[str | None, Content, SealedAtRest()]

    with pytest.raises(TypeError, match="index a blind index"):

        class Indexed(Document):
            collection: ClassVar[str] = "some"
            indexes: ClassVar[tuple[Index, ...]] = (Index((("text", 1),)),)
            user_id: SubjectId
            text: Annotated[str | None, Content, SealedAtRest()]
