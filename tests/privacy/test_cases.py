"""Cases in a real database: events in, the next step in the same transaction, the proof at the end."""

import asyncio
import json
import random
from contextvars import Context
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from libs.common.certificate import verify, verify_chain
from libs.common.clock import now
from libs.common.errors import Unavailable
from libs.common.mongo import PyMongoError
from libs.common.testing.metrics import metric
from libs.common.work import UnitOfWork
from services.privacy import repository
from services.privacy.errors import CaseNotFound
from services.privacy.holds import rows as hold_rows
from services.privacy.holds.grounds import Ground
from services.privacy.holds.models import Hold
from services.privacy.holds.orders import Wanted
from services.privacy.models import Case
from services.privacy.protocol import HOLDERS, Phase
from services.privacy.repository import CaseRepository
from services.privacy.retained import Retained
from services.privacy.scanner import Finding, Scanner, ScanReport
from services.privacy.watching import Watching
from tests.privacy.conftest import KEY, Erasure, Privacy


def report(*findings: Finding) -> ScanReport:
    """Return what a scan says."""
    at = now()
    return ScanReport(at, at, databases=6, collections=30, rows_read=100, buckets=3, findings=findings)


async def test_a_case_goes_from_the_deletion_to_its_certificate(privacy: Privacy) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted())
    assert (await privacy.case(erasure)).phase is Phase.INVENTORY
    await privacy.deliver(*(erasure.inventory(holder) for holder in HOLDERS))
    assert (await privacy.case(erasure)).phase is Phase.ERASING
    await privacy.deliver(*(erasure.erasure(holder) for holder in HOLDERS))
    assert (await privacy.case(erasure)).phase is Phase.SCANNING

    case = await privacy.service.finish_scan(erasure.case_id, 1, report())
    assert case.phase is Phase.VERIFIED
    assert await privacy.published(erasure) == [
        "inventory.requested",
        "erasure.requested",
        "erasure.requested",  # of the last holder, which has the key
        "erasure.verified",
    ]
    verdict = verify(await privacy.service.certificates.of_case(case.id), [KEY.public_key()])
    assert verdict.valid, verdict.checks
    assert verdict.body is not None
    billing = next(part for part in verdict.body["holders"] if part["holder"] == "billing")
    assert billing["holdings"] == [
        {
            "holding": "billing.payments",
            "found": 5,
            "erased": 0,
            "already_gone": 0,
            "retained": 5,
            "ground": "tax-law",
            "retained_until": "2033-11-23",
        }
    ]


async def test_nothing_that_is_stored_says_who_it_is_about(privacy: Privacy) -> None:
    """Not while the case is open, where the id is sealed, and not afterwards, where it is gone."""
    erasure = Erasure()
    story = erasure.honest_story()
    for event in story:
        await privacy.deliver(event)
        row = await privacy.mongo.collection(Case).find_one({"_id": erasure.case_id})
        assert row is not None
        assert erasure.user_id.bytes not in repr(row).encode("latin-1", "replace")
        assert str(erasure.user_id) not in repr(row)
        assert repr(erasure.user_id.bytes)[2:-1] not in repr(row)
    case = await privacy.case(erasure)
    assert case.sealed_subject is not None
    assert case.locators == ["ab" * 16]
    case = await privacy.service.finish_scan(erasure.case_id, 1, report())
    assert case.sealed_subject is None
    assert case.locators == []
    assert str(erasure.user_id).encode() not in await privacy.service.certificates.of_case(case.id)
    with pytest.raises(CaseNotFound):
        privacy.service.casework.subject_of(case)


async def test_any_order_and_any_number_of_deliveries_end_alike(privacy: Privacy) -> None:
    dice = random.Random(7)
    for _ in range(5):
        erasure = Erasure()
        story = erasure.honest_story() * 2
        dice.shuffle(story)
        await privacy.deliver(*story)
        case = await privacy.case(erasure)
        for attempt in range(1, case.saga.attempt + 1):
            await privacy.deliver(*(erasure.erasure(holder, attempt) for holder in HOLDERS))
        case = await privacy.case(erasure)
        assert case.phase is Phase.SCANNING
        assert (await privacy.service.finish_scan(case.id, case.saga.run, report())).phase is Phase.VERIFIED


async def test_forty_found_and_none_erased_is_incomplete(privacy: Privacy) -> None:
    """The zero-row guard, and what follows: another attempt, then people."""
    erasure = Erasure()
    honest = [erasure.erasure(holder) for holder in HOLDERS if holder != "gallery"]
    await privacy.deliver(erasure.deleted(), *(erasure.inventory(holder) for holder in HOLDERS), *honest)
    attempt = 1
    while True:
        lie = erasure.erasure("gallery", attempt, gallery__images=0)
        await privacy.deliver(
            lie, *(erasure.erasure(holder, attempt) for holder in HOLDERS if holder != "gallery")
        )
        case = await privacy.case(erasure)
        assert case.phase is Phase.INCOMPLETE
        if case.saga.retry_at is None:
            break
        while (await privacy.case(erasure)).phase is Phase.INCOMPLETE:
            await privacy.service.tick_due()
            await asyncio.sleep(0.01)
        attempt += 1
    assert attempt == privacy.settings.erasure_setbacks + 1
    assert "attempts-exhausted" in case.saga.attention
    assert await privacy.service.tick_due() == 0

    case = await privacy.service.resend(erasure.case_id, "staff:1")
    assert case.phase is Phase.ERASING
    await privacy.deliver(*(erasure.erasure(holder, case.saga.attempt) for holder in HOLDERS))
    assert (await privacy.case(erasure)).phase is Phase.SCANNING


async def test_a_finding_sends_the_erasure_again(privacy: Privacy) -> None:
    erasure = Erasure()
    await privacy.deliver(*erasure.honest_story())
    case = await privacy.service.finish_scan(erasure.case_id, 1, report(Finding("row", "gallery.images", 2)))
    assert case.phase is Phase.INCOMPLETE
    assert case.scan is not None
    assert case.scan["places"] == ["gallery.images"]
    await asyncio.sleep(privacy.settings.erasure_setback_s)
    await privacy.service.tick_due()
    case = await privacy.case(erasure)
    assert (case.phase, case.saga.attempt) == (Phase.ERASING, 2)
    await privacy.deliver(*(erasure.erasure(holder, 2) for holder in HOLDERS))
    assert (await privacy.service.finish_scan(erasure.case_id, 1, report())).phase is Phase.SCANNING, (
        "an old scan"
    )
    assert (await privacy.service.finish_scan(erasure.case_id, 2, report())).phase is Phase.VERIFIED


async def due_cases(privacy: Privacy, count: int, **change: Any) -> list[Erasure]:
    """Return open cases that want a Tick since yesterday, the longest waiting first; `change` is of their rows."""
    await privacy.service.tick_due()  # those of other tests
    erasures = [Erasure() for _ in range(count)]
    for number, erasure in enumerate(erasures):
        await privacy.deliver(erasure.deleted())
        due = {"wake_at": now() - timedelta(days=1) + timedelta(seconds=number)}
        await privacy.mongo.collection(Case).update_one({"_id": erasure.case_id}, {"$set": due | change})
    return erasures


async def test_what_was_due_by_an_earlier_policy_learns_when_it_is_due_by_this_one(privacy: Privacy) -> None:
    (erasure,) = await due_cases(privacy, 1)
    assert await privacy.service.tick_due() == 0, "the clock may sleep"
    case = await privacy.case(erasure)
    assert case.wake_at is not None
    assert case.wake_at == (case.saga.asked_at or now()) + privacy.settings.policy.silence
    assert (case.phase, case.saga.silences) == (Phase.INVENTORY, 0)
    assert not [each async for each in CaseRepository(privacy.mongo).due(now()) if each == case.id]
    assert await privacy.published(erasure) == ["inventory.requested"]


async def test_cases_that_fail_hold_up_none_behind_them_and_let_the_clock_sleep(
    privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "DUE_AT_ONCE", 2)
    broken = await due_cases(privacy, 3, phase="no such phase")
    later = now() - timedelta(hours=1)
    (behind,) = await due_cases(privacy, 1, **{"saga.asked_at": later, "wake_at": later})
    try:
        assert await privacy.service.tick_due() == 1
        assert (await privacy.case(behind)).saga.silences == 1
        assert await privacy.service.tick_due() == 0
    finally:
        ids = [erasure.case_id for erasure in broken]
        await privacy.mongo.collection(Case).delete_many({"_id": {"$in": ids}})


async def test_cases_that_became_due_at_the_same_moment_are_all_told(
    privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "DUE_AT_ONCE", 2)
    at = now() - timedelta(days=1)
    erasures = await due_cases(privacy, 5, **{"saga.asked_at": at, "wake_at": at})
    assert await privacy.service.tick_due() == 5
    assert [(await privacy.case(erasure)).saga.silences for erasure in erasures] == [1] * 5


async def test_verified_cases_that_cannot_be_read_hold_up_no_look_at_others(
    privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "DUE_AT_ONCE", 2)
    at, cases = now() - timedelta(days=1), privacy.mongo.collection(Case)
    erasures = [Erasure() for _ in range(4)]
    for number, erasure in enumerate(erasures):
        await privacy.deliver(*erasure.honest_story())
        await privacy.service.finish_scan(erasure.case_id, 1, report())
        due = {"wake_at": at + timedelta(seconds=number)}
        await cases.update_one({"_id": erasure.case_id}, {"$set": due})
    *broken, _behind = [erasure.case_id for erasure in erasures]
    await cases.update_many({"_id": {"$in": broken}}, {"$set": {"phase": "no such phase"}})
    scanner = Scanner(privacy.mongo, privacy.storage, privacy.settings)
    try:
        retained = Retained(CaseRepository(privacy.mongo), privacy.service, scanner, privacy.mongo)
        assert await retained.look(now()) == 1
    finally:
        await cases.delete_many({"_id": {"$in": broken}})


async def test_workers_that_tell_a_case_at_the_same_time_move_it_once(privacy: Privacy) -> None:
    (erasure,) = await due_cases(privacy, 1, **{"saga.asked_at": now() - timedelta(days=1)})
    assert sum(await asyncio.gather(*(privacy.service.tick_due() for _ in range(4)))) == 1
    assert (await privacy.case(erasure)).saga.silences == 1


async def test_a_hold_that_cannot_end_holds_up_no_other_and_lets_the_clock_sleep(
    privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold_rows, "SWEPT_AT_ONCE", 1)
    orders, rows = privacy.service.holds, privacy.mongo.collection(Hold)
    await privacy.service.tick_due()  # what other tests left
    wanted = Wanted(now() + timedelta(days=1), Ground.LEGAL_CLAIM, "staff:1")
    stuck, other = [await orders.place_on_account(Erasure().user_id, wanted) for _ in range(2)]
    over = {"until": now() - timedelta(seconds=1)}
    await rows.update_one({"_id": stuck.id}, {"$set": over | {"kind": "no such kind"}})
    await rows.update_one({"_id": other.id}, {"$set": over})
    try:
        assert await privacy.service.tick_due() == 1
        assert (await orders.rows.get(other.id)).ended_as == "expired"
        assert await privacy.service.tick_due() == 0
    finally:
        await rows.delete_one({"_id": stuck.id})


async def test_every_hold_of_a_process_that_died_is_applied_and_one_that_is_known_costs_nothing(
    privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold_rows, "SWEPT_AT_ONCE", 1)
    erasures, orders, rows = (
        [Erasure() for _ in range(3)],
        privacy.service.holds,
        privacy.mongo.collection(Hold),
    )
    await rows.delete_many({})  # what other tests left
    wanted = Wanted(now() + timedelta(days=1), Ground.LEGAL_CLAIM, "staff:1")
    holds = [await orders.place_on_account(each.user_id, wanted) for each in erasures]
    for hold in holds:
        await privacy.platform.work.run(partial(orders.effects.take_effect, hold, "staff:2"))
    for erasure in erasures:
        await privacy.service.casework.case_of(erasure.case_id, erasure.user_id)
    first = min(holds, key=lambda each: each.id)
    await rows.update_one({"_id": first.id}, {"$set": {"until": "no date"}})
    ran, run = list[object](), UnitOfWork.run

    async def counted(self: UnitOfWork, work: Any, **options: Any) -> Any:
        ran.append(work)
        return await run(self, work, **options)

    try:
        await orders.effects.settle_all()
        held = [(await privacy.case(each)).saga.hold for each in erasures]
        assert [each is not None for each in held] == [hold.id != first.id for hold in holds]
        monkeypatch.setattr(UnitOfWork, "run", counted)
        await orders.effects.settle_all()
        assert ran == []
    finally:
        await rows.delete_one({"_id": first.id})


async def test_concurrent_proofs_make_one_chain(privacy: Privacy) -> None:
    """Thirty cases are verified at the same time, some twice: one chain, no gap, no fork, one certificate each."""
    erasures = [Erasure() for _ in range(30)]
    for erasure in erasures:
        await privacy.deliver(*erasure.honest_story())

    async def prove(erasure: Erasure) -> None:
        await privacy.service.finish_scan(erasure.case_id, 1, report())

    await asyncio.gather(*(prove(erasure) for erasure in [*erasures, *erasures[:10]]))
    rows = await privacy.service.certificates.page(0, 1_000)
    _, chain = verify_chain([row.signed for row in rows], [KEY.public_key()])
    assert chain.passed, chain.detail
    assert {erasure.case_id for erasure in erasures} <= {row.id for row in rows}
    head = await privacy.service.certificates.head()
    assert (head.sequence, head.hash) == (rows[-1].sequence, json.loads(rows[-1].signed)["hash"])


async def test_an_aborted_proof_leaves_no_gap(privacy: Privacy) -> None:
    erasure = Erasure()
    await privacy.deliver(*erasure.honest_story())
    before = await privacy.service.certificates.head()

    async def fail() -> None:
        await privacy.service.finish_scan(erasure.case_id, 1, report())
        raise Unavailable("the process dies before the commit")

    with pytest.raises(Unavailable):
        await privacy.mongo.transaction(fail)
    assert await privacy.service.certificates.head() == before
    case = await privacy.service.finish_scan(erasure.case_id, 1, report())
    assert case.certificate == before.sequence + 1


async def test_answers_of_all_holders_at_once_lose_nothing(privacy: Privacy) -> None:
    """Several workers take answers of one case at the same time: conflicts are repeated, none is lost."""
    erasure = Erasure()
    await privacy.deliver(erasure.deleted())
    for answers in (
        [erasure.inventory(holder) for holder in HOLDERS],
        [erasure.erasure(holder) for holder in HOLDERS],
    ):
        await asyncio.gather(*(privacy.deliver(answer) for answer in answers))
    case = await privacy.case(erasure)
    assert case.phase is Phase.SCANNING
    assert all(part.answered == 1 for part in case.saga.holders.values())
    topics = await privacy.published(erasure)
    asked_the_last = topics[2:]  # nobody, where its answer was among the first
    assert topics[:2] == ["inventory.requested", "erasure.requested"]
    assert asked_the_last in ([], ["erasure.requested"])


async def test_the_next_step_is_committed_with_the_last_answer_or_not_at_all(privacy: Privacy) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted(), *(erasure.inventory(holder) for holder in HOLDERS[:-1]))

    async def die() -> None:
        await privacy.service.note_inventory(erasure.inventory(HOLDERS[-1]))
        raise PyMongoError("the process dies before the commit")

    with pytest.raises(PyMongoError):
        await privacy.mongo.transaction(die)
    assert (await privacy.case(erasure)).phase is Phase.INVENTORY
    assert await privacy.published(erasure) == ["inventory.requested"]


async def test_a_hold_that_ends_while_it_is_applied_holds_nothing(
    privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasure, orders, look = Erasure(), privacy.service.holds, CaseRepository.open_of
    await privacy.service.casework.case_of(erasure.case_id, erasure.user_id)
    wanted = Wanted(now() + timedelta(days=1), Ground.LEGAL_CLAIM, "staff:1")
    hold = await orders.place_on_account(erasure.user_id, wanted)
    hold = await privacy.platform.work.run(lambda: orders.effects.take_effect(hold, "staff:2"))

    async def lift() -> None:
        monkeypatch.setattr(CaseRepository, "open_of", look)
        await orders.release(hold.id, "staff:1")
        await orders.confirm(hold.id, "staff:2")

    async def lifted_meanwhile(cases: CaseRepository, subject: str) -> Case | None:
        await asyncio.create_task(lift(), context=Context())  # another operator's, in no transaction of ours
        return await look(cases, subject)

    monkeypatch.setattr(CaseRepository, "open_of", lifted_meanwhile)
    for _ in range(2):  # as it ends, and with what was read before it had ended
        await orders.effects.settle(hold)
    assert (await privacy.case(erasure)).saga.hold is None
    assert (await orders.rows.get(hold.id)).ended_as == "lifted"


async def test_gauges_tell_how_many_are_open_and_how_many_are_held(privacy: Privacy) -> None:
    watching = Watching(CaseRepository(privacy.mongo), privacy.service, every_s=1.0)

    async def gauges() -> tuple[float, float]:
        await watching.measure()
        return metric("pixera_erasure_open"), metric("pixera_erasure_held")

    before_open, before_held = await gauges()
    erasure = Erasure()
    await privacy.deliver(erasure.deleted())
    assert await gauges() == (before_open + 1, before_held)
    orders = privacy.service.holds
    wanted = Wanted(now() + timedelta(days=1), Ground.LEGAL_CLAIM, "staff:1")
    hold = await orders.place_on_case(erasure.case_id, wanted)
    assert await gauges() == (before_open + 1, before_held)
    await orders.confirm(hold.id, "staff:2")
    assert await gauges() == (before_open + 1, before_held + 1)
    await orders.release(hold.id, "staff:2")
    await orders.confirm(hold.id, "staff:1")
    assert await gauges() == (before_open + 1, before_held)
