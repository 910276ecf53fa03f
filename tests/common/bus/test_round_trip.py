"""From a business transaction to an effect elsewhere."""

import asyncio
from functools import partial
from uuid import uuid4

import pytest

from libs.common import tracing
from libs.common.bus.envelope import first_of
from libs.common.bus.outbox import OutboxRow
from libs.common.mongo import NoTransaction
from libs.common.settings import CommonSettings, MongoDriver
from libs.common.testing.kafka import records_of
from libs.common.testing.waiting import eventually
from libs.common.tracing import current_traceparent, span
from tests.common.bus.events import Noted
from tests.common.bus.harness import Bench, Effect, open_bench


@pytest.mark.parametrize("driver", list(MongoDriver))
@pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])
async def test_what_is_published_has_its_effect_once(
    common_settings: CommonSettings, driver: MongoDriver, io: bool
) -> None:
    settings = common_settings.model_copy(update={"mongo_driver": driver})
    bench = await open_bench(settings, f"s{uuid4().hex[:8]}")
    handler = bench.note_once if io else bench.note
    try:
        await bench.bus(bench.subscription(handler, io=io, concurrency=4)).start()
        await bench.publish_numbers(60)
        assert sorted(await bench.effects_reach(60)) == list(range(60))
    finally:
        await bench.close()


async def test_rolled_back_transaction_publishes_nothing(bench: Bench) -> None:
    await bench.bus(bench.subscription(bench.note)).start()

    async def write_and_fail() -> None:
        await bench.work.outbox.add(bench.event(user_id=uuid4(), number=666))
        raise LookupError

    with pytest.raises(LookupError):
        await bench.work.run(write_and_fail)
    await bench.publish_numbers(3)
    assert sorted(await bench.effects_reach(3)) == [0, 1, 2]
    assert len(await records_of(bench.bootstrap, bench.topic)) == 3


async def test_transaction_that_is_repeated_publishes_once(bench: Bench) -> None:
    """Transactions that conflict are tried again, some of them several times; each announces one event."""
    rows, tries = bench.mongo.collection(Effect), 0
    shared = Effect(id=uuid4(), user_id=uuid4(), number=0)
    await rows.insert_one(shared.to_mongo())

    async def count_up(number: int) -> None:
        nonlocal tries
        tries += 1
        await bench.work.outbox.add(bench.event(user_id=shared.user_id, number=number))
        await rows.update_one({"_id": shared.id}, {"$inc": {"number": 1}})

    await asyncio.gather(*(bench.work.run(partial(count_up, number)) for number in range(8)))
    assert tries > 8
    await bench.bus().start()

    async def published() -> bool:
        return len(await records_of(bench.bootstrap, bench.topic)) >= 8

    await eventually(published)
    assert len(await records_of(bench.bootstrap, bench.topic)) == 8


async def test_outbox_refuses_events_outside_a_transaction(bench: Bench) -> None:
    with pytest.raises(NoTransaction):
        await bench.work.outbox.add(bench.event(user_id=uuid4(), number=1))


async def test_outbox_is_empty_once_published(bench: Bench) -> None:
    await bench.bus().start()
    await bench.publish_numbers(500)

    async def is_empty() -> bool:
        return await bench.mongo.collection(OutboxRow).count({}) == 0

    await eventually(is_empty)
    assert len(await records_of(bench.bootstrap, bench.topic)) == 500


async def test_record_is_a_binary_cloud_event(bench: Bench) -> None:
    await bench.bus().start()
    user_id = uuid4()
    await bench.publish(bench.event(user_id=user_id, number=7))

    async def published() -> list[object]:
        return list(await records_of(bench.bootstrap, bench.topic))

    await eventually(published)
    (record,) = await records_of(bench.bootstrap, bench.topic)
    headers = {name: first_of(record.headers, name) for name, _ in record.headers}
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_type"] == f"pixera.{bench.topic}.v1"
    assert headers["ce_source"] == f"/pixera/{bench.name}"
    assert headers["ce_subject"] == str(user_id)
    assert headers["content-type"] == "application/json"
    assert {"ce_id", "ce_time"} < headers.keys()
    assert record.key == str(user_id).encode()
    assert bench.event.model_validate_json(record.value or b"") == bench.event(user_id=user_id, number=7)


@pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])
async def test_trace_goes_on_in_the_handler(bench: Bench, io: bool) -> None:
    tracing.configure("tests")
    seen: list[str | None] = []

    async def remember(event: Noted, *once: object) -> None:
        seen.append(current_traceparent())

    await bench.bus(bench.subscription(remember, io=io)).start()
    with span("request"):
        started = current_traceparent() or ""
        await bench.publish_numbers(1)

    async def arrived() -> list[str | None]:
        return seen

    await eventually(arrived)
    assert (seen[0] or "").split("-")[1] == started.split("-")[1]
