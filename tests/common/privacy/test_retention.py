"""What is kept for a time goes when the time is over, and not before."""

from datetime import timedelta
from uuid import uuid4

import pytest

from libs.common.privacy import retention
from libs.common.privacy.annotations import TAX
from libs.common.privacy.rows import UNTIL
from tests.common.privacy.studio import EPOCH, Code, Receipt, Studio, Visit

MINUTE = timedelta(minutes=1)


async def test_rows_go_when_their_period_is_over(studio: Studio) -> None:
    person = await studio.settle()
    await studio.holder.retain(EPOCH + timedelta(days=1) - MINUTE)
    assert (await studio.rows(person))["codes"] == 1
    await studio.holder.retain(EPOCH + timedelta(days=1) + MINUTE)
    assert "codes" not in await studio.rows(person)
    await studio.holder.retain(EPOCH + timedelta(days=90) + MINUTE)
    assert await studio.rows(person) == {"accounts": 1, "pictures": 5, "receipts": 3}


async def test_a_field_goes_before_its_row(studio: Studio) -> None:
    person = await studio.settle()
    visits = studio.mongo.collection(Visit)
    await studio.holder.retain(EPOCH + timedelta(days=30) - MINUTE)
    assert (await visits.find_one({"user_id": person}) or {})["ip"] == "192.0.2.1"
    assert (await studio.holder.retain(EPOCH + timedelta(days=30) + MINUTE))["gallery.visits"] >= 1
    row = await visits.find_one({"user_id": person}) or {}
    assert "ip" not in row
    assert Visit.from_mongo(row).device == "a phone"


async def test_what_the_law_kept_goes_when_the_law_lets_it(studio: Studio) -> None:
    person = await studio.settle(receipts=2)
    ids = await studio.mongo.collection(Receipt).distinct("_id", {"user_id": person})
    of_person = {"_id": {"$in": ids}, UNTIL: {"$ne": None}}
    await studio.holder.erase(person, uuid4())
    await studio.holder.complete(person)
    end = EPOCH + (TAX.period or timedelta())
    await studio.holder.retain(end - MINUTE)
    assert await studio.mongo.collection(Receipt).count(of_person) == 2
    await studio.holder.retain(end + MINUTE)
    assert await studio.mongo.collection(Receipt).count(of_person) == 1


async def test_batches_go_on_until_none_is_left(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    person = uuid4()
    for _ in range(10):
        await studio.mongo.collection(Code).insert_one(Code(id=uuid4().hex, user_id=person).to_mongo())
    await studio.holder.retain(EPOCH + timedelta(days=2))
    assert await studio.rows(person) == {}


async def test_what_was_counted_for_an_erasure_goes_by_the_erasure(studio: Studio) -> None:
    person, case = await studio.settle(), uuid4()
    found = {each.holding: each.found for each in await studio.holder.inventory(person, case)}
    await studio.holder.retain(EPOCH + timedelta(days=100))
    outcome = {each.holding: each.erased + each.retained for each in await studio.holder.erase(person, case)}
    assert outcome == found


async def test_the_sweep_finds_its_rows_by_index(studio: Studio) -> None:
    await studio.holder._retention.prepare()
    led_by = set()
    for name in ("codes", "visits", "receipts"):
        indexes = await studio.mongo.collection(name).raw.index_information()
        led_by |= {index["key"][0][0] for index in indexes.values()}
    assert {"created_at", UNTIL} <= led_by
