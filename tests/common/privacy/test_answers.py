"""The two requests, answered as the bus hands them in: I/O first, then one commit with the answer."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Self, TypeVar
from uuid import UUID, uuid4

import pytest

from libs.common.bus.outbox import OutboxRow
from libs.common.errors import Unavailable
from libs.common.events.privacy import (
    ErasureCompletedV1,
    ErasureRequestedV1,
    InventoryCompletedV1,
    InventoryRequestedV1,
)
from libs.common.privacy import holder as holder_module
from libs.common.privacy import patience
from libs.common.privacy.handlers import Answers, privacy_subscriptions
from libs.common.privacy.holder import Holder, StillHeld
from libs.common.privacy.holdings import OF_THE_BUS, Holdings
from libs.common.privacy.item_holds import ItemHold
from libs.common.privacy.objects import Objects
from libs.common.privacy.rows import Left
from tests.common.privacy.studio import Picture, Studio

T = TypeVar("T")


class Committed:
    """What the consumer hands to a handler: the effect in one transaction."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T:
        return await self._studio.mongo.transaction(work)


async def answers(studio: Studio, user_id: UUID, topic: str) -> list[bytes]:
    rows = await studio.mongo.collection(OutboxRow).find({"key": str(user_id), "topic": topic})
    return [row["body"] for row in rows]


def test_one_group_takes_both_requests(studio: Studio) -> None:
    (subscription,) = privacy_subscriptions(studio.holder)
    assert subscription.group == "gallery.privacy"
    assert subscription.topics == ("erasure.requested", "inventory.requested")
    assert subscription.io


async def test_an_inventory_is_answered_with_the_counts(studio: Studio) -> None:
    person, case = await studio.settle(), uuid4()
    await Answers(studio.holder).answer(InventoryRequestedV1(user_id=person, case_id=case), Committed(studio))
    (body,) = await answers(studio, person, "inventory.completed")
    answer = InventoryCompletedV1.model_validate_json(body)
    assert (answer.user_id, answer.case_id, answer.holder) == (person, case, "gallery")
    assert sum(each.found for each in answer.holdings) == 17
    assert (await studio.tombstone(person))["erasing_since"] is None


async def test_an_erasure_is_answered_and_closed_in_one_commit(studio: Studio) -> None:
    person, case = await studio.settle(), uuid4()
    event = ErasureRequestedV1(user_id=person, case_id=case, attempt=2)
    await Answers(studio.holder).answer(event, Committed(studio))
    (body,) = await answers(studio, person, "erasure.completed")
    answer = ErasureCompletedV1.model_validate_json(body)
    assert (answer.case_id, answer.attempt) == (case, 2)
    assert sum(each.erased + each.retained for each in answer.holdings) == 17
    tombstone = await studio.tombstone(person)
    assert tombstone["completed_at"] is not None
    assert tombstone["pseudonym"] is None


class LeakyHolder(Holder):
    """A holder beside which something keeps writing, past the fence."""

    studio: Studio

    @classmethod
    def beside(cls, studio: Studio) -> Self:
        held = studio.holder
        leaky = cls(
            held.holdings, studio.mongo, studio.storage, studio.tombstones, held.outbox, studio.settings
        )
        leaky.studio = studio
        return leaky

    async def _look(self, user_id: UUID, holds: Sequence[ItemHold]) -> dict[str, Left]:
        await self.studio.mongo.collection(Picture).insert_one(self.studio.picture(user_id).to_mongo())
        return await super()._look(user_id, holds)


async def test_nothing_is_announced_while_something_is_left(studio: Studio) -> None:
    person = await studio.settle()
    event = ErasureRequestedV1(user_id=person, case_id=uuid4())
    with pytest.raises(StillHeld) as refused:
        await Answers(LeakyHolder.beside(studio)).answer(event, Committed(studio))
    assert refused.value.retry
    assert refused.value.extra == {"left": {"gallery.pictures": 1}}
    assert await answers(studio, person, "erasure.completed") == []
    assert holder_module.PASSES > 1


async def test_what_cannot_be_erased_for_minutes_is_left_to_the_next_request(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, case = await studio.settle(), uuid4()
    answering = Answers(LeakyHolder.beside(studio))
    with pytest.raises(StillHeld):
        await answering.answer(ErasureRequestedV1(user_id=person, case_id=case), Committed(studio))
    with monkeypatch.context() as patched:
        patched.setattr(patience, "PATIENCE_S", 0.0)
        await answering.answer(ErasureRequestedV1(user_id=person, case_id=case), Committed(studio))
    assert await answers(studio, person, "erasure.completed") == []
    assert (await studio.tombstone(person))["completed_at"] is None
    with pytest.raises(StillHeld):  # each request has its own time
        await answering.answer(ErasureRequestedV1(user_id=person, case_id=case, attempt=2), Committed(studio))
    again = ErasureRequestedV1(user_id=person, case_id=case, attempt=2)
    await Answers(studio.holder).answer(again, Committed(studio))
    (body,) = await answers(studio, person, "erasure.completed")
    assert ErasureCompletedV1.model_validate_json(body).attempt == 2


async def test_what_cannot_be_counted_for_minutes_is_frozen_and_left_to_the_next_request(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await studio.settle()
    asked = InventoryRequestedV1(user_id=person, case_id=uuid4())

    async def away(*_: object) -> dict[str, int]:
        raise Unavailable("the object store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(patience, "PATIENCE_S", 0.0)
        patched.setattr(Objects, "inventory", away)
        await Answers(studio.holder).answer(asked, Committed(studio))
    assert await answers(studio, person, "inventory.completed") == []
    assert (await studio.tombstone(person))["inventory"] is None
    await Answers(studio.holder).answer(asked, Committed(studio))
    assert len(await answers(studio, person, "inventory.completed")) == 1


def test_a_service_that_is_no_holder_is_refused(studio: Studio) -> None:
    held = studio.holder
    studio.tombstones.on_sweep(held.sweep)
    stranger = Holder(
        Holdings("stranger", collections=OF_THE_BUS),
        studio.mongo,
        None,
        studio.tombstones,
        held.outbox,
        studio.settings,
    )
    with pytest.raises(TypeError, match="stranger is no holder"):
        privacy_subscriptions(stranger)
