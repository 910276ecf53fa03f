"""The object store's door, on a real S3."""

import asyncio
import io
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from minio.commonconfig import GOVERNANCE
from minio.retention import Retention

from libs.common import storage as storage_module
from libs.common.clock import now
from libs.common.errors import TooLarge, Unavailable
from libs.common.settings import CommonSettings
from libs.common.storage import BucketMissing, ObjectMissing, PresignedPost, Storage, Version
from libs.common.testing.metrics import metric

BUCKET = "storage-tests"
PNG = "image/png"
SECOND = timedelta(seconds=1)


@pytest.fixture
async def store(common_settings: CommonSettings) -> AsyncIterator[Storage]:
    """Return a storage with a versioned bucket."""
    made = Storage(common_settings)
    await made.ensure_buckets(BUCKET)
    yield made
    await made.close()


@pytest.fixture
def prefix() -> str:
    """Return a prefix that no other test uses."""
    return uuid4().hex


async def post(form: PresignedPost, data: bytes, **changed: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20) as client:
        return await client.post(form.url, data={**form.fields, **changed}, files={"file": ("f", data)})


async def fetch(url: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=20) as client:
        return await client.get(url)


@contextmanager
def silent_server() -> Iterator[str]:
    """Give the address of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def elsewhere(settings: CommonSettings, endpoint: str) -> Storage:
    return Storage(settings.model_copy(update={"s3_endpoint": endpoint}))


async def test_an_object_comes_back_as_it_was(store: Storage, prefix: str) -> None:
    await store.put(BUCKET, f"{prefix}/a", b"some bytes", PNG)
    assert await store.get(BUCKET, f"{prefix}/a", limit=10) == b"some bytes"
    found = await store.stat(BUCKET, f"{prefix}/a")
    assert found is not None
    assert (found.size, found.media_type) == (10, PNG)


async def test_more_than_the_limit_is_not_read(store: Storage, prefix: str) -> None:
    await store.put(BUCKET, f"{prefix}/a", b"some bytes", PNG)
    with pytest.raises(TooLarge):
        await store.get(BUCKET, f"{prefix}/a", limit=9)


async def test_what_is_not_there_has_a_name(store: Storage, prefix: str) -> None:
    assert await store.stat(BUCKET, f"{prefix}/none") is None
    with pytest.raises(ObjectMissing):
        await store.get(BUCKET, f"{prefix}/none", limit=1)
    with pytest.raises(ObjectMissing):
        await store.copy(BUCKET, f"{prefix}/none", BUCKET, f"{prefix}/other")


async def test_a_missing_bucket_says_which(store: Storage) -> None:
    with pytest.raises(BucketMissing, match="never-made"):
        await store.put("never-made", "a", b"x", PNG)
    with pytest.raises(BucketMissing, match="never-made"):
        await store.list_versions("never-made", "a")
    with pytest.raises(BucketMissing, match="never-made"):
        await store.delete_versions("never-made", [Version("a", "null")])
    with pytest.raises(BucketMissing, match="never-made"):
        await store.require_buckets(BUCKET, "never-made")


async def test_a_copy_is_another_object(store: Storage, prefix: str) -> None:
    await store.put(BUCKET, f"{prefix}/a", b"bytes", PNG)
    await store.copy(BUCKET, f"{prefix}/a", BUCKET, f"{prefix}/b")
    await store.delete(BUCKET, [f"{prefix}/a"])
    assert await store.get(BUCKET, f"{prefix}/b", limit=5) == b"bytes"


async def test_deleting_a_name_takes_every_version_and_no_neighbour(store: Storage, prefix: str) -> None:
    for _ in range(3):
        await store.put(BUCKET, f"{prefix}/1", b"x", PNG)
    await store.put(BUCKET, f"{prefix}/10", b"x", PNG)
    assert await store.delete(BUCKET, [f"{prefix}/1", f"{prefix}/1", f"{prefix}/none"]) == 3
    assert [version.name for version in await store.list_versions(BUCKET, f"{prefix}/")] == [f"{prefix}/10"]


async def test_deleting_a_prefix_takes_versions_and_markers(store: Storage, prefix: str) -> None:
    for name in ("a", "a", "b", "deep/er/c"):
        await store.put(BUCKET, f"{prefix}/{name}", b"x", PNG)
    await store._run("test", lambda: store._client.remove_object(BUCKET, f"{prefix}/b"))
    assert [name async for name in store.names(BUCKET, f"{prefix}/")] == [
        f"{prefix}/a",
        f"{prefix}/deep/er/c",
    ]
    assert await store.delete_prefix(BUCKET, f"{prefix}/") == 5
    assert await store.list_versions(BUCKET, f"{prefix}/") == []


async def test_deleting_what_is_gone_is_no_error(store: Storage, prefix: str) -> None:
    await store.put(BUCKET, f"{prefix}/a", b"x", PNG)
    versions = await store.list_versions(BUCKET, f"{prefix}/")
    await store.delete_versions(BUCKET, versions)
    await store.delete_versions(BUCKET, versions)
    await store.delete_versions(BUCKET, [])


async def test_what_could_not_be_deleted_is_told(store: Storage, prefix: str) -> None:
    locked, until = f"locked-{prefix}", Retention(GOVERNANCE, now() + timedelta(minutes=10))
    await store._run("test", lambda: store._client.make_bucket(locked, object_lock=True))
    put = partial(store._client.put_object, locked, "a", io.BytesIO(b"x"), 1, retention=until)
    await store._run("test", put)
    versions = await store.list_versions(locked, "a")
    with pytest.raises(Unavailable, match="1 of 1 versions could not be deleted"):
        await store.delete_versions(locked, versions)
    with pytest.raises(Unavailable):
        await store.delete_prefix(locked, "a")
    assert await store.list_versions(locked, "a") == versions


async def test_more_than_one_page(store: Storage, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "MOST_AT_ONCE", 4)
    await storage_module.together(store.put(BUCKET, f"{prefix}/{n:02}", b"x", PNG) for n in range(10))
    assert [len(page) async for page in store.pages(BUCKET, f"{prefix}/")] == [4, 4, 2]
    assert len([name async for name in store.names(BUCKET, f"{prefix}/")]) == 10
    assert await store.delete_prefix(BUCKET, f"{prefix}/") == 10
    assert await store.list_versions(BUCKET, f"{prefix}/") == []


async def test_a_form_posts_the_file_it_was_made_for(store: Storage, prefix: str) -> None:
    form = await store.presign_post(BUCKET, f"{prefix}/a", media_type=PNG, max_bytes=100)
    answer = await post(form, b"x" * 100)
    assert answer.is_success, answer.text
    found = await store.stat(BUCKET, f"{prefix}/a")
    assert found is not None
    assert (found.size, found.media_type) == (100, PNG)


async def test_a_form_takes_no_other_size_type_or_name(store: Storage, prefix: str) -> None:
    form = await store.presign_post(BUCKET, f"{prefix}/a", media_type=PNG, max_bytes=100, min_bytes=10)
    assert (await post(form, b"x" * 101)).status_code == 400
    assert (await post(form, b"x" * 9)).status_code == 400
    assert (await post(form, b"x" * 50, **{"Content-Type": "text/html"})).status_code == 403
    assert (await post(form, b"x" * 50, key=f"{prefix}/b")).status_code == 403
    assert await store.list_versions(BUCKET, f"{prefix}/") == []


async def test_a_form_expires(store: Storage, prefix: str) -> None:
    form = await store.presign_post(BUCKET, f"{prefix}/a", media_type=PNG, max_bytes=100, expires=SECOND)
    await asyncio.sleep(2.1)
    assert (await post(form, b"x")).status_code == 403
    assert await store.stat(BUCKET, f"{prefix}/a") is None


async def test_a_url_reads_one_object_for_a_short_time(store: Storage, prefix: str) -> None:
    for name in ("a", "b"):
        await store.put(BUCKET, f"{prefix}/{name}", b"bytes", PNG)
    url = await store.presign_get(BUCKET, f"{prefix}/a", filename='Grüße "x".png')
    answer = await fetch(url)
    assert (answer.status_code, answer.content) == (200, b"bytes")
    assert answer.headers["content-disposition"].endswith("filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%22x%22.png")
    assert (await fetch(url.replace(f"{prefix}/a", f"{prefix}/b"))).status_code == 403
    short = await store.presign_get(BUCKET, f"{prefix}/a", expires=SECOND)
    await asyncio.sleep(2.1)
    assert (await fetch(short)).status_code == 403


async def test_without_a_signature_nothing_is_read(
    store: Storage, prefix: str, common_settings: CommonSettings
) -> None:
    await store.put(BUCKET, f"{prefix}/a", b"bytes", PNG)
    assert (await fetch(f"{common_settings.s3_endpoint}/{BUCKET}/{prefix}/a")).status_code == 403


async def test_nothing_is_signed_for_longer_than_five_minutes(store: Storage) -> None:
    with pytest.raises(ValueError, match="at most"):
        await store.presign_get(BUCKET, "a", expires=timedelta(minutes=6))
    with pytest.raises(ValueError, match="at most"):
        await store.presign_post(BUCKET, "a", media_type=PNG, max_bytes=1, expires=timedelta(days=7))
    asked = parse_qs(urlsplit(await store.presign_get(BUCKET, "a")).query)["X-Amz-Expires"]
    assert asked == ["300"]


async def test_signing_asks_no_server_and_names_the_public_one(common_settings: CommonSettings) -> None:
    nowhere = {"s3_endpoint": "http://127.0.0.1:9", "s3_public_endpoint": "https://images.example.org"}
    signing = Storage(common_settings.model_copy(update=nowhere))
    assert (await signing.presign_get(BUCKET, "a")).startswith(f"https://images.example.org/{BUCKET}/a?")
    form = await signing.presign_post(BUCKET, "a", media_type=PNG, max_bytes=1)
    assert form.url == f"https://images.example.org/{BUCKET}"
    await signing.close()


async def test_a_store_that_is_down_is_unavailable(common_settings: CommonSettings) -> None:
    down = elsewhere(common_settings, "http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        await down.put(BUCKET, "a", b"x", PNG)
    await down.close()


async def test_a_store_that_hangs_is_unavailable_and_blocks_nobody(
    common_settings: CommonSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "READ_S", 0.3)
    with silent_server() as endpoint:
        hanging = elsewhere(common_settings, endpoint)
        call = asyncio.create_task(hanging.stat(BUCKET, "a"))
        clock, worst = asyncio.get_running_loop().time, 0.0
        started = clock()
        while not call.done():
            before = clock()
            await asyncio.sleep(0.01)
            worst = max(worst, clock() - before)
        with pytest.raises(Unavailable):
            call.result()
        took = clock() - started
        await hanging.close()
    assert took < 5, "three short tries, and then no more"
    assert worst < 0.25, "the event loop waited for the object store"


async def test_no_call_outlives_its_deadline(
    common_settings: CommonSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More calls than threads, to a store that hangs: those in the queue give up too."""
    monkeypatch.setattr(storage_module, "READ_S", 0.6)
    monkeypatch.setattr(storage_module, "DEADLINE_S", 0.4)
    with silent_server() as endpoint:
        hanging = elsewhere(common_settings, endpoint)
        started = asyncio.get_running_loop().time()
        calls = [hanging.stat(BUCKET, "a") for _ in range(2 * storage_module.THREADS)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        took = asyncio.get_running_loop().time() - started
        await hanging.close()
    assert all(isinstance(each, Unavailable) for each in ended)
    assert took < 2


async def test_every_call_is_timed(store: Storage, prefix: str) -> None:
    def count() -> float:
        return metric("pixera_storage_seconds_count", operation="put", outcome="ok")

    before = count()
    await store.put(BUCKET, f"{prefix}/a", b"x", PNG)
    assert count() == before + 1
