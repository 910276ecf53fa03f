"""Uploads through the real object store, from the leave to post to the thumbnails."""

import asyncio
import io
import struct
import zipfile
import zlib
from uuid import UUID

import pytest
from PIL import Image as Picture

from libs.common.events.gallery import ImageReadyV1, ImageUploadedV1
from libs.common.testing.serving import published
from libs.common.testing.waiting import eventually
from services.gallery.models import MAX_BYTES, MediaType
from services.gallery.objects import BUCKET
from services.gallery.processing import Cleaned
from services.gallery.repository import UploadRepository
from tests.gallery.house import API, House, photograph, post


async def test_a_photograph_becomes_an_image_with_thumbnails(house: House) -> None:
    person = house.person()
    sent = photograph(1600, 1200)
    image = await person.upload(sent, caption="  the old harbour ")
    assert image["state"] in ("processing", "ready")
    assert (image["width"], image["height"], image["caption"]) == (1600, 1200, "the old harbour")
    assert image["camera"] == "Pentacon Six TL"
    assert image["taken_at"] == "2026-05-04T18:30:00Z"

    ready = await person.ready(image["id"])
    assert ready["placeholder"]
    for size, side in (("small", 320), ("large", 1024)):
        thumbnail = await person.fetch(f"{API}/images/{image['id']}/thumbnail?size={size}")
        assert Picture.open(io.BytesIO(thumbnail.content)).size[0] == side
    own = [f"{image['id']}/{part}" for part in ("large", "original", "small")]
    assert await house.objects(person.id) == own


async def test_the_bytes_that_are_kept_show_the_same_and_tell_nothing(house: House) -> None:
    person = house.person()
    sent = photograph()
    image = await person.upload(sent)

    fetched = await person.fetch(f"{API}/images/{image['id']}/download")

    disposition = fetched.headers["content-disposition"]
    assert disposition.startswith("attachment")
    assert f"image-{image['id']}.jpg" in disposition
    assert fetched.headers["content-type"] == "image/jpeg"
    assert len(fetched.content) == image["size_bytes"]
    assert fetched.content == await house.storage.get(
        BUCKET, f"{house.prefix(person.id)}/{image['id']}/original", MAX_BYTES
    )
    before, after = Picture.open(io.BytesIO(sent)), Picture.open(io.BytesIO(fetched.content))
    assert before.tobytes() == after.tobytes()
    assert b"Exif" in sent
    for trace in (b"Exif", b"Pentacon", b"2026:05:04", b"GPS"):
        assert trace not in fetched.content


async def test_the_image_is_announced_once(house: House) -> None:
    person = house.person()
    image = await person.upload()
    await person.ready(image["id"])
    bootstrap = house.settings.kafka_bootstrap
    await eventually(lambda: published(bootstrap, ImageReadyV1, person.id))
    (uploaded,) = await published(bootstrap, ImageUploadedV1, person.id)
    assert (str(uploaded.image_id), uploaded.source, uploaded.size_bytes) == (
        image["id"],
        "upload",
        image["size_bytes"],
    )


async def test_completing_again_and_at_the_same_time_gives_the_same_image(house: House) -> None:
    person = house.person()
    data = photograph()
    ticket = await person.begin(len(data))
    await post(ticket, data)
    answers = await asyncio.gather(*(person.complete(ticket["upload_id"]) for _ in range(4)))
    answers.append(await person.complete(ticket["upload_id"]))
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["id"] for answer in answers} == {ticket["upload_id"]}
    assert len(await house.rows(person.id)) == 1
    await person.ready(ticket["upload_id"])
    assert len(await published(house.settings.kafka_bootstrap, ImageUploadedV1, person.id)) == 1


async def test_an_upload_becomes_an_image_once_so_that_a_deleted_one_stays_deleted(house: House) -> None:
    person = house.person()
    upload_id = UUID((await person.begin(1000))["upload_id"])
    uploads = UploadRepository(house.mongo)
    assert [await uploads.mark_completed(person.id, upload_id) for _ in range(2)] == [True, False]


async def test_more_than_fifty_open_uploads_are_refused(house: House) -> None:
    person = house.person()
    for _ in range(49):
        await person.begin(1000)
    image = await person.upload()
    assert (await person.begin(1000))["upload_id"] != image["id"]
    body = {"media_type": "image/jpeg", "size_bytes": 1000}
    answer = await person.client.post(f"{API}/uploads", json=body)
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-uploads")
    assert "retry-after" in answer.headers
    await house.person().begin(1000)


async def test_one_file_of_a_person_is_worked_on_at_a_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    processing, hands, most = house.service.uploads._processing, 0, 0
    clean, meeting = processing.clean, asyncio.Barrier(1)

    async def counted(data: bytes, claimed: MediaType) -> Cleaned:
        nonlocal hands, most
        hands, most = hands + 1, max(most, hands + 1)
        try:
            await asyncio.wait_for(meeting.wait(), 30)
            return await clean(data, claimed)
        finally:
            hands -= 1

    monkeypatch.setattr(processing, "clean", counted)
    person, others = house.person(), [house.person() for _ in range(2)]
    await asyncio.gather(*(person.upload() for _ in range(4)))
    assert most == 1
    meeting = asyncio.Barrier(len(others))  # nobody is let on before all are there
    await asyncio.gather(*(other.upload() for other in others))
    assert most == len(others)


async def test_nothing_posted_is_nothing_to_complete(house: House) -> None:
    person = house.person()
    answer = await person.complete((await person.begin(1000))["upload_id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing-uploaded")


async def test_the_object_store_refuses_what_was_not_agreed(house: House) -> None:
    person = house.person()
    data = photograph()
    ticket = await person.begin(len(data) - 1)
    too_large = await post(ticket, data)
    assert (too_large.status_code, b"EntityTooLarge" in too_large.content) == (400, True)
    assert (await post(ticket, data[:-1], **{"Content-Type": "text/html"})).status_code == 403
    elsewhere = f"{house.prefix(person.id)}/elsewhere"
    assert (await post(ticket, data[:-1], key=elsewhere)).status_code == 403
    assert await house.objects(person.id) == []


async def test_a_file_of_more_than_25_mb_is_not_let_in(house: House) -> None:
    body = {"media_type": "image/png", "size_bytes": MAX_BYTES + 1}
    answer = await house.person().client.post(f"{API}/uploads", json=body)
    assert (answer.status_code, answer.json()["code"]) == (413, "image-too-large")


def _bomb() -> bytes:
    """Return a tiny PNG whose header promises 2.5 gigapixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def _archive_behind(picture: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as entries:
        entries.writestr("payload.html", "<script>alert(1)</script>")
    return picture + archive.getvalue()


@pytest.mark.parametrize(
    ("data", "media_type", "status", "code"),
    [
        (b"this is no picture at all, it only says so", "image/jpeg", 415, "unsupported-image"),
        (b"GIF89a" + bytes(100), "image/png", 415, "unsupported-image"),
        (photograph(kind="PNG"), "image/jpeg", 415, "image-type-mismatch"),
        (photograph()[:-2000], "image/jpeg", 422, "image-damaged"),
        (_bomb(), "image/png", 413, "too-many-pixels"),
        (_archive_behind(photograph()), "image/jpeg", 422, "image-polyglot"),
    ],
    ids=["text", "gif", "other-type", "truncated", "bomb", "polyglot"],
)
async def test_what_is_no_image_is_named_and_removed(
    house: House, data: bytes, media_type: str, status: int, code: str
) -> None:
    person = house.person()
    answer = await person.send(data, media_type)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(answer.json()["detail"]) > 10
    assert await house.objects(person.id) == []
    assert await house.rows(person.id) == []


async def test_after_a_bad_file_a_good_one_may_be_posted(house: House) -> None:
    person = house.person()
    good = photograph()
    ticket = await person.begin(len(good))
    await post(ticket, good[:-2000])
    assert (await person.complete(ticket["upload_id"])).status_code == 422
    assert (await person.complete(ticket["upload_id"])).json()["code"] == "nothing-uploaded"
    await post(ticket, good)
    assert (await person.complete(ticket["upload_id"])).status_code == 201


async def test_another_persons_upload_is_not_there(house: House) -> None:
    person = house.person()
    data = photograph()
    ticket = await person.begin(len(data))
    await post(ticket, data)
    answer = await house.person().complete(ticket["upload_id"])
    assert (answer.status_code, answer.json()["code"]) == (404, "upload-not-found")
    assert (await person.complete(ticket["upload_id"])).status_code == 201
