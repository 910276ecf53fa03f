"""Outside parties are asked to erase; one that fails keeps the erasure open, visible, and is asked again."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from libs.common.errors import Invalid, PixeraError, Unavailable
from libs.common.events.privacy import (
    ErasureCompletedV1,
    ErasureRequestedV1,
    HoldingErasure,
    InventoryRequestedV1,
)
from libs.common.privacy import outside as outside_module
from libs.common.privacy.handlers import Answers, privacy_loops
from libs.common.privacy.holdings import CollectionHolding, ProcessorHolding, UndeclaredHolding
from libs.common.privacy.processors import MAIL_SERVER, AtErasure
from libs.common.privacy.progress import Progress
from libs.common.privacy.tombstones import ErasureReceipt
from libs.common.settings import CommonSettings
from tests.common.privacy.studio import BUCKET, HOLDINGS, Picture, Studio, open_studio
from tests.common.privacy.test_answers import Committed, answers

PRINTER = replace(MAIL_SERVER, name="print-shop", at_erasure=AtErasure.ASKED)
AT_THE_PRINTER = ProcessorHolding(PRINTER, ("pictures.caption",), rows=CollectionHolding(Picture))
ASKING = replace(HOLDINGS, processors=(AT_THE_PRINTER,))
NAME = "gallery.print-shop"
AT = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass
class PrintShop:
    """An outside party of the tests: what it has by key, and how its next requests to erase end."""

    has: set[UUID] = field(default_factory=set)
    troubles: list[PixeraError | None] = field(default_factory=list)
    lost: bool = False
    asked: int = 0

    async def erase(self, keys: Sequence[UUID]) -> ErasureReceipt:
        self.asked += 1
        if trouble := self.troubles.pop(0) if self.troubles else None:
            if self.lost:
                self.has -= set(keys)
            raise trouble
        self.has -= set(keys)
        return ErasureReceipt(reference=f"er_{self.asked}", at=AT)


@pytest.fixture
async def asking(common_settings: CommonSettings) -> AsyncIterator[tuple[Studio, PrintShop]]:
    async with open_studio(common_settings, holdings=ASKING) as studio:
        await studio.storage.ensure_buckets(BUCKET)
        shop = PrintShop()
        studio.holder.outside.reach("print-shop", shop.erase)
        yield studio, shop


async def person_at(studio: Studio, shop: PrintShop) -> UUID:
    """Return somebody whose five pictures the shop has."""
    person = await studio.settle()
    shop.has |= set(await studio.mongo.collection(Picture).distinct("_id", {"user_id": person}))
    return person


async def two_waiting(studio: Studio, shop: PrintShop) -> list[UUID]:
    """Return the two people whose erasures wait for the shop, the one who waits longer first."""
    assert await Answers(studio.holder).ask_again() == 0, "others wait as well"
    for _ in range(2):
        person, case = await person_at(studio, shop), uuid4()
        shop.troubles = [Unavailable("it does not answer")]
        await ask(studio, person, case)
    return await studio.holder.waiting_outside(AT_THE_PRINTER)


async def ask(studio: Studio, person: UUID, case: UUID, attempt: int = 1) -> dict[str, HoldingErasure]:
    """Have somebody erased as the bus does; return the last answer by holding."""
    event = ErasureRequestedV1(user_id=person, case_id=case, attempt=attempt)
    await Answers(studio.holder).answer(event, Committed(studio))
    return await last_answer(studio, person)


async def last_answer(studio: Studio, person: UUID) -> dict[str, HoldingErasure]:
    *_, body = await answers(studio, person, "erasure.completed")
    return {each.holding: each for each in ErasureCompletedV1.model_validate_json(body).holdings}


async def test_a_party_is_counted_asked_and_its_answer_kept(asking: tuple[Studio, PrintShop]) -> None:
    studio, shop = asking
    person, case = await person_at(studio, shop), uuid4()
    await Answers(studio.holder).answer(InventoryRequestedV1(user_id=person, case_id=case), Committed(studio))
    erased = await ask(studio, person, case)
    assert shop.has == set()
    assert (erased[NAME].erased, erased[NAME].already_gone) == (5, 0)
    assert [(each.reference, each.at) for each in erased[NAME].proofs] == [("er_1", AT)]
    row = await studio.tombstone(person)
    assert row["inventory"]["gallery/print-shop"] == 5
    assert row["completed_at"] is not None
    assert row["asked"]["gallery/print-shop"]["keys"] == []


@pytest.mark.parametrize("trouble", [Unavailable("it does not answer"), Invalid("it refuses")])
async def test_a_failing_party_keeps_the_erasure_open_and_nothing_else(
    trouble: PixeraError, asking: tuple[Studio, PrintShop]
) -> None:
    studio, shop = asking
    person, case = await person_at(studio, shop), uuid4()
    await studio.holder.inventory(person, case)
    shop.troubles = [trouble] * 3

    erased = await ask(studio, person, case, attempt=3)

    assert await studio.rows(person) == {}
    assert await studio.objects(person) == 0
    assert (erased[NAME].erased, erased[NAME].already_gone, erased[NAME].proofs) == (0, 0, [])
    assert (await studio.holder.verify(person))[NAME] == 5
    assert (await studio.tombstone(person))["completed_at"] is None
    assert await Answers(studio.holder).ask_again() == 1

    shop.troubles = []
    assert await Answers(studio.holder).ask_again() == 0
    *_, body = await answers(studio, person, "erasure.completed")
    assert ErasureCompletedV1.model_validate_json(body).attempt == 3
    assert (await last_answer(studio, person))[NAME].erased == 5
    assert shop.has == set()
    assert (await studio.tombstone(person))["completed_at"] is not None
    assert await studio.holder.waiting_outside(AT_THE_PRINTER) == []


async def test_one_whom_a_party_never_erases_holds_up_nobody(asking: tuple[Studio, PrintShop]) -> None:
    studio, shop = asking
    first, second = await two_waiting(studio, shop)
    shop.troubles = [Invalid("it refuses")]
    assert await Answers(studio.holder).ask_again() == 1
    assert await studio.holder.waiting_outside(AT_THE_PRINTER) == [first]
    assert (await studio.tombstone(second))["completed_at"] is not None


async def test_one_whose_erasure_fails_here_holds_up_nobody(asking: tuple[Studio, PrintShop]) -> None:
    """Another process has the claim to the first one's objects, so that the erasure cannot be tried now."""
    studio, shop = asking
    first, second = await two_waiting(studio, shop)
    async with Progress(studio.mongo).claimed(first):
        assert await Answers(studio.holder).ask_again() == 1
        assert await studio.holder.waiting_outside(AT_THE_PRINTER) == [first]
        assert (await studio.tombstone(second))["completed_at"] is not None
    assert await Answers(studio.holder).ask_again() == 0


async def test_an_answer_that_is_lost_is_asked_for_again_and_counted_once(
    asking: tuple[Studio, PrintShop],
) -> None:
    studio, shop = asking
    person, case = await person_at(studio, shop), uuid4()
    await studio.holder.inventory(person, case)
    shop.troubles, shop.lost = [Unavailable("the answer is lost")], True
    assert (await ask(studio, person, case))[NAME].erased == 0
    assert shop.has == set()
    erased = await ask(studio, person, case, attempt=2)
    assert (erased[NAME].erased, len(erased[NAME].proofs)) == (5, 1)
    assert (await ask(studio, person, case, attempt=3))[NAME].erased == 5
    assert shop.asked == 2


async def test_what_is_too_much_for_one_request_goes_in_parts(
    asking: tuple[Studio, PrintShop], monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, shop = asking
    monkeypatch.setattr(outside_module, "KEYS_AT_ONCE", 2)
    person = await person_at(studio, shop)
    shop.troubles = [None, Unavailable("between two parts")]
    assert (await ask(studio, person, uuid4()))[NAME].erased == 2
    erased = await ask(studio, person, uuid4(), attempt=2)
    assert (erased[NAME].erased, len(erased[NAME].proofs)) == (5, 3)


def test_a_service_that_cannot_reach_its_party_does_not_start(studio: Studio) -> None:
    with pytest.raises(UndeclaredHolding, match="print-shop is to be asked to erase, and nobody can"):
        type(studio.holder)(
            ASKING, studio.mongo, studio.storage, studio.tombstones, studio.holder.outbox, studio.settings
        ).outside.require_reachable()
    assert privacy_loops(studio.holder) == []


def test_who_is_asked_says_what_it_knows_people_by() -> None:
    with pytest.raises(UndeclaredHolding, match="exactly where `rows` says"):
        replace(HOLDINGS, processors=(replace(AT_THE_PRINTER, rows=None),)).check()
