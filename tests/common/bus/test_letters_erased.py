"""Letters are about people, so an erasure takes them: counted, deleted, and nothing waits for the erased any more."""

from datetime import timedelta
from uuid import uuid4

import pytest

from libs.common.bus.letters.rows import State
from libs.common.clock import now
from libs.common.events.privacy import HoldingErasure, HoldingInventory
from libs.common.privacy.holder import Holder
from libs.common.privacy.holdings import OF_THE_BUS
from tests.common.bus.harness import Bench
from tests.common.bus.letters import BusHoldings, Refuses, lanes, letters, letters_reach, of_person
from tests.common.bus.test_dead_letters import all_is_committed
from tests.common.bus.test_redrive import stopped_at

BOTH = pytest.mark.parametrize("io", [False, True], ids=["transactional", "io"])


def holder(bench: Bench) -> Holder:
    """Return what answers for the people in the bench's letters."""
    holdings = BusHoldings("gallery", collections=OF_THE_BUS)
    return Holder(holdings, bench.mongo, None, bench.tombstones, bench.work.outbox, bench.settings)


def counts(answer: list[HoldingInventory] | list[HoldingErasure], name: str) -> dict[str, int]:
    """Return a count of each holding."""
    return {each.holding: getattr(each, name) for each in answer}


@BOTH
async def test_an_erasure_takes_letters_and_lanes_and_counts_them(bench: Bench, io: bool) -> None:
    person, other = uuid4(), uuid4()
    held = holder(bench)
    await bench.publish(*(bench.event(user_id=each, number=n) for n in range(3) for each in (person, other)))
    await bench.bus(bench.subscription(Refuses(bench, 0), io=io)).start()
    await letters_reach(bench, 6)
    case_id = uuid4()
    expected = {"gallery.dead_letters": 3, "gallery.parked_keys": 1}
    assert counts(await held.inventory(person, case_id), "found") == expected
    assert counts(await held.erase(person, case_id), "erased") == expected
    assert {letter.user_id for letter in await letters(bench)} == {other}
    assert [lane.user_id for lane in await lanes(bench)] == [other]
    await bench.publish(bench.event(user_id=person, number=3))
    await all_is_committed(bench, 7)
    assert await of_person(bench, person) == []
    assert {letter.user_id for letter in await letters(bench)} == {other}


async def test_letters_go_when_their_topics_retention_is_over(bench: Bench) -> None:
    await stopped_at(bench, uuid4(), Refuses(bench, 0), io=False, count=2)
    held = holder(bench)
    assert sum((await held.retain(now() + timedelta(days=29))).values()) == 0
    assert len(await letters(bench, State.OPEN, State.PARKED)) == 2
    swept = await held.retain(now() + timedelta(days=31))
    assert swept == {"gallery.dead_letters": 2, "gallery.parked_keys": 1}
