"""One relay at a time, another soon after it dies."""

import asyncio
import time
from uuid import uuid4

import pytest
from pymongo.errors import AutoReconnect

from libs.common.bus.lease import LOOK_EVERY_S, Lease, LeaseLost, LeaseRow
from libs.common.bus.producer import Producer
from libs.common.bus.relay import Relay
from libs.common.mongo import OperationFailure
from libs.common.testing.kafka import records_of
from libs.common.testing.waiting import eventually
from tests.common.bus.harness import QUICK, Bench
from tests.common.bus.test_crash import is_up, process

TTL_S = 2.0


async def hold(lease: Lease, log: list[tuple[str, float]], name: str, for_s: float) -> None:
    """Hold a lease for a while, noting when."""
    async with lease.held():
        log.append((f"{name}+", time.monotonic()))
        await asyncio.sleep(for_s)
        log.append((f"{name}-", time.monotonic()))


async def test_only_one_holds_it_and_the_next_follows_at_once(bench: Bench) -> None:
    log: list[tuple[str, float]] = []
    leases = [Lease(bench.mongo, "test", TTL_S) for _ in range(3)]
    await asyncio.gather(*(hold(lease, log, str(n), 2 * TTL_S / 3) for n, lease in enumerate(leases)))
    steps = [step for step, _ in log]
    assert [step[0] for step in steps[::2]] == [step[0] for step in steps[1::2]]  # never two at once
    assert log[-1][1] - log[0][1] < 3 * TTL_S + 1.0  # given back, it is not waited for


async def test_holder_that_cannot_renew_stops_before_another_begins(bench: Bench) -> None:
    holder, other = Lease(bench.mongo, "test", TTL_S), Lease(bench.mongo, "test", TTL_S)
    async with holder.held():
        assert holder.valid
        row = {"_id": "test"}
        await bench.mongo.collection(LeaseRow).update_one(row, {"$set": {"holder": "a thief"}})

        async def lost() -> bool:
            return not holder.valid

        await eventually(lost)
        with pytest.raises(LeaseLost):
            holder.require()
        assert not other.valid


async def test_holder_renews_on_after_trouble_of_any_kind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, renewed = Lease(bench.mongo, "test", TTL_S), list[bool]()
    take, troubles = holder._take, [OperationFailure("too few have written it in time")]

    async def troubled() -> bool:
        if troubles:
            raise troubles.pop()
        renewed.append(await take())
        return renewed[-1]

    async def renewed_since() -> bool:
        return len(renewed) > 1

    async with holder.held():
        monkeypatch.setattr(holder, "_take", troubled)
        await eventually(renewed_since, within_s=4 * TTL_S)
        holder.require()


async def test_relay_without_the_lease_publishes_nothing(bench: Bench) -> None:
    relay = Relay(bench.mongo, Producer(bench.bootstrap), QUICK)
    async with Lease(bench.mongo, "relay", QUICK.lease_ttl_s).held():
        running = asyncio.create_task(relay.run())
        await bench.publish_numbers(5)
        await asyncio.sleep(1.5)
        assert await records_of(bench.bootstrap, bench.topic) == []

    async def published() -> bool:
        return len(await records_of(bench.bootstrap, bench.topic)) == 5

    await eventually(published)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_relay_that_another_relays_for_is_well_whatever_went_wrong_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a blink of the database both relays failed once, and one of them waits for hours."""
    relay = Relay(bench.mongo, Producer(bench.bootstrap), QUICK.model_copy(update={"stuck_after_s": 0.5}))
    take, answers, troubles = relay._lease._take, list[bool](), [AutoReconnect("a blink")]

    async def troubled() -> bool:
        if troubles:
            raise troubles.pop()
        answers.append(await take())
        return answers[-1]

    async def waited_longer_than_its_patience() -> bool:
        return len(answers) > 1 + 0.5 / LOOK_EVERY_S

    monkeypatch.setattr(relay._lease, "_take", troubled)
    async with Lease(bench.mongo, "relay", QUICK.lease_ttl_s).held():
        running = asyncio.create_task(relay.run())
        await eventually(waited_longer_than_its_patience)
        assert not any(answers)
        assert relay.healthy()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_killed_relay_is_replaced_within_five_seconds(bench: Bench) -> None:
    async with process(bench, "never", "--relay-only") as doomed:
        await is_up(doomed)
        await bench.publish(bench.event(user_id=uuid4(), number=0))

        async def published() -> bool:
            return bool(await records_of(bench.bootstrap, bench.topic))

        await eventually(published)
        await bench.bus(bench.subscription(bench.note)).start()
        await bench.effects_reach(1)
        doomed.kill()
        killed_at = time.monotonic()
        await bench.publish_numbers(3)
        await bench.effects_reach(4)
        assert time.monotonic() - killed_at < 5
