"""What a restore leaves out is begun when a worker starts; where it is there, nothing is."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.clock import new_id, now
from libs.common.events.privacy import RequestAcceptedV1
from libs.common.testing.serving import serving
from libs.common.testing.waiting import eventually
from libs.common.work import UnitOfWork
from services.privacy.exports.models import Export, ExportState
from services.privacy.exports.service import Exports
from services.privacy.main import create_app
from services.privacy.requests.kinds import Kind
from services.privacy.requests.models import PersonRequest, State
from services.privacy.requests.rows import PersonRequests
from services.privacy.resuming import Resuming
from tests.privacy.conftest import Privacy

pytestmark = pytest.mark.slow


async def requested(
    privacy: Privacy, user_id: UUID, kind: Kind = Kind.ACCESS, **changes: Any
) -> PersonRequest:
    """Store an accepted request whose event had its effect, as a restore brings both back."""
    case = PersonRequest(
        id=new_id(),
        user_id=user_id,
        reference=uuid4().hex[:8],
        kind=kind,
        state=State.ACCEPTED,
        language="en",
        has_account=True,
        created_at=now(),
        due_at=now() + timedelta(days=30),
    ).model_copy(update=changes)
    await privacy.mongo.collection(PersonRequest).insert_one(case.to_mongo())
    return case


def resuming(privacy: Privacy) -> Resuming:
    return Resuming(PersonRequests(privacy.mongo), privacy.service.exports, privacy.platform.work)


async def answered(privacy: Privacy, user_id: UUID) -> list[list[UUID]]:
    """Return which requests each export of a person answers."""
    exports = await privacy.service.exports.of(user_id)
    return [sorted(each.id for each in export.requests) for export in exports]


async def test_an_accepted_request_without_its_export_gets_one_when_a_worker_starts(privacy: Privacy) -> None:
    stranded, served, done, erased = uuid4(), uuid4(), uuid4(), uuid4()
    both = [await requested(privacy, stranded, kind) for kind in (Kind.ACCESS, Kind.PORTABILITY)]
    one = await requested(privacy, served)
    event = RequestAcceptedV1(user_id=served, request_id=one.id, kind="access")
    await privacy.platform.work.run(lambda: privacy.groups["privacy.begin-exports"].handler(event))
    ready = {"$set": {"state": ExportState.READY.value, "open": False}}
    await privacy.mongo.collection(Export).update_one({"user_id": served}, ready)
    await requested(privacy, done, state=State.CLOSED, open=False, outcome="archive-made")
    await requested(privacy, done, Kind.RECTIFICATION)
    await requested(privacy, done, state=State.UNPROVEN)
    await requested(privacy, erased)
    await privacy.platform.tombstones.set(erased, new_id())
    wanted = [sorted(each.id for each in both)]

    async def begun() -> bool:
        return await answered(privacy, stranded) == wanted

    for _ in range(2):
        async with serving(create_app("worker", privacy.settings)):
            await eventually(begun)
            assert await answered(privacy, served) == [[one.id]]
            assert await answered(privacy, done) == await answered(privacy, erased) == []


async def test_it_is_begun_once_by_workers_that_start_together(privacy: Privacy) -> None:
    people = [uuid4() for _ in range(20)]
    cases = [
        await requested(privacy, each, kind) for each in people for kind in (Kind.ACCESS, Kind.PORTABILITY)
    ]
    await asyncio.gather(*(resuming(privacy).begin_exports() for _ in range(3)))
    assert await privacy.mongo.collection(Export).count({"user_id": {"$in": people}}) == len(people)
    found = [await answered(privacy, each) for each in people]
    assert sorted(case for ((*ids,),) in found for case in ids) == sorted(case.id for case in cases)


async def test_one_that_cannot_be_begun_holds_up_no_other_and_one_that_is_begun_costs_nothing(
    privacy: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [await requested(privacy, uuid4()) for _ in range(2)]
    begin, ran, run = Exports.begin, list[UUID | None](), UnitOfWork.run

    async def refused(self: Exports, user_id: UUID, *request: Any) -> Export:
        if user_id == first.user_id:
            raise OSError("it has gone")
        return await begin(self, user_id, *request)

    async def counted(self: UnitOfWork, work: Any, *, subject: UUID | None = None) -> Any:
        ran.append(subject)
        return await run(self, work, subject=subject)

    with monkeypatch.context() as patched:
        patched.setattr(Exports, "begin", refused)
        await resuming(privacy).begin_exports()
    assert await answered(privacy, first.user_id) == []
    assert await answered(privacy, second.user_id) == [[second.id]]
    monkeypatch.setattr(UnitOfWork, "run", counted)
    await resuming(privacy).begin_exports()
    assert await answered(privacy, first.user_id) == [[first.id]]
    assert first.user_id in ran
    assert second.user_id not in ran
