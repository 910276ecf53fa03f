"""A master that never leaves its KMS: what it wraps, what the KMS learns, and what is done while it is away."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from bson import Binary
from fastapi import APIRouter, FastAPI, Request

from libs.common.app import Parts, Platform, create_process
from libs.common.bus.consumes import Once, Subscription
from libs.common.errors import PROBLEM_TYPE
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import OF_THE_BUS
from libs.common.sealing import MasterRefused, Sealing
from libs.common.settings import CommonSettings
from libs.common.testing.metrics import metric
from libs.common.testing.serving import serving
from libs.common.testing.waiting import eventually
from libs.common.vault import kms as kms_module
from libs.common.vault.cipher import SealBroken
from libs.common.vault.keys import DataKey, DataKeys, vault_database
from libs.common.vault.kms import KeyServiceUnavailable, Outcome
from tests.common.bus.conftest import bench
from tests.common.bus.events import Noted
from tests.common.bus.harness import Bench
from tests.common.bus.letters import BusHoldings, letters
from tests.common.vault_kms.conftest import Start
from tests.common.vault_kms.key_service import KeyService

__all__ = ["bench"]

ALL = 1_000
LASTING = {"vault_key_cache_s": 60.0}
NOBODY_LISTENS = "127.0.0.1:9"


def rows(settings: CommonSettings, mongo: Mongo) -> Any:
    return Mongo(mongo.client, vault_database(settings)).collection(DataKey)


def asked(outcome: Outcome) -> float:
    """Return how often the KMS was asked, with that outcome."""
    return metric("pixera_kms_seconds_count", outcome=outcome)


async def test_what_is_sealed_opens_in_another_process_and_the_setting_alone_opens_nothing(
    start: Start, kms: KeyService, keys: DataKeys, common_settings: CommonSettings, mongo: Mongo
) -> None:
    person = uuid4()
    first = start()
    await first.begin()
    (sealed,) = await first.seal(person, ["her words"])
    await first.close()
    before = asked(Outcome.ANSWERED)
    assert await start().opened(person, [sealed]) == ["her words"]
    assert asked(Outcome.ANSWERED) == before + 1, "it was opened without the KMS"
    row = await rows(common_settings, mongo).find_one({"keyAltNames": keys.name_of(person)})
    assert row["masterKey"]["key"] == kms.arn
    local = start(vault_master_key=common_settings.vault_master_key)
    with pytest.raises(SealBroken):
        await local.opened(person, [sealed])


async def test_the_kms_learns_of_nobody_and_erasing_needs_it_not(
    start: Start, kms: KeyService, keys: DataKeys
) -> None:
    person = uuid4()
    process = start()
    (sealed,) = await process.seal(person, ["her words"])
    with kms.hanging():
        assert await keys.destroy(person) == 1
        process.forget(person)
        assert await process.opened(person, [sealed]) == [None]
    assert await start().opened(person, [sealed]) == [None]
    sent = kms.sent()
    assert {frozenset(body) for body in sent} == {
        frozenset({"Plaintext", "KeyId"}),
        frozenset({"CiphertextBlob"}),
    }
    told = " ".join(str(body) for body in sent)
    for trace in (str(person), person.hex, keys.name_of(person), "her words"):
        assert trace not in told


async def test_it_does_not_matter_where_the_kms_was(
    start: Start, keys: DataKeys, common_settings: CommonSettings, mongo: Mongo
) -> None:
    person = uuid4()
    (sealed,) = await start().seal(person, ["her words"])
    mine = {"keyAltNames": keys.name_of(person)}
    moved = {"$set": {"masterKey.endpoint": NOBODY_LISTENS}}
    assert await rows(common_settings, mongo).update_one(mine, moved) == 1
    assert await start().opened(person, [sealed]) == ["her words"]


async def test_a_wrapped_key_that_was_changed_is_broken_and_not_waited_for(
    start: Start, keys: DataKeys, common_settings: CommonSettings, mongo: Mongo
) -> None:
    person = uuid4()
    process = start()
    (sealed,) = await process.seal(person, ["her words"])
    mine = {"keyAltNames": keys.name_of(person)}
    changed = {"$set": {"keyMaterial": Binary(b"something else")}}
    assert await rows(common_settings, mongo).update_one(mine, changed) == 1
    process.forget(person)
    with pytest.raises(SealBroken):
        await process.opened(person, [sealed])
    await process.require_masters()
    await keys.destroy(person)  # others wrap all keys anew


async def test_while_the_kms_hangs_what_is_known_opens_and_the_rest_is_told_at_once(
    start: Start, kms: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, other = uuid4(), uuid4()
    (theirs,) = await start().seal(other, ["other"])
    process = start(**LASTING, kms_timeout_s=1.0)
    (hers,) = await eventually(lambda: sealed_by(process, known))
    monkeypatch.setattr(kms_module, "AGAIN_AFTER_S", 3_600.0)
    with kms.hanging():
        with pytest.raises(KeyServiceUnavailable):
            await process.opened(other, [theirs])
        away = asked(Outcome.AWAY)
        for _ in range(3):
            assert await process.opened(known, [hers]) == ["known"]
            with pytest.raises(KeyServiceUnavailable):
                await process.opened(other, [theirs])
            with pytest.raises(KeyServiceUnavailable):
                await process.require_masters()
        assert asked(Outcome.AWAY) == away, "a KMS that hangs was waited for again"
    monkeypatch.setattr(process._cipher._kms, "_again_at", 0.0)
    monkeypatch.setattr(kms_module, "AGAIN_AFTER_S", 0.0)

    async def back() -> bool:
        try:
            return await process.opened(other, [theirs]) == ["other"]
        except KeyServiceUnavailable:
            return False

    await eventually(back)
    await process.require_masters()


async def sealed_by(process: Sealing, person: UUID) -> list[str]:
    """Return a sealed word, or nothing where this machine was too busy for a second."""
    try:
        return await process.seal(person, ["known"])
    except KeyServiceUnavailable:
        return []


async def test_no_page_waits_for_each_of_its_keys(start: Start) -> None:
    people = [uuid4() for _ in range(12)]
    at = start()
    sealed = [(person, (await at.seal_each([(person, "word")]))[0]) for person in people]
    process = start(kms_endpoint=NOBODY_LISTENS)
    before = asked(Outcome.AWAY)
    with pytest.raises(KeyServiceUnavailable):
        await process.open_each(sealed)
    assert asked(Outcome.AWAY) - before == kms_module.TRIES


async def test_a_process_starts_without_the_kms_and_is_ready_once_it_answers(
    start: Start, kms: KeyService
) -> None:
    process = start(kms_timeout_s=1.0)
    with kms.hanging():
        await process.begin()
        with pytest.raises(KeyServiceUnavailable):
            await process.require_masters()

    async def ready() -> bool:
        try:
            await process.require_masters()
        except KeyServiceUnavailable:
            return False
        return True

    await eventually(ready)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kms_secret_access_key": "wrong"}, "PIXERA_KMS_SECRET_ACCESS_KEY"),
        ({"kms_access_key_id": "AKIAIOSFODNN7EXAMPLE"}, "PIXERA_KMS_ACCESS_KEY_ID"),
        ({"vault_master_key": f"arn:aws:kms:eu-central-1:123456789012:key/{UUID(int=7)}"}, "check the ARN"),
    ],
    ids=["secret", "credentials", "key"],
)
async def test_a_process_that_the_kms_refuses_does_not_start(
    told: Callable[..., CommonSettings], changes: dict[str, Any], says: str
) -> None:
    app = process_that_opens(told(**changes))
    with pytest.raises(MasterRefused, match=says) as refused:
        async with app.router.lifespan_context(app):
            pytest.fail("it started")
    assert "wrong" not in str(refused.value)


async def test_a_master_moves_into_the_kms_and_out_again(
    start: Start, kms: KeyService, common_settings: CommonSettings
) -> None:
    setting = common_settings.vault_master_key
    assert setting is not None
    local = setting.get_secret_value()
    people = {uuid4(): "" for _ in range(3)}
    at_first = start(vault_master_key=local)
    for person in people:
        (people[person],) = await at_first.seal(person, [str(person)])
    for current, old in ((kms.arn, local), (local, kms.arn)):
        during = start(vault_master_key=f"{current},{old}")
        await during.begin()
        while some := await during.waiting(2):
            assert await during.rewrap(some) == len(some)
            assert await opens(during, people), "a key could not be used in the middle of it"
        assert (await during.state()).waiting == 0
        assert await opens(start(vault_master_key=current), people), "the old master is still needed"


async def opens(process: Sealing, people: dict[UUID, str]) -> bool:
    return all([await process.opened(person, [sealed]) == [str(person)] for person, sealed in people.items()])


async def test_while_the_kms_refuses_people_are_told_events_wait_and_readiness_says_it(
    start: Start, kms: KeyService, told: Callable[..., CommonSettings], bench: Bench
) -> None:
    person = uuid4()
    (sealed,) = await start().seal(person, ["her words"])
    app = process_that_opens(told(vault_key_cache_s=0.05), bench, person, sealed)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        kms.take_leave_away()
        (refused,) = await eventually(lambda: not_read(client))
        assert refused.status_code == 503, refused.text
        assert refused.headers["content-type"] == PROBLEM_TYPE
        assert refused.json()["code"] == "key-service-unavailable"
        assert int(refused.headers["retry-after"]) > 0
        assert "arn:" not in refused.text
        await bench.bus().start()
        await bench.publish_numbers(1)
        await eventually(lambda: tried(bench))
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["Sealing.require_masters"]) == (503, False)

        kms.give_leave()
        assert await replace(bench, mongo=app.state.mongo).effects_reach(1) == [0]
        assert (await client.get("/words")).json() == "her words"
        assert (await client.get("/readyz")).status_code == 200
    assert await letters(bench) == []


def process_that_opens(
    settings: CommonSettings, bench: Bench | None = None, person: UUID | None = None, sealed: str = ""
) -> FastAPI:
    """Return a whole process that shows what was sealed, and seals for those whom the bench's events are about."""
    router = APIRouter()

    @router.get("/words")
    async def words(request: Request) -> Any:
        (opened,) = await request.app.state.parts.service.opened(person, [sealed])
        return opened

    def compose(platform: Platform) -> Parts:
        async def seals(event: Noted, once: Once) -> None:
            assert bench is not None
            await platform.sealing.seal(event.user_id, ["word"])
            await replace(bench, mongo=platform.mongo).note_once(event, once)

        subscriptions = [Subscription((bench.event,), bench.group, seals, io=True)] if bench else []
        return Parts(platform.sealing, subscriptions=subscriptions)

    holdings = BusHoldings("gallery", collections=OF_THE_BUS)
    return create_process(
        name="gallery", role="all", settings=settings, holdings=holdings, routers=[router], compose=compose
    )


async def not_read(client: httpx.AsyncClient) -> list[httpx.Response]:
    """Return the answer once the key is not cached any more."""
    answer = await client.get("/words")
    return [] if answer.is_success else [answer]


async def tried(bench: Bench) -> bool:
    """Tell whether the event has been tried in vain."""
    return metric("pixera_consumer_retries_total", group=bench.group, reason=KeyServiceUnavailable.code) > 0
