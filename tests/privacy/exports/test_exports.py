"""Exports over the real bus and stores: everything of one person, for that person, and gone when it has to be."""

import asyncio
import hashlib
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import jsonschema
import pytest
from fastapi import FastAPI

from libs.common.bus.lease import Lease, LeaseLost
from libs.common.clock import new_id, now
from libs.common.consents import Standing, Switchboard
from libs.common.errors import SubjectErased, Unavailable
from libs.common.events.auth import MailRequestedV2
from libs.common.events.privacy import (
    ExportRequestedV1,
    InventoryRequestedV1,
    RequestAcceptedV1,
    RequestFulfilledV1,
    RequestKind,
)
from libs.common.exporting import segments
from libs.common.exporting.gathering import LEASE
from libs.common.exporting.parts import ExportPart
from libs.common.identity import STAFF
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.privacy.exported import WITHHELD
from libs.common.privacy.holdings import locator
from libs.common.privacy.purposes import Decision
from libs.common.privacy.removals import Removals
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.storage import Storage
from libs.common.stream_cipher import StreamCipher
from libs.common.testing.metrics import metric
from libs.common.testing.serving import published, serving
from libs.common.testing.tokens import bearer
from libs.common.testing.waiting import eventually
from libs.common.vault.cipher import SealBroken
from libs.common.work import UnitOfWork
from services.auth.models import User as UserRow
from services.gallery.models import Image
from services.gallery.objects import BUCKET as GALLERY
from services.generation.backends.base import Style
from services.generation.models import Job, JobState, Order
from services.privacy.errors import ExportNotFound
from services.privacy.exports import rows as export_rows
from services.privacy.exports.models import Export, ExportedPart, ExportState
from services.privacy.exports.packing import Packing
from services.privacy.main import create_app
from services.privacy.policies.texts import LANGUAGES
from services.privacy.protocol import HOLDERS
from services.privacy.repository import CaseRepository
from services.privacy.service import PrivacyService
from services.privacy.settings import PrivacySettings
from tests.privacy.conftest import settings_with
from tests.privacy.holders import Others, others, write_data_map

T = TypeVar("T")

pytestmark = pytest.mark.slow

API = "/api/privacy/v1/exports"
REQUESTS = "/api/privacy/v1/requests"
STAFF_API = "/api/privacy/v1/staff/exports"
PASSWORD_HASH = "$argon2id$v=19$m=19456,t=2,p=1$tests"
A_WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8L\r\x00\x00\x00/\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"


@pytest.fixture(scope="module")
def settings(common_settings: CommonSettings, tmp_path_factory: pytest.TempPathFactory) -> PrivacySettings:
    data_map = write_data_map(tmp_path_factory.mktemp("exports") / "data-map.json")
    return settings_with(common_settings, data_map)


@dataclass
class Person:
    """Somebody with an image in the gallery, and a row in every other holding."""

    id: UUID
    image_id: UUID
    caption: str
    client: httpx.AsyncClient

    async def ask(self) -> dict[str, Any]:
        answer = await self.client.post(API)
        assert answer.status_code == 202, answer.text
        export: dict[str, Any] = answer.json()
        return export

    async def ready(self, export_id: str) -> dict[str, Any]:
        """Wait until an export is ready."""

        async def look() -> dict[str, Any]:
            export: dict[str, Any] = (await self.client.get(f"{API}/{export_id}")).json()
            return export if export["state"] == "ready" else {}

        return await eventually(look, within_s=90)

    async def take(self, export_id: str, **headers: str) -> httpx.Response:
        return await self.client.get(f"{API}/{export_id}/archive", headers=headers)


@dataclass
class House:
    """Privacy and the four other holders, all of them real."""

    app: FastAPI
    url: str
    settings: PrivacySettings
    others: Others

    @property
    def service(self) -> PrivacyService:
        service: PrivacyService = self.app.state.parts.service
        return service

    async def person(self, caption: str) -> Person:
        user_id, image_id = await self.others.person(), uuid4()
        gallery, moment = self.others.services["gallery"], now()
        image = Image(
            id=image_id,
            user_id=user_id,
            state="ready",
            source="upload",
            media_type="image/webp",
            size_bytes=len(A_WEBP),
            width=1,
            height=1,
            caption=caption,
            created_at=moment,
        )
        await gallery.mongo.collection(Image).insert_one(image.to_mongo())
        await self._typed(user_id, caption)
        users = self.others.services["auth"].mongo.collection(UserRow)
        await users.update_one({"_id": user_id}, {"$set": {"password_hash": PASSWORD_HASH}})
        for name in ("original", "small"):
            path = f"{self.prefix(user_id)}/{image_id}/{name}"
            await self.others.storage.put(GALLERY, path, A_WEBP, "image/webp")
        return Person(user_id, image_id, caption, self.client(user_id))

    async def _typed(self, user_id: UUID, words: str) -> None:
        """Have somebody ask for an image and decide about a purpose: what is sealed whole, and what lies by keys."""
        auth, generation = self.others.services["auth"].mongo, self.others.services["generation"].mongo
        order = Order(
            prompt=words, negative_prompt="", seed=7, width=8, height=8, count=1, style=Style.LANDSCAPE
        )
        job = Job(
            id=new_id(),
            user_id=user_id,
            order=order,
            count=1,
            state=JobState.COMPLETED,
            credits=1,
            created_at=now(),
        )
        await generation.collection(Job).insert_one(job.to_mongo())
        standing = Standing(decision=Decision.GIVEN, sequence=1, changed_at=now())
        said = Switchboard(id=user_id, standings={ChosenPurpose.PHOTO_DETAILS: standing}).to_mongo()
        await auth.collection(Switchboard).update_one(
            {"_id": user_id}, {"$set": {"standings": said["standings"]}}
        )

    def client(self, user_id: UUID, **claims: object) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=bearer(user_id, **claims), timeout=60)

    def prefix(self, user_id: UUID) -> str:
        return locator(self.settings.pseudonym_key, user_id)

    async def objects(self, user_id: UUID) -> list[str]:
        """Return the names of a person's objects of exports, beneath their prefix."""
        found = await self.others.storage.list_versions(segments.BUCKET, f"{self.prefix(user_id)}/")
        return sorted(each.name.partition("/")[2] for each in found)

    @property
    def packing(self) -> Packing:
        loops = [getattr(each, "__self__", None) for each in self.app.state.parts.background]
        return next(each for each in loops if isinstance(each, Packing))

    async def verified(self, case_id: UUID) -> None:
        """Wait until an erasure is proven."""

        async def known() -> bool:
            return await CaseRepository(self.app.state.mongo).get(case_id) is not None

        async def proven() -> bool:
            return (await self.service.case(case_id)).phase.value == "VERIFIED"

        await eventually(known)
        await eventually(proven, within_s=90)

    async def row(self, export_id: UUID | str) -> dict[str, Any] | None:
        row: dict[str, Any] | None = await self.app.state.mongo.collection(Export).find_one(
            {"_id": UUID(str(export_id))}
        )
        return row

    async def archive_alone(self, user_id: UUID, export_id: str) -> bool:
        """Wait until the parts are gone; what is left is the archive's."""
        row = await self.row(export_id)
        assert row is not None
        wanted = [f"{export_id}/{row['attempt']}/{number}" for number in range(row["segments"])]

        async def look() -> bool:
            return await self.objects(user_id) == wanted

        return await eventually(look)


@pytest.fixture(scope="module")
async def house(settings: PrivacySettings) -> AsyncIterator[House]:
    async with others(settings) as running:
        app = create_app("all", settings)
        async with serving(app) as url:
            yield House(app, url, settings, running)


@pytest.fixture(scope="module")
async def ada(house: House) -> Person:
    return await house.person("Ada's sea at dusk <b>&</b>")


@pytest.fixture(scope="module")
async def bob(house: House) -> Person:
    return await house.person("Bob's own mountain")


@pytest.fixture(scope="module")
async def made(ada: Person, bob: Person) -> dict[str, Any]:
    """Ada's export, made while Bob has one as well."""
    hers, his = await ada.ask(), await bob.ask()
    await bob.ready(his["export_id"])
    return await ada.ready(hers["export_id"])


class Halting(Storage):
    """A store that takes the first segment of a stream, and answers no more."""

    async def put(self, bucket: str, name: str, data: bytes, media_type: str) -> None:
        if not name.endswith("/0"):
            await asyncio.Event().wait()
        await super().put(bucket, name, data, media_type)


@pytest.fixture
async def halting(settings: PrivacySettings) -> AsyncIterator[Halting]:
    store = Halting(settings)
    yield store
    await store.close()


def read(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_everything_of_a_person_is_in_it_and_nothing_of_another(
    house: House, ada: Person, bob: Person, made: dict[str, Any]
) -> None:
    answer = await ada.take(made["export_id"])
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert hashlib.sha256(answer.content).hexdigest() == made["sha256"]
    assert len(answer.content) == made["size_bytes"]
    files = read(answer.content)
    _is_whole(files)
    for service in house.others.services.values():
        for held in service.holdings.collections:
            assert f"data/{service.holdings.name_of(held).replace(':', '-')}.json" in files
    images = json.loads(files["data/gallery.images.json"])
    assert [each["caption"] for each in images if each["_id"] == str(ada.image_id)] == [ada.caption]
    for name in ("original", "small"):
        assert files[f"files/gallery.image-objects/{ada.image_id}/{name}.webp"] == A_WEBP
    assert ada.caption in {
        each["order"]["prompt"] for each in json.loads(files["data/generation.jobs.json"]) if "order" in each
    }
    (said,) = json.loads(files["data/auth.switchboards.json"])
    assert said["standings"]["photo-details"].keys() == {"decision", "changed_at"}
    assert [each["password_hash"] for each in json.loads(files["data/auth.users.json"])] == [WITHHELD]
    for name, content in files.items():
        for word in (str(bob.id), str(bob.image_id), bob.caption, house.prefix(bob.id), PASSWORD_HASH):
            assert word not in name, name
            assert word.encode() not in content, name


def _is_whole(files: dict[str, bytes]) -> None:
    """The manifest has the hash of every file, rows are what their schemas say, pages are in every language."""
    listed = {each["path"]: each["sha256"] for each in json.loads(files["manifest.json"])["files"]}
    assert listed == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"
    }
    rows = [name for name in files if name.startswith("data/") and not name.endswith(".schema.json")]
    assert len(rows) > 20
    for name in rows:
        schema = json.loads(files[re.sub(r"(-\d+)?\.json$", ".schema.json", name)])
        jsonschema.validate(json.loads(files[name]), schema)
    tongues = {PurePosixPath(name).parts[1] for name in files if name.startswith("pages/")}
    assert tongues == set(LANGUAGES)


async def test_captions_are_read_with_the_images(ada: Person, made: dict[str, Any]) -> None:
    files = read((await ada.take(made["export_id"])).content)
    for language in LANGUAGES:
        page = files[f"pages/{language}/gallery.image-objects-1.html"].decode()
        assert "Ada&#39;s sea at dusk &lt;b&gt;&amp;&lt;/b&gt;" in page
        assert f'src="../../files/gallery.image-objects/{ada.image_id}/small.webp"' in page


async def test_it_lies_sealed_and_its_person_is_mailed(
    house: House, ada: Person, made: dict[str, Any]
) -> None:
    assert await house.archive_alone(ada.id, made["export_id"])
    for name in await house.objects(ada.id):
        sealed, _ = await house.others.storage.fetch(segments.BUCKET, f"{house.prefix(ada.id)}/{name}")
        for word in (b"PK\x03\x04", b"gallery.images", str(ada.id).encode(), A_WEBP):
            assert word not in sealed

    async def mailed() -> list[MailRequestedV2]:
        return await published(house.settings.kafka_bootstrap, MailRequestedV2, ada.id)

    assert [each.kind for each in await eventually(mailed)] == ["export-ready"]


async def test_it_is_for_its_own_person_who_signed_in_a_moment_ago(
    house: House, ada: Person, bob: Person, made: dict[str, Any]
) -> None:
    for path in (made["export_id"], f"{made['export_id']}/archive", f"{uuid4()}/archive"):
        answer = await bob.client.get(f"{API}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "export-not-found")
    long_ago = int((now() - timedelta(seconds=house.settings.recent_sign_in_s + 5)).timestamp())
    for claims in ({"auth_time": long_ago}, {"auth_time": 0}):
        async with house.client(ada.id, **claims) as stale:
            for refused in (await stale.get(f"{API}/{made['export_id']}/archive"), await stale.post(API)):
                assert (refused.status_code, refused.json()["code"]) == (401, "sign-in-again")
            assert (await stale.get(f"{API}/{made['export_id']}")).status_code == 200
    async with httpx.AsyncClient(base_url=house.url) as nobody:
        assert (await nobody.get(f"{API}/{made['export_id']}/archive")).status_code == 401


async def test_a_download_goes_on_where_it_broke_off(ada: Person, made: dict[str, Any]) -> None:
    whole = (await ada.take(made["export_id"])).content
    rest = await ada.take(made["export_id"], Range="bytes=1000-")
    assert (rest.status_code, rest.content) == (206, whole[1000:])
    assert rest.headers["content-range"] == f"bytes 1000-{len(whole) - 1}/{len(whole)}"
    for unfit in (f"bytes={len(whole)}-", "bytes=-5", "bytes=0-1,3-4", "lines=1-"):
        refused = await ada.take(made["export_id"], Range=unfit)
        assert (refused.status_code, refused.json()["code"]) == (416, "range-unfit"), unfit


async def test_another_is_not_made_so_soon(ada: Person, made: dict[str, Any]) -> None:
    answer = await ada.client.post(API)
    assert (answer.status_code, answer.json()["code"]) == (429, "export-too-soon")
    assert 0 < int(answer.headers["retry-after"]) <= 24 * 3_600 + 1
    listed = (await ada.client.get(API)).json()["exports"]
    assert [each["export_id"] for each in listed] == [made["export_id"]]


async def accept(house: House, user_id: UUID, request_id: UUID, kind: RequestKind = "access") -> None:
    event = RequestAcceptedV1(user_id=user_id, request_id=request_id, kind=kind)
    auth = house.others.services["auth"]
    await auth.mongo.transaction(lambda: auth.outbox.add(event))


async def test_requests_are_answered_by_one_export_and_told_when_it_is_ready(house: House) -> None:
    carol = await house.person("Carol's cat")
    first, second, other = new_id(), new_id(), new_id()
    await accept(house, carol.id, other, "objection")
    await asyncio.gather(
        accept(house, carol.id, first), accept(house, carol.id, second, "portability"), carol.ask()
    )
    await accept(house, carol.id, first)

    async def fulfilled() -> list[RequestFulfilledV1]:
        found = await published(house.settings.kafka_bootstrap, RequestFulfilledV1, carol.id)
        return found if len(found) > 1 else []

    told = await eventually(fulfilled, within_s=90)
    assert {(each.request_id, each.kind, each.outcome) for each in told} == {
        (first, "access", "archive-made"),
        (second, "portability", "archive-made"),
    }
    await accept(house, carol.id, first)  # the case is done: the same request begins nothing more
    dave = await house.person("Dave's dog")
    await accept(house, dave.id, new_id())  # in the same topic: when it is begun, that event is behind us
    await eventually(lambda: _begun(house, dave.id))
    exports = (await carol.client.get(API)).json()["exports"]
    assert len(exports) <= 2, "one, or two where the first was ready before the second request came"
    rows = [await house.row(each["export_id"]) for each in exports]
    assert sorted(str(each["id"]) for row in rows if row for each in row["requests"]) == sorted(
        map(str, (first, second))
    )


async def test_a_request_by_the_contact_form_is_closed_when_its_archive_is_there(house: House) -> None:
    karl = await house.person("Karl's kite")
    wanted = {"kind": "portability", "message": "My data, please"}
    made = (await karl.client.post(REQUESTS, json=wanted)).json()

    async def closed() -> dict[str, Any]:
        case: dict[str, Any] = (await karl.client.get(f"{REQUESTS}/{made['request_id']}")).json()
        return case if case["state"] == "closed" else {}

    assert (await eventually(closed, within_s=90))["outcome"] == "archive-made"
    (export,) = (await karl.client.get(API)).json()["exports"]
    files = read((await karl.take(export["export_id"])).content)
    assert wanted["message"] in files["data/privacy.request_messages.json"].decode()


async def _begun(house: House, user_id: UUID) -> list[Export]:
    return await house.service.exports.of(user_id)


async def test_what_is_asked_for_is_not_there_before_it_is_made(house: House) -> None:
    erin = await house.person("Erin's elm")
    export = Export(id=new_id(), user_id=erin.id, created_at=now() - timedelta(hours=5), due_at=now())
    await house.app.state.mongo.collection(Export).insert_one(export.to_mongo())
    answer = await erin.take(str(export.id))
    assert (answer.status_code, answer.json()["code"]) == (409, "export-not-ready")
    assert (await erin.ask())["export_id"] == str(export.id)
    await house.service.exports.measure()
    assert metric("pixera_export_oldest_open_seconds") >= 5 * 3_600
    async with house.client(new_id(), roles=[STAFF]) as staff:
        seen = (await staff.get(f"{STAFF_API}/{export.id}")).json()
        assert (seen["waiting_for"], "user_id" in seen) == (list(HOLDERS), False)
        assert (await staff.post(f"{STAFF_API}/{export.id}/retry")).status_code == 200
    await erin.ready(str(export.id))


async def large_images(house: House, person: Person) -> None:
    """Give somebody more than two segments of images, so that a stream is cut in its middle."""
    for number in range(3):
        name = f"{house.prefix(person.id)}/{person.image_id}/big-{number}"
        await house.others.storage.put(GALLERY, name, bytes(segments.SEGMENT), "image/png")


async def dead_attempt(house: House, person: Person, begun: Coroutine[Any, Any, None]) -> str:
    """Have somebody die in the middle of a stream; return the attempt that is left of it."""
    before = set(await house.objects(person.id))

    async def left() -> set[str]:
        return set(await house.objects(person.id)) - before

    task = asyncio.create_task(begun)
    (name,) = await eventually(left)
    task.cancel()  # as a kill does: nobody comes to tidy up
    await asyncio.gather(task, return_exceptions=True)
    return PurePosixPath(name).parts[1]


async def test_a_part_that_was_cut_short_is_written_anew(house: House, halting: Halting) -> None:
    frank = await house.person("Frank's fjord")
    await large_images(house, frank)
    gallery = house.others.services["gallery"]
    rows = gallery.mongo.collection(ExportPart)
    part = ExportPart(id=new_id(), user_id=frank.id, created_at=now(), due_at=now() + timedelta(days=1))
    await rows.insert_one(part.to_mongo())
    lease = Lease(gallery.mongo, LEASE, 60)  # the gallery's own, so that no other writes it meanwhile
    async with lease.held():
        dying = replace(gallery.gathering, storage=halting)
        dead = await dead_attempt(house, frank, dying.write(part, lease))
        cut = await rows.find_one({"_id": part.id})
        assert cut is not None
        assert (cut["state"], cut["sealed_key"], str(cut["attempt"])) == ("waiting", None, dead)
        with pytest.raises(LeaseLost):
            await gallery.gathering.write(ExportPart.from_mongo(cut), Lease(gallery.mongo, "not held", 60))
    await rows.update_one({"_id": part.id}, {"$set": {"due_at": now()}})

    async def done() -> dict[str, Any]:
        row: dict[str, Any] | None = await rows.find_one({"_id": part.id, "state": "done"})
        return row or {}

    row = await eventually(done, within_s=60)
    wanted = {f"{part.id}/{row['attempt']}/{number}" for number in range(row["segments"])}
    assert wanted <= set(await house.objects(frank.id))
    assert row["segments"] >= 4
    assert str(row["attempt"]) != dead


async def gathered(house: House, user_id: UUID) -> Export:
    """Return an export whose parts are all there, to be packed tomorrow."""
    export_id, auth = new_id(), house.others.services["auth"]
    wanted = ExportRequestedV1(user_id=user_id, export_id=export_id)
    await auth.mongo.transaction(lambda: auth.outbox.add(wanted))
    homes = {name: service.mongo for name, service in house.others.services.items()}
    homes["privacy"] = house.app.state.mongo

    async def done() -> dict[str, Any]:
        whole = {"_id": export_id, "state": "done"}
        rows = {name: await mongo.collection(ExportPart).find_one(whole) for name, mongo in homes.items()}
        return rows if all(rows.values()) else {}

    parts = await eventually(done, within_s=60)
    export = Export(
        id=export_id,
        user_id=user_id,
        created_at=now(),
        due_at=now() + timedelta(days=1),
        state=ExportState.PACKING,
        parts={name: ExportedPart.model_validate(row) for name, row in parts.items()},
    )
    await house.app.state.mongo.collection(Export).insert_one(export.to_mongo())
    return export


async def flip(house: House, export: Export, attempt: UUID | None) -> None:
    """Change one byte of a stream in the object store."""
    name = f"{house.prefix(export.user_id)}/{export.id}/{attempt}/0"
    data, media_type = await house.others.storage.fetch(segments.BUCKET, name)
    changed = data[:100] + bytes([data[100] ^ 1]) + data[101:]
    await house.others.storage.put(segments.BUCKET, name, changed, media_type)


async def test_what_was_changed_in_the_store_is_never_handed_out(house: House) -> None:
    heidi = await house.person("Heidi's heath")
    export = await gathered(house, heidi.id)
    await flip(house, export, export.parts["gallery"].attempt)
    await house.service.exports.retry(export.id, "staff:tests")  # packed now: gallery writes its part anew
    made = await heidi.ready(str(export.id))
    files = read((await heidi.take(made["export_id"])).content)
    _is_whole(files)
    assert heidi.caption in files["data/gallery.images.json"].decode()
    row = await house.row(export.id)
    assert row is not None
    await flip(house, export, row["attempt"])
    answer = await heidi.take(str(export.id))
    assert (answer.status_code, answer.json()["code"]) == (500, "export-damaged")


async def test_a_worker_that_dies_while_it_packs_is_followed_by_one_that_begins_anew(
    house: House, halting: Halting
) -> None:
    ivan = await house.person("Ivan's island")
    await large_images(house, ivan)
    export = await gathered(house, ivan.id)
    left = f"{house.prefix(ivan.id)}/{export.id}/{new_id()}/0"  # of a service that died over its part
    await house.others.storage.put(segments.BUCKET, left, b"half", segments.MEDIA_TYPE)
    dying = copy(house.packing)
    dying._storage = halting
    lease = Lease(house.app.state.mongo, "tests", 60)
    async with lease.held():
        dead = await dead_attempt(house, ivan, dying.pack(export, lease))
    await house.service.exports.retry(export.id, "staff:tests")
    await ivan.ready(str(export.id))
    assert str(((await house.row(export.id)) or {})["attempt"]) != dead
    assert await house.archive_alone(ivan.id, str(export.id))
    async with lease.held():  # and by one that stood still since it had read what was to be packed
        await house.packing.pack(export, lease)
    assert (await ivan.take(str(export.id))).status_code == 200


class Thawing(UnitOfWork):
    """Of a worker that stands still before it concludes. Args: meanwhile: what another one does."""

    def __init__(self, work: UnitOfWork, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(work.mongo, work.outbox, work.tombstones)
        self._meanwhile = meanwhile

    async def run(self, work: Callable[[], Awaitable[T]], *, subject: UUID | None = None) -> T:
        await self._meanwhile()
        return await super().run(work, subject=subject)


async def test_a_packer_that_thaws_leaves_the_archive_of_its_successor(house: House) -> None:
    olga = await house.person("Olga's oak")
    export = await gathered(house, olga.id)

    async def succeeded() -> None:
        await house.service.exports.retry(export.id, "staff:tests")
        await olga.ready(str(export.id))
        await house.archive_alone(olga.id, str(export.id))

    thawed = copy(house.packing)
    thawed._work = Thawing(house.packing._work, succeeded)
    lease = Lease(house.app.state.mongo, "tests", 60)
    async with lease.held():
        await thawed.pack(export, lease)
    _is_whole(read((await olga.take(str(export.id))).content))


async def test_a_gatherer_that_thaws_leaves_the_part_of_its_successor(house: House) -> None:
    pia = await house.person("Pia's pine")
    gallery = house.others.services["gallery"]
    rows = gallery.mongo.collection(ExportPart)
    part = ExportPart(id=new_id(), user_id=pia.id, created_at=now(), due_at=now() + timedelta(days=1))
    await rows.insert_one(part.to_mongo())
    lease = Lease(gallery.mongo, "tests", 60)
    async with lease.held():
        await gallery.gathering.write(part, lease)
        done, stored = await rows.find_one({"_id": part.id}), await house.objects(pia.id)
        await gallery.gathering.write(part, lease)  # as it was read before
    assert (await rows.find_one({"_id": part.id}), await house.objects(pia.id)) == (done, stored)
    assert (done or {})["state"] == "done"


def break_seal(monkeypatch: pytest.MonkeyPatch, user_id: UUID) -> None:
    """Have a person's key wrapped by a master that is gone."""
    seal = Sealing.seal

    async def broken(self: Sealing, whose: UUID, values: Sequence[Any]) -> list[str]:
        if whose == user_id:
            raise SealBroken
        return await seal(self, whose, values)

    monkeypatch.setattr(Sealing, "seal", broken)


async def test_a_part_that_cannot_be_sealed_is_put_off_and_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kim, liam = await house.person("Kim's kelp"), await house.person("Liam's lagoon")
    rows = house.others.services["gallery"].mongo.collection(ExportPart)
    stuck, other = [
        ExportPart(id=new_id(), user_id=person.id, created_at=now(), due_at=now() - timedelta(minutes=wait))
        for person, wait in ((kim, 2), (liam, 1))
    ]

    async def written(part: ExportPart) -> dict[str, Any]:
        return await rows.find_one({"_id": part.id, "state": "done"}) or {}

    with monkeypatch.context() as patched:
        break_seal(patched, kim.id)
        await rows.insert_many([part.to_mongo() for part in (stuck, other)])
        await eventually(lambda: written(other), within_s=20)
        row = await rows.find_one({"_id": stuck.id})
        assert row is not None
        assert (row["state"], row["tries"] > 0, row["due_at"] > stuck.created_at) == ("waiting", True, True)
    await eventually(lambda: written(stuck))


async def test_an_export_that_cannot_be_sealed_is_put_off_and_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    mia, noah = await house.person("Mia's moor"), await house.person("Noah's nook")
    stuck, other = await gathered(house, mia.id), await gathered(house, noah.id)

    async def packed() -> bool:
        return (await house.row(other.id) or {}).get("state") == "ready"

    with monkeypatch.context() as patched:
        break_seal(patched, mia.id)
        for export in (stuck, other):
            await house.service.exports.retry(export.id, "staff:tests")
        await eventually(packed, within_s=20)
        row = await house.row(stuck.id)
        assert row is not None
        assert (row["state"], row["tries"] > 0, row["due_at"] > stuck.created_at) == ("packing", True, True)
    await mia.ready(str(stuck.id))
    assert await house.archive_alone(mia.id, str(stuck.id))


async def test_an_erasure_ends_an_export_that_is_under_way(house: House) -> None:
    judy = await house.person("Judy's jetty")
    export = await gathered(house, judy.id)
    case_id = await house.others.delete(judy.id)
    await house.verified(case_id)
    assert (await house.objects(judy.id), await house.row(export.id)) == ([], None)
    assert await house.others.left(judy.id) == 0
    assert (await house.service.case(case_id)).saga.setbacks == 0
    with pytest.raises(ExportNotFound):
        await house.service.exports.retry(export.id, "staff:tests")


async def test_it_goes_when_its_time_is_over(house: House, bob: Person, made: dict[str, Any]) -> None:
    del made  # Bob's was made beside it
    (export,) = (await bob.client.get(API)).json()["exports"]
    row = await house.row(export["export_id"])
    assert row is not None
    lasts = row["expires_at"] - row["ready_at"]
    assert lasts == timedelta(days=house.settings.export_days)
    await house.app.state.mongo.collection(Export).update_one(
        {"_id": row["_id"], "user_id": bob.id}, {"$set": {"expires_at": now()}}
    )
    over = await bob.take(export["export_id"])
    assert (over.status_code, over.json()["code"]) == (410, "export-gone")
    assert await house.service.exports.remove_expired() == 1
    assert await house.objects(bob.id) == []
    seen = (await bob.client.get(f"{API}/{export['export_id']}")).json()
    assert (seen["state"], (await bob.take(export["export_id"])).status_code) == ("removed", 410)


async def over(house: House, count: int) -> list[Export]:
    """Return exports whose time is over, in their order."""
    times = {"created_at": now(), "due_at": now(), "expires_at": now()}
    exports = [
        Export(id=new_id(), user_id=uuid4(), state=ExportState.READY, open=False, **times)
        for _ in range(count)
    ]
    await house.app.state.mongo.collection(Export).insert_many([export.to_mongo() for export in exports])
    return exports


@pytest.mark.parametrize("trouble", [Unavailable("the object store does not answer"), OSError("it has gone")])
async def test_an_archive_that_cannot_be_removed_holds_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    exports, (stuck, other) = house.service.exports, await over(house, 2)
    delete_prefix = Removals.delete_prefix

    async def refused(self: Removals, user_id: UUID, prefix: str) -> None:
        if user_id == stuck.user_id:
            raise trouble
        await delete_prefix(self, user_id, prefix)

    with monkeypatch.context() as patched:
        patched.setattr(Removals, "delete_prefix", refused)
        patched.setattr(export_rows, "SWEPT_AT_ONCE", 1)  # those that are stuck are a whole page
        assert await exports.remove_expired() == 1
    states = [row["state"] for row in [await house.row(stuck.id), await house.row(other.id)] if row]
    assert states == ["ready", "removed"]
    assert await exports.remove_expired() == 1


async def test_whoever_lost_the_lease_removes_no_archive(house: House) -> None:
    await over(house, 1)
    with pytest.raises(LeaseLost):
        await house.service.exports.remove_expired(Lease(house.app.state.mongo, "not held", 60).require)
    assert await house.service.exports.remove_expired() == 1


async def test_an_erasure_takes_it_along_and_makes_noise_of_every_copy(
    house: House, ada: Person, made: dict[str, Any]
) -> None:
    row = await house.row(made["export_id"])
    assert row is not None
    name = f"{house.prefix(ada.id)}/{made['export_id']}/{row['attempt']}/0"
    copy, _ = await house.others.storage.fetch(segments.BUCKET, name)
    (key,) = await house.others.sealing.opened(ada.id, [row["sealed_key"]])
    only = row["segments"] == 1
    assert StreamCipher(key).open(0, copy, last=only).startswith(b"PK")

    case_id = await house.others.delete(ada.id)
    await house.verified(case_id)
    assert await house.objects(ada.id) == []
    assert await house.row(made["export_id"]) is None
    house.others.sealing.forget(ada.id)
    assert await house.others.sealing.opened(ada.id, [row["sealed_key"]]) == [None]
    assert (await house.service.case(case_id)).saga.setbacks == 0


async def test_nothing_is_written_for_somebody_who_is_being_erased(house: House) -> None:
    grace = await house.person("Grace's gull")
    gallery = house.others.services["gallery"]
    await gallery.holder.inventory(grace.id, new_id())
    part = ExportPart(id=new_id(), user_id=grace.id, created_at=now(), due_at=now() + timedelta(days=1))
    await gallery.mongo.collection(ExportPart).insert_one(part.to_mongo())
    lease = Lease(gallery.mongo, "tests", 60)
    async with lease.held():
        with pytest.raises(SubjectErased):
            await gallery.gathering.write(part, lease)
    assert await house.objects(grace.id) == []
    assert {ExportRequestedV1.fenced, InventoryRequestedV1.fenced} == {True, False}
