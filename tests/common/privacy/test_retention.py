"""What is kept for a time goes when the time is over, and not before, whoever was killed meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from pydantic import Field

from libs.common import storage
from libs.common.bus.lease import Lease, LeaseLost
from libs.common.clock import now
from libs.common.clock_guard import ClocksApart
from libs.common.document import Document, Index
from libs.common.errors import Unavailable
from libs.common.privacy.annotations import DAY, TAX, Ends, Operational, Personal, Retention, SubjectId
from libs.common.privacy.holdings import CollectionHolding, ObjectsHolding, ProofHolding
from libs.common.privacy.objects import Objects
from libs.common.privacy.retention import sweep
from libs.common.privacy.retention.report import HoldingOut
from libs.common.privacy.retention.rules import rules_of
from libs.common.privacy.retention.sweeps import Sweep
from libs.common.privacy.rows import HELD, UNTIL
from libs.common.settings import CommonSettings
from libs.common.storage import Aged
from tests.clocks import off_by
from tests.common.privacy.studio import BUCKET, EPOCH, HOLDINGS, Code, Receipt, Studio, Visit, open_studio

MINUTE = timedelta(minutes=1)
OVER = EPOCH + timedelta(days=2)
DRAFTS = ObjectsHolding("studio-drafts", "drafts", Personal("user.content", retention=DAY))
WHILE_GOOD = Retention("until it expires", ends=Ends.EXPIRY)


class Ticket(Document):
    """What the database itself removes."""

    collection: ClassVar[str] = "tickets"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("expires_at", 1),), expire_after=timedelta(0)),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    expires_at: Operational[datetime]


class Marker(Document):
    """What an erasure leaves, and the database itself removes."""

    collection: ClassVar[str] = "markers"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("retained_until", 1),), expire_after=timedelta(0)),)

    id: Operational[str] = Field(alias="_id")
    retained_until: Operational[datetime]


KEPT = replace(
    HOLDINGS,
    collections=(*HOLDINGS.collections, CollectionHolding(Ticket, kept=WHILE_GOOD)),
    objects=(DRAFTS,),
    proofs=(ProofHolding(Marker, "keyed hash", "a-law", WHILE_GOOD),),
)


@pytest.fixture
async def studio(common_settings: CommonSettings) -> AsyncIterator[Studio]:
    """A service of which nothing has been swept yet."""
    async with open_studio(common_settings, holdings=KEPT, named="retention") as started:
        await started.storage.ensure_buckets(BUCKET, DRAFTS.bucket)
        for name in await started.mongo.collection_names():
            await started.mongo.collection(name).delete_many({})
        await started.storage.delete_prefix(DRAFTS.bucket, "")
        yield started


async def codes(studio: Studio, person: UUID, count: int, made_at: datetime = EPOCH) -> None:
    for _ in range(count):
        code = Code(id=uuid4().hex, user_id=person, created_at=made_at)
        await studio.mongo.collection(Code).insert_one(code.to_mongo())


async def standing(studio: Studio, moment: datetime, holding: str = "gallery.codes") -> HoldingOut:
    report = await studio.holder.standing.report(moment)
    return next(each for each in report.holdings if each.holding == holding)


async def test_rows_go_when_their_period_is_over(studio: Studio) -> None:
    person = await studio.settle()
    await studio.holder.retain(EPOCH + timedelta(days=1) - MINUTE)
    assert (await studio.rows(person))["codes"] == 1
    await studio.holder.retain(EPOCH + timedelta(days=1) + MINUTE)
    assert "codes" not in await studio.rows(person)
    await studio.holder.retain(EPOCH + timedelta(days=90) + MINUTE)
    assert await studio.rows(person) == {"accounts": 1, "pictures": 5, "receipts": 3}


async def test_a_field_goes_before_its_row(studio: Studio) -> None:
    person = await studio.settle()
    visits = studio.mongo.collection(Visit)
    await studio.holder.retain(EPOCH + timedelta(days=30) - MINUTE)
    assert (await visits.find_one({"user_id": person}) or {})["ip"] == "192.0.2.1"
    assert (await studio.holder.retain(EPOCH + timedelta(days=30) + MINUTE))["gallery.visits"] == 1
    row = await visits.find_one({"user_id": person}) or {}
    assert "ip" not in row
    assert Visit.from_mongo(row).device == "a phone"


async def test_what_the_law_kept_goes_when_the_law_lets_it(studio: Studio) -> None:
    person, other = await studio.settle(receipts=2), await studio.settle(receipts=1)
    ids = await studio.mongo.collection(Receipt).distinct("_id", {"user_id": person})
    await studio.mongo.collection(Receipt).update_one(
        {"_id": ids[0]}, {"$set": {"created_at": EPOCH.replace(year=EPOCH.year + 1)}}
    )
    of_person = {"_id": {"$in": ids}, UNTIL: {"$ne": None}}
    await studio.holder.erase(person, uuid4())
    await studio.holder.complete(person)
    end = TAX.end_of(EPOCH)
    await studio.holder.retain(end - MINUTE)
    assert await studio.mongo.collection(Receipt).count(of_person) == 2
    assert (await studio.rows(other))["receipts"] == 1
    await studio.holder.retain(end + MINUTE)
    assert await studio.mongo.collection(Receipt).distinct("_id", of_person) == [ids[0]]


async def draw(studio: Studio, person: UUID) -> None:
    """Store two drafts of somebody, one of them twice."""
    for name in ("one", "two", "two"):
        await studio.storage.put(DRAFTS.bucket, studio.prefix(person) + name, b"bytes", "image/png")


async def drafts(studio: Studio, person: UUID) -> int:
    return len(await studio.storage.list_versions(DRAFTS.bucket, studio.prefix(person)))


async def last_stored(studio: Studio) -> datetime:
    """Return when the latest draft was stored, as the store says."""
    pages = [page async for page in studio.storage.aged_pages(DRAFTS.bucket)]
    return max(each.modified for page in pages for each in page if each.modified)


async def test_objects_go_when_their_period_is_over_and_not_those_of_the_frozen(studio: Studio) -> None:
    """Every version; an object is as old as the store says."""
    people = [uuid4(), uuid4()]
    for each in people:
        await draw(studio, each)
    frozen = people[1]
    await studio.holder.inventory(frozen, uuid4())
    stored, name = await last_stored(studio), "gallery.drafts"
    assert (await studio.holder.retain(stored + timedelta(hours=23)))[name] == 0
    assert (await standing(studio, stored + timedelta(hours=25), name)).oldest_overdue_seconds > 0
    assert (await studio.holder.retain(stored + timedelta(hours=25)))[name] == 3
    told = await standing(studio, stored + timedelta(hours=25), name)
    assert (told.removed, told.left_alone, told.oldest_overdue_seconds) == (3, 3, 0)
    assert [await drafts(studio, each) for each in people] == [0, 3]


async def test_a_sweep_of_objects_goes_on_by_the_beginning_of_a_name(studio: Studio) -> None:
    people = sorted([uuid4() for _ in range(4)], key=studio.prefix)
    for each in people:
        await draw(studio, each)
    began = Sweep(id="gallery.drafts", position=studio.prefix(people[2])[: sweep.PREFIX])
    began.begun_at = EPOCH + timedelta(days=9_999)
    await studio.holder._retention.sweeps.save(began)
    assert (await studio.holder.retain(EPOCH))["gallery.drafts"] == 6
    assert [await drafts(studio, each) for each in people] == [3, 3, 0, 0]


async def test_the_frozen_the_held_and_the_retained_are_left_alone(studio: Studio) -> None:
    """Each is over, and in the way of a batch of one; the sweep goes on behind it."""
    frozen, held, person = await studio.settle(receipts=1), uuid4(), uuid4()
    case = uuid4()
    found = {each.holding: each.found for each in await studio.holder.inventory(frozen, case)}
    await codes(studio, held, 1)
    await studio.mongo.collection(Code).update_one({"user_id": held}, {"$set": {HELD: [uuid4()]}})
    await codes(studio, person, 3, EPOCH + MINUTE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "BATCH", 1)
        swept = await studio.holder.retain(TAX.end_of(EPOCH) - MINUTE)
    assert (swept["gallery.codes"], swept["gallery.visits"], swept["gallery.receipts"]) == (3, 0, 0)
    assert set(await studio.mongo.collection(Code).distinct("user_id", {})) == {frozen, held}
    told = await standing(studio, TAX.end_of(EPOCH))
    assert (told.removed, told.left_alone, told.overdue) == (3, 1, 0)

    outcome = {each.holding: each.erased + each.retained for each in await studio.holder.erase(frozen, case)}
    assert outcome == found, "what was counted for an erasure goes by the erasure"
    await studio.holder.complete(frozen)
    await studio.mongo.collection(Code).update_one({"user_id": held}, {"$unset": {HELD: ""}})
    assert (await studio.holder.retain(TAX.end_of(EPOCH) - MINUTE))["gallery.codes"] == 1
    assert await studio.mongo.collection(Receipt).count({UNTIL: {"$ne": None}}) == 1


async def test_a_sweep_goes_on_where_the_one_before_it_died(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes by the same moment, comes by nothing twice that was passed over, and counts everything once."""
    monkeypatch.setattr(sweep, "BATCH", 3)
    frozen, person = uuid4(), uuid4()
    await codes(studio, frozen, 3)
    await studio.holder.inventory(frozen, uuid4())
    await codes(studio, person, 9, EPOCH + MINUTE)
    retention, batches = studio.holder._retention, 0

    def die() -> None:
        nonlocal batches
        if (batches := batches + 1) == 3:
            raise LeaseLost("killed")

    with pytest.raises(LeaseLost):
        await retention.end("gallery.codes", OVER, die)
    left = Sweep.from_mongo(await studio.mongo.collection(Sweep).find_one({"_id": "gallery.codes"}) or {})
    assert (left.begun_at, left.gone, left.completed_at) == (OVER, 6, None)
    assert left.position == EPOCH + MINUTE
    assert await retention.end("gallery.codes", OVER + timedelta(days=9)) == 3
    told = await standing(studio, OVER)
    assert (told.last_completed_at, told.removed, told.removed_in_all) == (OVER, 9, 9)
    assert await studio.mongo.collection(Code).count({}) == 3


async def test_no_retention_ends_early_by_a_clock_that_is_ahead_nor_is_its_moment_kept(
    studio: Studio,
) -> None:
    await codes(studio, uuid4(), 1, now())
    with off_by(timedelta(days=366)), pytest.raises(ClocksApart):
        async with asyncio.timeout(5):
            await studio.holder.retention_loop()
    assert await studio.mongo.collection(Code).count({}) == 1
    assert await studio.mongo.collection(Sweep).count({}) == 0


async def test_one_process_sweeps_at_a_time_and_no_sooner_than_is_due(studio: Studio) -> None:
    retention, hour = studio.holder._retention, timedelta(hours=1)
    assert set(await retention.run_due(OVER, hour)) == set(retention.timed)
    await codes(studio, uuid4(), 1)
    assert await retention.run_due(OVER + hour - MINUTE, hour) == {}
    async with Lease(studio.mongo, "retention", 30).held():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await retention.run_due(OVER + hour, hour)
    assert (await retention.run_due(OVER + hour, hour))["gallery.codes"] == 1


async def test_a_holding_that_cannot_be_swept_holds_up_no_other(studio: Studio) -> None:
    """A row that is nobody's is in the way of the codes, which come before the drafts."""
    retention, hour, person = studio.holder._retention, timedelta(hours=1), uuid4()
    assert list(retention.timed)[-2:] == ["gallery.codes", "gallery.drafts"]
    await draw(studio, person)
    await codes(studio, person, 1)
    rows, moment = studio.mongo.collection("codes"), await last_stored(studio) + timedelta(hours=25)
    await rows.insert_one({"_id": "nobody's", "created_at": EPOCH})
    swept = await retention.run_due(moment, hour)
    assert (swept["gallery.codes"], swept["gallery.drafts"]) == (0, 3)
    await rows.delete_one({"_id": "nobody's"})
    assert await retention.run_due(moment + MINUTE, hour) == {"gallery.codes": 1}, "it alone is due still"


async def test_whoever_lost_the_lease_sweeps_nothing_more(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = uuid4()
    await codes(studio, person, 1)
    await draw(studio, person)

    def lost(_: Lease) -> None:
        raise LeaseLost("retention")

    monkeypatch.setattr(Lease, "require", lost)
    with pytest.raises(LeaseLost):
        await studio.holder._retention.run_due(await last_stored(studio) + timedelta(hours=25), MINUTE)
    assert await drafts(studio, person) == 3


async def test_an_object_that_cannot_be_removed_holds_up_no_other_and_is_overdue(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page holds one version."""
    first, second = sorted([uuid4(), uuid4()], key=studio.prefix)
    for each in (first, second):
        await draw(studio, each)
    moment, name, expire = await last_stored(studio) + timedelta(hours=25), "gallery.drafts", Objects.expire

    async def refused(self: Objects, holding: ObjectsHolding, aged: Sequence[Aged]) -> int:
        if any(each.name == studio.prefix(first) + "one" for each in aged):
            raise Unavailable("1 of 1 versions could not be deleted: AccessDenied")
        return await expire(self, holding, aged)

    with monkeypatch.context() as patched:
        patched.setattr(storage, "MOST_AT_ONCE", 1)
        patched.setattr(Objects, "expire", refused)
        assert (await studio.holder.retain(moment))[name] == 5
    assert [await drafts(studio, each) for each in (first, second)] == [1, 0]
    told = await standing(studio, moment, name)
    assert (told.last_completed_at, told.removed, told.left_alone) == (moment, 5, 1)
    assert told.oldest_overdue_seconds >= timedelta(hours=1).total_seconds()
    assert (await studio.holder.retain(moment))[name] == 1
    assert (await standing(studio, moment, name)).oldest_overdue_seconds == 0


async def test_what_is_overdue_is_measured_from_what_is_stored(studio: Studio) -> None:
    """Whatever the sweep says of itself; a frozen person's rows are not overdue."""
    await studio.holder.inventory(await studio.settle(), uuid4())
    await studio.holder.retain(OVER)
    assert (await standing(studio, OVER)).oldest_overdue_seconds == 0
    await codes(studio, uuid4(), 2, EPOCH - timedelta(hours=3))
    told = await standing(studio, OVER)
    assert (told.overdue, told.oldest_overdue_seconds) == (3, timedelta(days=1, hours=3).total_seconds())
    assert (told.kept, told.grounds, told.ended_by) == (["one day"], ["contract"], ["sweep", "erasure"])
    await studio.holder.standing.measure(OVER)
    read, labels = REGISTRY.get_sample_value, {"holding": "gallery.codes"}
    assert read("pixera_retention_oldest_overdue_seconds", labels) == told.oldest_overdue_seconds
    assert read("pixera_retention_last_completed_timestamp_seconds", labels) == OVER.timestamp()


async def test_an_index_that_is_to_remove_rows_is_looked_for_in_the_live_database(studio: Studio) -> None:
    name, tickets = "gallery.tickets", studio.mongo.collection("tickets")
    assert [each.live for each in (await standing(studio, OVER, name)).expiry] == [True]
    await tickets.raw.drop_index("expires_at_1")
    told = await standing(studio, OVER, name)
    assert [(each.index, each.live) for each in told.expiry] == [("expires_at", False)]
    await studio.holder.standing.measure(OVER)
    assert REGISTRY.get_sample_value("pixera_retention_expiry_missing", {"holding": name}) == 1
    await tickets.insert_one({"_id": uuid4(), "user_id": uuid4(), "expires_at": EPOCH})
    assert (await standing(studio, EPOCH + MINUTE, name)).oldest_overdue_seconds == 60


async def test_what_stays_beyond_an_erasure_is_reported_too_until_its_own_date(studio: Studio) -> None:
    name, until = (
        "gallery.markers",
        EPOCH + timedelta(days=9_999),
    )  # what is past, the database may have removed
    for key in ("one", "two"):
        row = Marker(id=key, retained_until=until).to_mongo()
        await studio.mongo.collection(Marker).insert_one(row)
    told = await standing(studio, until - MINUTE, name)
    assert (told.kind, told.ended_by, told.overdue) == ("proofs", ["expiry-index"], 0)
    assert [(each.index, each.live) for each in told.expiry] == [("retained_until", True)]
    told = await standing(studio, until + MINUTE, name)
    assert (told.overdue, told.oldest_overdue_seconds) == (2, 60)


async def test_the_sweep_finds_its_rows_by_index(studio: Studio) -> None:
    await studio.holder._retention.prepare()
    for rule in [rule for held in HOLDINGS.collections for rule in rules_of(held)]:
        rows = studio.mongo.collection(rule.holding.document.collection).raw
        found = await rows.find(rule.over(OVER)).sort([(rule.path, 1), ("_id", 1)]).limit(10).explain()
        assert "COLLSCAN" not in str(found["queryPlanner"]["winningPlan"])
        assert "'SORT'" not in str(found["queryPlanner"]["winningPlan"])
