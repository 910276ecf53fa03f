"""A worker that stalled while another took its rebuild over touches neither what is folded since nor a balance."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from libs.common.bus.envelope import Record
from libs.common.bus.lease import Lease
from libs.common.rebuild.folding import Folding
from libs.common.rebuild.rebuilding import Rebuilding
from libs.common.rebuild.runs import RebuildRun
from libs.common.testing.log import all_published
from services.billing.models import BalanceFacts, BalanceRow
from tests.billing.conftest import Billing, rebuilds_of
from tests.billing.test_rebuild import STAFF, done, rebuilt

MODEL = "billing.balances"


class Stalled:
    """Stops whoever first comes to a method there; it goes on when `released`, and is through when `over`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, of: type, method: str) -> None:
        self.reached, self.released, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._method = getattr(of, method)

        async def stalling(its: Any, *args: Any) -> Any:
            if self.reached.is_set() or not all(args):  # a batch may be empty
                return await self._method(its, *args)
            return await self._stall(its, *args)

        monkeypatch.setattr(of, method, stalling)

    async def _stall(self, its: Any, *args: Any) -> Any:
        self.reached.set()
        await self.released.wait()
        try:
            return await self._method(its, *args)
        finally:
            self.over.set()

    async def goes_on(self) -> None:
        """Let it go on, and wait until it has done there what it would."""
        self.released.set()
        await asyncio.wait_for(self.over.wait(), 60)


@asynccontextmanager
async def another_worker(billing: Billing) -> AsyncIterator[None]:
    """Carry out rebuilds by another lease: to each of the two, its own seems to be good."""
    lease, rebuilds = Lease(billing.mongo, "rebuilds-elsewhere", 60), rebuilds_of(billing)

    async def work() -> None:
        while True:
            await rebuilds._work_off(lease)
            await asyncio.sleep(0.05)

    async with lease.held():
        working = asyncio.create_task(work())
        yield
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def go_on_once_a_swap_is_folded(monkeypatch: pytest.MonkeyPatch, stalled: Stalled) -> None:
    """Let who stalled go on when another has folded what it is to swap by, and compared nothing yet."""
    catch_up_first = Folding.catch_up_first

    async def then_goes_on(self: Folding) -> None:
        await catch_up_first(self)
        if self._run.swap:
            await stalled.goes_on()

    monkeypatch.setattr(Folding, "catch_up_first", then_goes_on)


def go_on_once_accounts_are_folded(monkeypatch: pytest.MonkeyPatch, stalled: Stalled) -> None:
    """Let who stalled go on when another has folded accounts, and nothing yet of what is in them."""
    take, later = Folding._take, list[Record]()

    async def first_the_accounts(self: Folding, records: list[Record]) -> set[Any]:
        if self._run.swap:
            return await take(self, records)
        accounts = [record for record in records if record.topic == "account.opened"]
        later.extend(records)
        await take(self, accounts)
        if accounts:
            await stalled.goes_on()
        return await take(self, later if stalled.over.is_set() else [])

    monkeypatch.setattr(Folding, "_take", first_the_accounts)


async def balances(billing: Billing) -> dict[UUID, int]:
    return {row["_id"]: row["available"] for row in await billing.mongo.collection(BalanceRow).find({})}


async def begun_by_one_that_stalls(billing: Billing, stalled: Stalled, *, swap: bool) -> RebuildRun:
    """Have a rebuild of some balances begun."""
    for credits_ in (10, 20, 30):
        await billing.person_with(credits_)
    await all_published(billing.platform)
    run = await rebuilds_of(billing).ask(MODEL, STAFF, swap=swap)
    await asyncio.wait_for(stalled.reached.wait(), 60)
    return run


async def test_it_folds_nothing_into_a_later_rebuild(log: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = Stalled(monkeypatch, Folding, "_take")
    go_on_once_a_swap_is_folded(monkeypatch, stalled)
    begun = await begun_by_one_that_stalls(log, stalled, swap=False)
    before = await balances(log)
    async with another_worker(log):
        assert (await done(log, begun)).equal
        later = await rebuilt(log, swap=True)
    assert later.equal, later.result
    assert later.result["differing"] == 0
    assert await balances(log) == before
    assert await log.mongo.collection(BalanceFacts).count({}) == 0


async def test_it_swaps_nothing_by_what_a_later_rebuild_has_folded(
    log: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled = Stalled(monkeypatch, Rebuilding, "_settle")
    begun = await begun_by_one_that_stalls(log, stalled, swap=True)
    before = await balances(log)
    go_on_once_accounts_are_folded(monkeypatch, stalled)
    async with another_worker(log):
        assert (await done(log, begun)).equal
        later = await rebuilt(log)
    assert await balances(log) == before
    assert later.equal, later.result


async def test_it_throws_nothing_away_that_its_successor_has_folded(
    log: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled = Stalled(monkeypatch, Folding, "clear")
    go_on_once_a_swap_is_folded(monkeypatch, stalled)
    begun = await begun_by_one_that_stalls(log, stalled, swap=True)
    async with another_worker(log):
        ended = await done(log, begun)
    assert ended.equal, ended.result
    assert ended.result["compared"] == 3
