"""Parts of exports without their stores: records, the stream they are sealed in, and what rows are held to."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import jsonschema
import orjson
import pytest
from cryptography.exceptions import InvalidTag

from contracts.data_map import all_holdings
from libs.common.events import PRODUCERS
from libs.common.exporting import records
from libs.common.exporting.json_schema import schema_of
from libs.common.exporting.parts import takes_part
from libs.common.exporting.records import Kind, Record
from libs.common.privacy.exported import WITHHELD
from libs.common.privacy.holdings import CollectionHolding, Holdings
from libs.common.stream_cipher import StreamCipher, new_key

RECORDS = [
    Record(Kind.HOLDING, b"{}"),
    Record(Kind.ROW, b""),
    Record(Kind.DATA, bytes(range(256)) * 40),
    Record(Kind.ROW, b'{"caption":"sea"}'),
]
ENCODED = b"".join(records.encoded(*each) for each in RECORDS)


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def decoded(size: int, data: bytes = ENCODED) -> list[Record]:
    return [each async for each in records.decoded(pieces(data, size))]


@pytest.mark.parametrize("size", [1, 4, 5, 6, 1_000, len(ENCODED)])
async def test_records_are_read_wherever_the_stream_is_cut(size: int) -> None:
    assert await decoded(size) == RECORDS


async def test_a_stream_that_ends_in_a_record_is_refused() -> None:
    with pytest.raises(ValueError, match="in the middle of a record"):
        await decoded(100, ENCODED[:-1])


def sealed(key: bytes, plain: Sequence[bytes]) -> list[bytes]:
    cipher = StreamCipher(key)
    return [cipher.seal(number, each, last=number == len(plain) - 1) for number, each in enumerate(plain)]


def opened(key: bytes, chunks: Sequence[bytes]) -> list[bytes]:
    cipher = StreamCipher(key)
    return [cipher.open(number, each, last=number == len(chunks) - 1) for number, each in enumerate(chunks)]


def test_a_stream_opens_whole_in_its_order_and_with_its_key_alone() -> None:
    key = new_key()
    first, second, third = chunks = sealed(key, [b"first", b"second", b"third"])
    assert opened(key, chunks) == [b"first", b"second", b"third"]
    for wrong in ([first, second], [second, first, third], [first, third, second], [first, third]):
        with pytest.raises(InvalidTag):
            opened(key, wrong)
    with pytest.raises(InvalidTag):
        opened(new_key(), chunks)


def test_every_service_has_its_part() -> None:
    assert {held.service for held in all_holdings() if takes_part(held)} == PRODUCERS.keys()


HELD = [(held, each) for held in all_holdings() for each in held.collections]


@pytest.mark.parametrize(("held", "each"), HELD, ids=[held.name_of(each) for held, each in HELD])
def test_every_holding_has_a_schema_that_takes_its_rows_and_no_field_more(
    held: Holdings, each: CollectionHolding
) -> None:
    schema = schema_of(each, held.name_of(each))
    jsonschema.Draft202012Validator.check_schema(schema)
    row = {name: WITHHELD for name, mark in each.personal.items() if mark.is_secret and "." not in name}
    jsonschema.validate([row], schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([row | {"stranger": 1}], schema)
    for name in row:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate([{name: "$argon2id$v=19$m=19456"}], schema)


def test_a_row_is_json_that_says_ids_and_times_as_text() -> None:
    who, moment = uuid4(), datetime(2026, 11, 26, 19, tzinfo=UTC)
    read = orjson.loads(records.row({"_id": who, "at": moment, "raw": b"\x00\xff", "none": None}))
    assert read == {"_id": str(who), "at": "2026-11-26T19:00:00Z", "raw": "AP8=", "none": None}
