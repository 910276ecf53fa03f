"""A stored record is delivered again through the consumer's own code: once, fenced, under its own id and trace."""

from uuid import UUID, uuid4

import pytest

from libs.common.bus.consumes import Once
from libs.common.bus.envelope import Record, headers_of
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.redelivery import Redelivery
from libs.common.bus.settling import NotDelivered, Outcome
from libs.common.errors import Invalid
from libs.common.testing.kafka import raw_producer, records_of, without
from libs.common.tracing import current_traceparent
from tests.common.bus.events import Noted
from tests.common.bus.harness import Bench

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


async def stored(bench: Bench, number: int = 7, **changed: bytes | None) -> Record:
    """Return a record that lies on the topic; nobody consumes it."""
    row = OutboxRow.of(bench.event(user_id=uuid4(), number=number), "/tests", TRACE)
    headers = headers_of(row)
    for name, value in changed.items():
        headers = without(headers, name) + ([(name, value)] if value is not None else [])
    async with raw_producer(bench.bootstrap) as producer:
        await producer.send_and_wait(bench.topic, row.body, key=row.key.encode(), headers=headers)
    return (await records_of(bench.bootstrap, bench.topic))[-1]


def redelivery(bench: Bench, handler: object = None, *, io: bool = False) -> Redelivery:
    """Return the way back to the bench's group."""
    usual = bench.note_once if io else bench.note
    bus = bench.bus(bench.subscription(handler or usual, io=io))  # type: ignore[arg-type]
    bench.buses.remove(bus)  # it is never started
    return bus.redeliveries[bench.group]


async def nothing_to_sweep(_: list[UUID]) -> None:
    """Stand for a service that holds nothing."""


@BOTH
async def test_it_has_its_effect_once_however_often_it_is_delivered(bench: Bench, io: bool) -> None:
    record, again = await stored(bench), redelivery(bench, io=io)
    outcomes = [await again.deliver(record) for _ in range(3)]
    assert outcomes == [Outcome.DONE, Outcome.DUPLICATE, Outcome.DUPLICATE]
    assert await bench.effects() == [7]


@BOTH
async def test_what_is_about_somebody_erased_is_void(bench: Bench, io: bool) -> None:
    record = await stored(bench)
    user_id = bench.event.model_validate_json(record.value or b"").user_id
    await bench.tombstones.set(user_id, uuid4())
    bench.tombstones.on_sweep(nothing_to_sweep)
    assert await redelivery(bench, io=io).deliver(record) is Outcome.ERASED
    assert await bench.effects() == []


@BOTH
async def test_what_fails_is_told_with_its_code_and_put_nowhere(bench: Bench, io: bool) -> None:
    async def refuse(event: Noted, *once: Once) -> None:
        raise Invalid

    record = await stored(bench)
    with pytest.raises(NotDelivered) as told:
        await redelivery(bench, refuse, io=io).deliver(record)
    assert told.value.code == Invalid.code
    assert await redelivery(bench, io=io).deliver(record) is Outcome.DONE  # once the code is mended


@BOTH
async def test_what_cannot_be_read_is_told_too(bench: Bench, io: bool) -> None:
    with pytest.raises(NotDelivered) as told:
        await redelivery(bench, io=io).deliver(await stored(bench, ce_id=b"\xff\xfe"))
    assert told.value.code == "malformed.header-encoding"


@BOTH
async def test_the_trace_goes_on(bench: Bench, io: bool) -> None:
    traces = []

    async def look(event: Noted, *once: Once) -> None:
        traces.append(current_traceparent())

    await redelivery(bench, look, io=io).deliver(await stored(bench))
    assert traces[0] is not None
    assert traces[0].split("-")[1] == "a" * 32
