"""A client of Kafka that does not get on, though broker and worker would: it is replaced, and nothing is lost."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer

from libs.common.bus import archive, consumer
from libs.common.bus.archive import Again, Reader
from libs.common.bus.consumer import Consumer
from libs.common.bus.consumes import Once
from libs.common.bus.envelope import headers_of
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.ownership import Ownership
from libs.common.bus.stream_worker import StreamWorker
from libs.common.testing.kafka import records_of
from tests.common.bus.events import Noted
from tests.common.bus.harness import QUICK, Bench

IMPATIENT = QUICK.model_copy(update={"client_patience_s": 1.5})
BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])
Dies = Callable[[AIOKafkaConsumer], asyncio.Task[None]]


def fetcher(client: AIOKafkaConsumer) -> asyncio.Task[None]:
    """What fetches records into the client."""
    task: asyncio.Task[None] = client._fetcher._fetch_task
    return task


def coordinator(client: AIOKafkaConsumer) -> asyncio.Task[None]:
    """What joins the group, again and again."""
    task: asyncio.Task[None] = client._coordinator._coordination_task
    return task


def client_of(member: Consumer) -> AIOKafkaConsumer:
    """The client that a consumer has now."""
    return member._subscriber.consumer


@pytest.fixture(autouse=True)
def spared(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a client may take longer to leave than is waited here: the tests' own process goes on."""
    monkeypatch.setattr(consumer, "end_process", lambda: None)


DYING = pytest.mark.parametrize("dies", [fetcher, coordinator])


async def consuming(bench: Bench, io: bool) -> Consumer:
    """Start a bus; return its consumer, once it has handed something over."""
    handler = bench.note_once if io else bench.note
    bus = bench.bus(bench.subscription(handler, io=io), tuned=IMPATIENT)
    await bus.start()
    await bench.publish_numbers(1)
    await bench.effects_reach(1)
    return bus._consumers[0]


async def publish_until(bench: Bench, seen: Callable[[], bool]) -> int:
    """Publish on, so that there is work, until something is seen; return how much there is."""
    for number in range(200):
        if seen():
            return number + 1
        await bench.publish_numbers(1)
        await asyncio.sleep(0.1)
    raise AssertionError("not seen within 20 s")


@BOTH
@DYING
async def test_a_client_whose_task_died_is_replaced(bench: Bench, io: bool, dies: Dies) -> None:
    member = await consuming(bench, io)
    client = client_of(member)
    dies(client).cancel()
    published = await publish_until(bench, lambda: client_of(member) not in (client, None))
    assert await bench.effects_reach(published) == [0] * published


@BOTH
async def test_a_client_that_raises_what_it_cancels_when_it_is_stopped_is_replaced(
    bench: Bench, io: bool
) -> None:
    """As one does whose fetch waits to be tried again, a broker being away: that ended the consumer, unseen."""
    member = await consuming(bench, io)
    client = client_of(member)
    client._fetcher._pending_tasks.add(asyncio.create_task(asyncio.sleep(3_600)))
    coordinator(client).cancel()
    published = await publish_until(bench, lambda: client_of(member) not in (client, None))
    assert await bench.effects_reach(published) == [0] * published
    assert client._client._conns == {} or all(not each.connected() for each in client._client._conns.values())


@BOTH
async def test_a_client_whose_commit_has_no_end_is_replaced(
    bench: Bench, io: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = await consuming(bench, io)
    client = client_of(member)
    hung: list[object] = []

    async def for_ever(*commit: object) -> None:
        hung.append(commit)
        await asyncio.Event().wait()

    monkeypatch.setattr(client._coordinator, "commit_offsets", for_ever)
    published = await publish_until(bench, lambda: client_of(member) not in (client, None))
    assert hung
    assert await bench.effects_reach(published) == [0] * published


async def test_a_client_that_cannot_leave_its_group_ends_the_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()
    monkeypatch.setattr(consumer, "end_process", ended.set)
    client = client_of(await consuming(bench, io=False))
    leave = client.stop
    monkeypatch.setattr(client, "stop", asyncio.Event().wait)
    fetcher(client).cancel()
    await publish_until(bench, ended.is_set)
    monkeypatch.setattr(client, "stop", leave)  # the process goes on here, and leaves in the end
    await leave()


async def test_a_worker_that_takes_its_time_keeps_its_client(bench: Bench) -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def slow(event: Noted, once: Once) -> None:
        begun.set()
        await let_go.wait()
        await bench.note_once(event, once)

    bus = bench.bus(bench.subscription(slow, io=True, concurrency=2), tuned=IMPATIENT)
    await bus.start()
    await bench.publish_numbers(5)
    async with asyncio.timeout(20):
        await begun.wait()
    client = client_of(bus._consumers[0])
    await asyncio.sleep(2.5 * IMPATIENT.client_patience_s)
    assert client_of(bus._consumers[0]) is client
    let_go.set()
    await bench.effects_reach(5)


@BOTH
async def test_a_handler_that_ends_by_its_librarys_cancellation_is_begun_anew(bench: Bench, io: bool) -> None:
    """Nobody wants its task to end: its record must not wait for the next rebalance, unseen."""
    troubles = [1, 2]

    async def cancelled(event: Noted, *once: Once) -> None:
        if event.number == 0 and troubles:
            troubles.pop()
            raise asyncio.CancelledError
        await (bench.note_once(event, *once) if once else bench.note(event))

    await bench.bus(bench.subscription(cancelled, io=io), tuned=IMPATIENT).start()
    await bench.publish_numbers(3)
    assert sorted(await bench.effects_reach(3)) == [0, 1, 2]
    assert troubles == []


async def test_what_was_taken_of_partitions_that_are_let_go_is_not_begun(bench: Bench) -> None:
    """It would queue in the lanes of who has them next, and take those along when it is given up."""
    bus = bench.bus(bench.subscription(bench.note_once, io=True))
    worker = bus._consumers[0]._worker
    assert isinstance(worker, StreamWorker)
    await bench.publish_numbers(1)
    row = OutboxRow.from_mongo((await bench.mongo.collection(OutboxRow).find({}))[0])
    record = Again(bench.topic, 0, 0, 0, row.key.encode(), row.body, headers_of(row))
    gone = Ownership(AIOKafkaConsumer(bootstrap_servers=bench.bootstrap), bench.group, 1.0)
    gone.end_soon()
    await worker.take([record], gone)
    assert worker._lanes == {}
    bench.buses.clear()


async def test_a_reader_whose_client_does_not_get_on_has_another_the_next_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "READ_S", 1.5)
    await bench.bus(bench.subscription(bench.note)).start()
    await bench.publish_numbers(1)
    await bench.effects_reach(1)
    partition = next(each.partition for each in await records_of(bench.bootstrap, bench.topic))
    reader = Reader(bench.bootstrap)
    assert (await reader.read(bench.topic, partition, 0)).offset == 0
    fetcher(reader._live).cancel()
    with pytest.raises(TimeoutError):
        await reader.read(bench.topic, partition, 0)
    assert (await reader.read(bench.topic, partition, 0)).offset == 0
    await reader.close()
