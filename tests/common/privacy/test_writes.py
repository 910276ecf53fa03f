"""Whoever stores an object is waited for, however wrong a clock is, and for no longer than a write takes."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from libs.common.privacy import writes as writes_module
from libs.common.privacy.progress import ErasureUnderWay
from libs.common.privacy.writes import Write, Writes
from tests.common.privacy.studio import Studio

BEHIND, AHEAD = timedelta(hours=-6), timedelta(hours=6)


def set_clock(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Have the process's clock be wrong, where anybody asks it."""
    monkeypatch.setattr(writes_module, "now", lambda: datetime.now(UTC) + by, raising=False)


@pytest.mark.parametrize("wrong", [BEHIND, AHEAD])
async def test_a_writer_is_waited_for_whose_clock_is_wrong(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, wrong: timedelta
) -> None:
    person, writes = uuid4(), Writes(studio.mongo, studio.tombstones)
    with monkeypatch.context() as patched:
        set_clock(patched, wrong)
        writing = writes.under_way(person)
        await writing.__aenter__()
    draining = asyncio.create_task(writes.drained(person))
    await asyncio.sleep(0.3)
    assert not draining.done()
    await writing.__aexit__(None, None, None)
    await asyncio.wait_for(draining, 5)


@pytest.mark.parametrize("wrong", [BEHIND, AHEAD])
async def test_a_writer_that_died_is_waited_for_as_long_as_a_write_takes(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, wrong: timedelta
) -> None:
    person, writes = uuid4(), Writes(studio.mongo, studio.tombstones)
    monkeypatch.setattr(writes_module, "LONGEST", timedelta(seconds=1))
    with monkeypatch.context() as patched:
        set_clock(patched, wrong)
        died = writes.under_way(person)
        await died.__aenter__()
    await asyncio.wait_for(writes.drained(person), 5)
    assert await studio.mongo.collection(Write).count({"user_id": person}) == 0
    await died.__aexit__(None, None, None)


async def test_what_does_not_end_is_left_to_the_next_try(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a database whose clock was set back."""
    person, writes = uuid4(), Writes(studio.mongo, studio.tombstones)
    for name, value in (("LONGEST", timedelta(seconds=0.2)), ("MARGIN_S", 0.2)):
        monkeypatch.setattr(writes_module, name, value)
    row = Write(id=uuid4(), user_id=person, until=datetime.now(UTC) + AHEAD)
    await studio.mongo.collection(Write).insert_one(row.to_mongo())
    with pytest.raises(ErasureUnderWay):
        await asyncio.wait_for(writes.drained(person), 5)
