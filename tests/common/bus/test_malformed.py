"""Whatever comes along Kafka that is no event: a dead letter with a code of its own, and the partition goes on."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from libs.common.bus.archive import original
from libs.common.bus.consumes import Subscription
from libs.common.bus.envelope import Headers, Record, first_of, headers_of
from libs.common.bus.letters.rows import DeadLetter, State
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.topics import Topic, ensure_topics
from libs.common.events.base import REGISTRY
from libs.common.settings import CommonSettings
from libs.common.testing.kafka import raw_producer, records_of, without
from tests.common.bus.events import noted
from tests.common.bus.harness import Bench, Stamped, open_bench
from tests.common.bus.letters import letters, letters_reach
from tests.common.bus.test_dead_letters import all_is_committed

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])

HEADERS: dict[str, tuple[str, bytes | None, str]] = {
    "an id that is no UTF-8": ("ce_id", b"\xff\xfe", "header-encoding"),
    "a type that is no UTF-8": ("ce_type", b"\xc3\x28", "header-encoding"),
    "an id without a value": ("ce_id", None, "no-ce-id"),
    "a type without a value": ("ce_type", None, "no-ce-type"),
    "an empty id": ("ce_id", b"", "no-ce-id"),
    "an endless id": ("ce_id", b"x" * 200, "bad-id"),
    "another CloudEvents": ("ce_specversion", b"0.3", "spec-version"),
    "structured mode": ("content-type", b"application/cloudevents+json", "structured-mode"),
    "no JSON": ("content-type", b"application/avro", "content-type"),
    "a version to come": ("ce_type", b"VERSION", "unknown-version"),
    "a version without end": ("ce_type", b"VERSION" + b"9" * 4_301, "unknown-version"),
    "a type of nobody's": ("ce_type", b"com.example.whatever", "unknown-type"),
    "no time": ("ce_time", b"yesterday", "bad-time"),
    "a time of nowhere": ("ce_time", b"2026-01-01T00:00:00", "bad-time"),
}
"""What is wrong: the header, its value, the code that comes of it."""

VALUES: dict[str, tuple[bytes | None, str]] = {
    "a tombstone": (None, "tombstone"),
    "nothing": (b"", "invalid-body"),
    "half of a body": (b'{"user_id":', "invalid-body"),
    "a body that is no UTF-8": (b"\xff\xfe", "invalid-body"),
    "a body of another shape": (b'{"user_id":"nobody"}', "invalid-body"),
    "too much": (b"x" * 300_000, "oversized"),
}
KEYS: dict[str, tuple[bytes | None, str]] = {
    "no key": (None, "wrong-key"),
    "another's key": (str(uuid4()).encode(), "wrong-key"),
    "a key that is no text": (b"\xff\xfe", "wrong-key"),
}


async def send(
    bench: Bench, key: bytes | None, value: bytes | None, headers: object, at_ms: int | None = None
) -> None:
    """Publish what no service would."""
    async with raw_producer(bench.bootstrap) as producer:
        await producer.send_and_wait(
            bench.topic, value, key=key, headers=headers, partition=0, timestamp_ms=at_ms
        )


def good(bench: Bench) -> tuple[bytes, bytes, Headers]:
    """Return key, body and headers as the relay writes them."""
    row = OutboxRow.of(bench.event(user_id=uuid4(), number=1), "/tests")
    return row.key.encode(), row.body, headers_of(row)


async def the_letter(bench: Bench, *, io: bool) -> DeadLetter:
    """Consume what was sent and an event behind it; return the letter, its bytes and headers being as they were."""
    await send(bench, *good(bench))
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    assert await bench.effects_reach(1) == [1]
    await all_is_committed(bench, 2)
    (letter,) = await letters(bench)
    assert letter.state is State.OPEN
    (stored,) = await records_of(bench.bootstrap, f"{bench.group}.dlq")
    origin = (await records_of(bench.bootstrap, bench.topic))[0]
    assert (stored.key, stored.value) == (origin.key, origin.value)
    assert list(stored.headers[: len(origin.headers)]) == list(origin.headers)
    assert first_of(stored.headers, "dlq_error_code") == letter.code
    return letter


@BOTH
@pytest.mark.parametrize("what", HEADERS)
async def test_a_header_is_wrong(bench: Bench, what: str, io: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    name, value, code = HEADERS[what]
    if value and value.startswith(b"VERSION"):
        monkeypatch.setitem(REGISTRY, (bench.topic, 1), bench.event)
        value = value.replace(b"VERSION", f"pixera.{bench.topic}.v9".encode())
    key, body, headers = good(bench)
    changed = [(each, value if each == name else given) for each, given in headers]
    await send(bench, key, body, changed)
    assert (await the_letter(bench, io=io)).code == f"malformed.{code}"


@pytest.fixture
async def stamped(common_settings: CommonSettings) -> AsyncIterator[Bench]:
    """A service whose topic is as old as the times that its records' producers gave them."""
    bench = await open_bench(common_settings, f"s{uuid4().hex[:8]}", of=Stamped)
    yield bench
    await bench.close()


@BOTH
@pytest.mark.parametrize("at_ms", [-(10**15), -(10**17)])
async def test_there_is_no_time_but_the_records_own_which_no_calendar_has(
    stamped: Bench, at_ms: int, io: bool
) -> None:
    key, body, headers = good(stamped)
    await send(stamped, key, body, without(headers, "ce_time"), at_ms)
    assert (await the_letter(stamped, io=io)).code == "malformed.bad-time"


@BOTH
async def test_there_are_no_headers(bench: Bench, io: bool) -> None:
    key, body, _ = good(bench)
    await send(bench, key, body, [])
    assert (await the_letter(bench, io=io)).code == "malformed.spec-version"


@BOTH
@pytest.mark.parametrize("what", VALUES)
async def test_the_body_is_wrong(bench: Bench, what: str, io: bool) -> None:
    value, code = VALUES[what]
    key, _, headers = good(bench)
    await send(bench, key, value, headers)
    assert (await the_letter(bench, io=io)).code == f"malformed.{code}"


async def letter_beside(bench: Bench, *, io: bool) -> tuple[DeadLetter, Record]:
    """Consume what was sent and an event behind it; return the letter, and the record as it is stored."""
    await send(bench, *good(bench))
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    assert await bench.effects_reach(1) == [1]
    (letter,) = await letters_reach(bench, 1)
    (stored,) = await records_of(bench.bootstrap, f"{bench.group}.dlq")
    return letter, stored


@BOTH
async def test_there_is_nothing_at_all(bench: Bench, io: bool) -> None:
    """No key and no value: aiokafka reads such a record and refuses to write one, so it is stored with a mark."""
    async with raw_producer(bench.bootstrap) as producer:
        batch = producer.create_batch()
        batch.append(key=None, value=None, timestamp=None)
        await (await producer.send_batch(batch, bench.topic, partition=0))
    letter, stored = await letter_beside(bench, io=io)
    assert (letter.code, letter.whole) == ("malformed.tombstone", True)
    again = original(stored, letter.topic, letter.partition, letter.offset)
    assert (again.key, again.value, list(again.headers)) == (None, None, [])


@BOTH
@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "without a key"])
async def test_it_is_too_large_to_be_stored(bench: Bench, keyed: bool, io: bool) -> None:
    """A batch that is compressed gets past every limit on what is stored: the letter says where it lies."""
    key, _, headers = good(bench)
    large = {"max_batch_size": 4_000_000, "max_request_size": 4_000_000, "compression_type": "gzip"}
    async with AIOKafkaProducer(bootstrap_servers=bench.bootstrap, **large) as producer:
        body = b"x" * 2_000_000
        await producer.send_and_wait(
            bench.topic, body, key=key if keyed else None, headers=headers, partition=0
        )
    letter, stored = await letter_beside(bench, io=io)
    assert (letter.code, letter.whole) == ("malformed.oversized", False)
    assert stored.value == b""
    assert first_of(stored.headers, "dlq_error_code") == letter.code


@BOTH
@pytest.mark.parametrize("what", KEYS)
async def test_the_key_is_wrong_and_nothing_waits_for_it(bench: Bench, what: str, io: bool) -> None:
    key, code = KEYS[what]
    _, body, headers = good(bench)
    await send(bench, key, body, headers)
    letter = await the_letter(bench, io=io)
    assert letter.code == f"malformed.{code}"
    assert (letter.key, letter.lane, letter.user_id) == (None, None, None)


@BOTH
async def test_it_is_on_the_wrong_topic(bench: Bench, io: bool) -> None:
    other = noted(f"{bench.topic}.other")
    await ensure_topics(bench.bootstrap, [Topic(other.topic)])
    row = OutboxRow.of(other(user_id=uuid4(), number=2), "/tests")
    await send(bench, row.key.encode(), row.body, headers_of(row))
    await send(bench, *good(bench))
    usual = bench.note_once if io else bench.note
    await bench.bus(Subscription((bench.event, other), bench.group, usual, io)).start()
    assert await bench.effects_reach(1) == [1]
    (letter,) = await letters_reach(bench, 1)
    assert (letter.code, letter.lane) == ("malformed.wrong-topic", None)


async def test_the_same_offset_on_two_topics_is_no_duplicate_and_the_same_id_is(bench: Bench) -> None:
    """Events are told apart by their ids, not by where they lie."""
    other = noted(f"{bench.topic}.other")
    await ensure_topics(bench.bootstrap, [Topic(other.topic)])
    rows = [
        OutboxRow.of(event(user_id=uuid4(), number=n), "/tests")
        for n, event in enumerate((bench.event, other))
    ]
    again = OutboxRow.of(other(user_id=uuid4(), number=2), "/tests").model_copy(update={"id": rows[0].id})
    async with raw_producer(bench.bootstrap) as producer:
        for row in (*rows, again):
            await producer.send_and_wait(
                row.topic, row.body, key=row.key.encode(), headers=headers_of(row), partition=0
            )
    await bench.bus(Subscription((bench.event, other), bench.group, bench.note, io=False)).start()
    await all_is_committed(bench, 1)
    bench.topic = other.topic
    await all_is_committed(bench, 2)
    # Topics have no order between them, so either of the two with one id may come first.
    assert sorted(await bench.effects()) in ([0, 1], [1, 2])
    assert await letters(bench) == []


@BOTH
async def test_foreign_headers_do_not_matter(bench: Bench, io: bool) -> None:
    key, body, headers = good(bench)
    await send(bench, key, body, [*headers, ("x-vendor", b"\xff\xfe"), ("x-null", None)])
    await bench.bus(bench.subscription(bench.note_once if io else bench.note, io=io)).start()
    assert await bench.effects_reach(1) == [1]
    assert await letters(bench) == []
