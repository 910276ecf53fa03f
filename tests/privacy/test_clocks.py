"""A worker's clock is ahead: nothing ends by it, and nothing that it stamped waits for as long as it was ahead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from libs.common.clock import new_id, now
from libs.common.clock_guard import ClocksApart
from services.privacy.exports.models import Export, ExportState
from services.privacy.exports.rows import LONGEST_WAIT, ExportRows
from services.privacy.holds.grounds import Ground
from services.privacy.holds.models import Hold
from services.privacy.holds.orders import Wanted
from services.privacy.models import Case
from services.privacy.protocol import HOLDERS, Phase
from services.privacy.repository import CaseRepository
from services.privacy.retained import Retained
from services.privacy.scanner import Finding, Scanner
from tests.clocks import off_by
from tests.privacy.conftest import Erasure, Privacy
from tests.privacy.test_cases import report

HOURS, A_YEAR = timedelta(hours=6), timedelta(days=366)
SOON = timedelta(minutes=1)


async def held(privacy: Privacy) -> tuple[Erasure, Hold]:
    """Return somebody whose account two operators hold for a month, before there is a case."""
    erasure, orders = Erasure(), privacy.service.holds
    wanted = Wanted(now() + timedelta(days=30), Ground.LEGAL_CLAIM, "staff:1")
    hold = await orders.place_on_account(erasure.user_id, wanted)
    return erasure, await orders.confirm(hold.id, "staff:2")


async def exported(privacy: Privacy, **change: object) -> Export:
    """Return an export that is stored as it is."""
    export = Export.model_validate(
        {"_id": new_id(), "user_id": Erasure().user_id, "created_at": now(), "due_at": now() + A_YEAR}
        | change
    )
    await ExportRows(privacy.mongo).add(export)
    return export


@asynccontextmanager
async def a_round_refused() -> AsyncIterator[None]:
    """By a clock that is a year ahead. What is to be done in a round is done in less than a second."""
    with off_by(A_YEAR), pytest.raises(ClocksApart):
        async with asyncio.timeout(5):
            yield


async def test_no_hold_ends_by_a_clock_that_is_ahead(privacy: Privacy) -> None:
    _, hold = await held(privacy)
    async with a_round_refused():
        await privacy.service.tick_due()
    assert (await privacy.service.holds.rows.get(hold.id)).open


async def test_a_case_that_is_moved_by_a_clock_that_is_ahead_is_held_all_the_same(privacy: Privacy) -> None:
    erasure, hold = await held(privacy)
    with off_by(A_YEAR):
        await privacy.deliver(erasure.deleted(), *(erasure.inventory(holder) for holder in HOLDERS))
    assert (await privacy.case(erasure)).phase is Phase.HELD
    await privacy.service.tick_due()
    case = await privacy.case(erasure)
    assert (case.phase, case.saga.attempt) == (Phase.HELD, 0)
    assert case.saga.hold is not None
    assert case.saga.hold.hold_id == str(hold.id)
    assert await privacy.published(erasure) == ["inventory.requested"]


async def test_no_archive_ends_by_a_clock_that_is_ahead(privacy: Privacy) -> None:
    export = await exported(
        privacy, state=ExportState.READY, open=False, expires_at=now() + timedelta(days=1), sealed_key="k"
    )
    async with a_round_refused():
        await privacy.service.exports.remove_expired()
    kept = await ExportRows(privacy.mongo).get(export.user_id, export.id)
    assert kept is not None
    assert kept.state is ExportState.READY


async def test_no_request_lapses_by_a_clock_that_is_ahead(privacy: Privacy) -> None:
    async with a_round_refused():
        await privacy.service.requests.deadlines.pass_time()


async def test_nobody_looks_for_what_the_law_keeps_by_a_clock_that_is_ahead(privacy: Privacy) -> None:
    scanner = Scanner(privacy.mongo, privacy.storage, privacy.settings)
    async with a_round_refused():
        await Retained(CaseRepository(privacy.mongo), privacy.service, scanner, privacy.mongo).run()


async def test_a_case_tries_again_soon_though_a_clock_that_was_ahead_set_it_back(privacy: Privacy) -> None:
    erasure = Erasure()
    await privacy.deliver(*erasure.honest_story())
    found = report(Finding("row", "gallery.images", 2))
    with off_by(HOURS):
        case = await privacy.service.finish_scan(erasure.case_id, 1, found)
    assert case.saga.retry_at is not None
    assert case.saga.retry_at > now() + SOON
    await privacy.service.tick_due()
    await asyncio.sleep(privacy.settings.erasure_setback_s)
    await privacy.service.tick_due()
    case = await privacy.case(erasure)
    assert (case.phase, case.saga.attempt) == (Phase.ERASING, 2)


async def test_a_question_is_asked_again_soon_though_a_clock_that_was_ahead_asked_it(
    privacy: Privacy,
) -> None:
    erasure = Erasure()
    with off_by(HOURS):
        await privacy.deliver(erasure.deleted())
    await privacy.service.tick_due()
    case = await privacy.case(erasure)
    assert case.wake_at is not None
    assert case.wake_at <= now() + privacy.settings.policy.silence
    assert case.saga.silences == 0


async def test_a_case_with_nothing_to_set_right_is_told_once(privacy: Privacy) -> None:
    erasure = Erasure()
    with off_by(HOURS):
        await privacy.deliver(erasure.inventory("auth"))  # before its deletion: nothing was asked
    cases = CaseRepository(privacy.mongo)
    assert erasure.case_id in [each async for each in cases.due(now())]
    await privacy.service.tick_due()
    assert erasure.case_id not in [each async for each in cases.due(now())]


async def test_a_scan_claimed_by_a_clock_that_was_ahead_is_free_when_its_lease_ends(privacy: Privacy) -> None:
    await privacy.mongo.collection(Case).update_many({}, {"$set": {"open": False}})  # other tests' scans
    erasure, cases, lasts = Erasure(), CaseRepository(privacy.mongo), timedelta(seconds=0.2)
    await privacy.deliver(*erasure.honest_story())
    with off_by(HOURS):
        claimed = await cases.claim_scan(new_id(), lasts)
    assert claimed is not None
    assert claimed.id == erasure.case_id
    await asyncio.sleep(2 * lasts.total_seconds())
    mine = new_id()
    assert await cases.claim_scan(mine, SOON) is not None, "its process has died"
    with off_by(HOURS):
        assert await cases.claim_scan(new_id(), SOON) is None, "it is not over by the other's clock"
        assert await cases.prolong(erasure.case_id, mine, lasts)
    await asyncio.sleep(2 * lasts.total_seconds())
    assert await cases.claim_scan(new_id(), SOON) is not None


async def test_an_export_is_packed_soon_though_a_clock_that_was_ahead_made_it_due(privacy: Privacy) -> None:
    rows, export = ExportRows(privacy.mongo), await exported(privacy, state=ExportState.PACKING)
    with off_by(HOURS):
        assert await rows.to_pack() is None
        await privacy.service.exports.retry(export.id, "staff:1")
    due = await rows.to_pack()
    assert due is not None
    assert due.id == export.id
    with off_by(HOURS):
        assert await rows.begin(due, new_id())
    begun = await rows.get(export.user_id, export.id)
    assert begun is not None
    assert begun.tries == 1
    assert now() < begun.due_at <= now() + LONGEST_WAIT
