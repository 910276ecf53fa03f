"""The only door to the object store: any S3, through minio, in bounded threads, so that nothing blocks the loop.

The client's own defaults (timeouts of five minutes, five repeats, presigned URLs of a week) are all overridden.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from minio import Minio
from minio.commonconfig import ENABLED, CopySource
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, S3Error, ServerError
from minio.versioningconfig import VersioningConfig
from prometheus_client import Histogram
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from libs.common.clock import now
from libs.common.errors import NotFound, TooLarge, Unavailable
from libs.common.settings import CommonSettings

T = TypeVar("T")

THREADS, BULK_THREADS = 16, 8  # apart, so that an erasure holds up nobody's upload
CONNECT_S, READ_S, DEADLINE_S = 2.0, 10.0, 40.0
BULK_READ_S, BULK_DEADLINE_S = (
    30.0,
    100.0,
)  # hundreds of versions in one request: nobody's browser waits for it
RETRY = Retry(
    total=2,
    backoff_factor=0.2,
    status_forcelist=(500, 502, 503, 504),
    allowed_methods=None,  # every call made here may be repeated: the same bytes under the same name, or gone
    raise_on_status=False,
)
WHOLE = 64 * 1024 * 1024  # bytes; above any object of ours, so that none is stored in parts
MOST_AT_ONCE = 1_000  # what S3 takes in one DeleteObjects, and gives in one listing
LONGEST_PRESIGNED = timedelta(minutes=5)
GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchObject"})

STORAGE_SECONDS = Histogram(
    "pixera_storage_seconds",
    "Time of a call to the object store.",
    ("operation", "outcome"),
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 40),
)


class ObjectMissing(NotFound):
    """No such object."""

    code, title = "object-missing", "This file is not there"


class BucketMissing(Unavailable):
    """A bucket that the service needs has not been made; whoever deploys it does."""

    code, title = "bucket-missing", "A bucket has not been made yet"


class StorageRefused(Unavailable):
    """The object store refused: credentials, permissions, a name it does not take."""

    code, title = "storage-refused", "The object store refused the request"


class Version(NamedTuple):
    """One version of an object, or one of its delete markers."""

    name: str
    version: str


class Aged(NamedTuple):
    """A version of an object, or a delete marker, and when it was stored."""

    name: str
    version: str
    modified: datetime | None


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of an object without reading it."""

    size: int
    media_type: str
    etag: str
    modified: datetime | None


@dataclass(frozen=True, slots=True)
class PresignedPost:
    """A form by which a browser posts one file straight to the object store: fields first, then `file`."""

    url: str
    fields: dict[str, str]
    expires_at: datetime


class Storage:
    """Objects by bucket and name. Made in the composition root; it connects at first use.

    Every call raises Unavailable when the store does not answer within its time, BucketMissing when the bucket
    is not there; both are retried by handlers and answered 503 by routes.
    """

    def __init__(self, settings: CommonSettings) -> None:
        self._public_url = settings.s3_public_endpoint.rstrip("/")
        self._client = _client(settings, settings.s3_endpoint)
        self._bulk = _client(settings, settings.s3_endpoint, read_s=BULK_READ_S)
        self._public = _client(settings, settings.s3_public_endpoint)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="storage")
        self._bulk_threads = ThreadPoolExecutor(BULK_THREADS, thread_name_prefix="storage-bulk")

    async def put(self, bucket: str, name: str, data: bytes, media_type: str) -> None:
        """Store an object; in a versioned bucket an earlier one of the name stays as an older version.

        In one request whatever its size: parts of an upload that was cut short would lie where no listing shows.
        """
        await self._run(
            "put",
            lambda: self._client.put_object(
                bucket, name, io.BytesIO(data), len(data), media_type, part_size=WHOLE
            ),
        )

    async def get(self, bucket: str, name: str, limit: int) -> bytes:
        """Return an object's bytes.

        Raises:   ObjectMissing (404); TooLarge (413): it has more than `limit` bytes.
        """
        return await self._run("get", lambda: self._read(bucket, name, limit))

    async def fetch(self, bucket: str, name: str) -> tuple[bytes, str]:
        """Return an object whole, and its media type. Raises ObjectMissing; TooLarge: no object of ours is."""
        return await self._run("get", lambda: self._read_whole(bucket, name, WHOLE))

    async def stat(self, bucket: str, name: str) -> Stat | None:
        """Return what is known of an object, or None where there is none."""
        try:
            found = await self._run("stat", lambda: self._client.stat_object(bucket, name))
        except ObjectMissing:
            return None
        return Stat(found.size or 0, found.content_type or "", found.etag or "", found.last_modified)

    async def copy(self, from_bucket: str, from_name: str, to_bucket: str, to_name: str) -> None:
        """Copy an object inside the store. Raises ObjectMissing."""
        source = CopySource(from_bucket, from_name)
        await self._run("copy", lambda: self._client.copy_object(to_bucket, to_name, source))

    async def pages(self, bucket: str, prefix: str) -> AsyncIterator[list[Version]]:
        """Yield every version and delete marker under a prefix, at most a thousand in memory at a time."""
        listing = self._listing(bucket, prefix)
        while page := await self._run("list", lambda: list(islice(listing, MOST_AT_ONCE))):
            yield page

    async def aged_pages(self, bucket: str, after: str = "") -> AsyncIterator[list[Aged]]:
        """Yield every version of every object behind a name, with its age, at most a thousand in memory at a time."""
        listing = self._client.list_objects(
            bucket, recursive=True, include_version=True, start_after=after or None
        )
        while page := await self._run("list", lambda: list(islice(listing, MOST_AT_ONCE))):
            yield [
                Aged(each.object_name or "", each.version_id or "null", each.last_modified) for each in page
            ]

    async def list_versions(self, bucket: str, prefix: str) -> list[Version]:
        """Return every version and delete marker under a prefix. For prefixes known to be small."""
        return [version async for page in self.pages(bucket, prefix) for version in page]

    async def names(self, bucket: str, prefix: str) -> AsyncIterator[str]:
        """Yield the name of every object under a prefix, as it is now."""
        listing = self._client.list_objects(bucket, prefix, recursive=True)
        while page := await self._run("list", lambda: list(islice(listing, MOST_AT_ONCE))):
            for found in page:
                yield found.object_name or ""

    async def stored_since(self, bucket: str, moment: datetime | None) -> AsyncIterator[list[str]]:
        """Yield the names of the objects that were stored from a moment on, or of all, a page at a time."""
        listing = self._client.list_objects(bucket, recursive=True)
        while page := await self._run("list", lambda: list(islice(listing, MOST_AT_ONCE))):
            yield [
                found.object_name or ""
                for found in page
                if moment is None or found.last_modified is None or found.last_modified >= moment
            ]

    async def delete_versions(self, bucket: str, versions: Sequence[Version]) -> None:
        """Delete these versions for good; one that is gone already is no error."""
        parts = [versions[start : start + MOST_AT_ONCE] for start in range(0, len(versions), MOST_AT_ONCE)]
        await together(self._run("delete", partial(self._remove, bucket, part)) for part in parts)

    async def delete(self, bucket: str, names: Iterable[str]) -> int:
        """Delete objects for good, every version of each; return how many versions and markers went."""
        listed = await together(self._versions_of(bucket, name) for name in dict.fromkeys(names))
        found = [version for versions in listed for version in versions]
        await self.delete_versions(bucket, found)
        return len(found)

    async def delete_prefix(self, bucket: str, prefix: str) -> int:
        """Delete all that lies under a prefix, every version; return how many versions and markers went."""
        gone = 0
        async for page in self.pages(bucket, prefix):
            await self.delete_versions(bucket, page)
            gone += len(page)
        return gone

    async def presign_get(
        self, bucket: str, name: str, *, expires: timedelta = LONGEST_PRESIGNED, filename: str | None = None
    ) -> str:
        """Return a URL by which anyone who has it reads one object for a short time. Costs no I/O.

        Args:     expires: at most five minutes; filename: what a browser saves it as.
        """
        headers: dict[str, str | list[str] | tuple[str]] = {}
        if filename is not None:
            headers["response-content-disposition"] = (
                f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
            )
        return self._public.presigned_get_object(bucket, name, _short(expires), response_headers=headers)

    async def presign_post(
        self,
        bucket: str,
        name: str,
        *,
        media_type: str,
        max_bytes: int,
        min_bytes: int = 1,
        expires: timedelta = LONGEST_PRESIGNED,
    ) -> PresignedPost:
        """Return a form that posts one file of this name, type and size, and no other. Costs no I/O."""
        expires_at = now() + _short(expires)
        policy = PostPolicy(bucket, expires_at)
        policy.add_equals_condition("key", name)
        policy.add_equals_condition("Content-Type", media_type)
        policy.add_content_length_range_condition(min_bytes, max_bytes)
        signed = self._public.presigned_post_policy(policy)
        fields = {"key": name, "Content-Type": media_type, **signed}
        return PresignedPost(f"{self._public_url}/{bucket}", fields, expires_at)

    async def require_buckets(self, *buckets: str) -> None:
        """Return once these buckets are known to exist. Raises BucketMissing, naming the first that does not."""
        for bucket in buckets:
            if not await self._run("stat", partial(self._client.bucket_exists, bucket)):
                raise BucketMissing(f"bucket {bucket} does not exist")

    async def buckets(self) -> list[str]:
        """Return the names of all buckets that exist."""
        return sorted(bucket.name for bucket in await self._run("list", self._client.list_buckets))

    async def ensure_buckets(self, *buckets: str) -> None:
        """Make the buckets that are missing, and switch versioning on: for launchers and tests."""
        for bucket in buckets:
            await self._run("make", partial(self._make, bucket))

    async def close(self) -> None:
        """End the threads; calls that wait for one are dropped."""
        for threads in (self._threads, self._bulk_threads):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, operation: str, call: Callable[[], T]) -> T:
        """Run one blocking call in a thread, within the deadline, timed, its failure named."""
        outcome, loop = "failed", asyncio.get_running_loop()
        bulk, started = operation == "delete", loop.time()
        try:
            async with asyncio.timeout(BULK_DEADLINE_S if bulk else DEADLINE_S):
                threads = self._bulk_threads if bulk else self._threads
                done = await loop.run_in_executor(threads, _named_failures, call)
            outcome = "ok"
        except TimeoutError as error:
            raise Unavailable("the object store does not answer") from error
        except ObjectMissing:
            outcome = "missing"
            raise
        finally:
            STORAGE_SECONDS.labels(operation, outcome).observe(loop.time() - started)
        return done

    def _read(self, bucket: str, name: str, limit: int) -> bytes:
        data, _ = self._read_whole(bucket, name, limit)
        return data

    def _read_whole(self, bucket: str, name: str, limit: int) -> tuple[bytes, str]:
        response = self._client.get_object(bucket, name)
        try:
            data: bytes = response.read(limit + 1)
        finally:
            response.close()
            response.release_conn()
        if len(data) > limit:
            raise TooLarge(f"the file has more than {limit} bytes")
        return data, response.headers.get("Content-Type", "")

    def _listing(self, bucket: str, prefix: str) -> Iterator[Version]:
        for found in self._client.list_objects(bucket, prefix, recursive=True, include_version=True):
            yield Version(found.object_name or "", found.version_id or "null")

    async def _versions_of(self, bucket: str, name: str) -> list[Version]:
        return [version for version in await self.list_versions(bucket, name) if version.name == name]

    def _remove(self, bucket: str, versions: Sequence[Version]) -> None:
        wanted = [DeleteObject(name, version) for name, version in versions]
        errors = [error for error in self._bulk.remove_objects(bucket, wanted) if error.code not in GONE]
        if errors:
            raise Unavailable(
                f"{len(errors)} of {len(wanted)} versions could not be deleted: {errors[0].code}"
            )

    def _make(self, bucket: str) -> None:
        if not self._client.bucket_exists(bucket):
            self._client.make_bucket(bucket)
        self._client.set_bucket_versioning(bucket, VersioningConfig(ENABLED))


async def together(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Wait for all calls, also when one fails, so that none goes on unseen; then raise the first failure."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    for result in ended:
        if isinstance(result, BaseException):
            raise result
    return [result for result in ended if not isinstance(result, BaseException)]


def _named_failures(call: Callable[[], T]) -> T:
    """Run a call of the client; let its failures out under the project's names."""
    try:
        return call()
    except S3Error as error:
        if error.code in GONE:
            raise ObjectMissing from error
        if error.code == "NoSuchBucket":
            raise BucketMissing(f"bucket {error.bucket_name} does not exist") from error
        raise StorageRefused(f"the object store refused: {error.code}") from error
    except (HTTPError, ServerError, InvalidResponseError, OSError) as error:
        raise Unavailable("the object store does not answer") from error


def _short(expires: timedelta) -> timedelta:
    if not timedelta(0) < expires <= LONGEST_PRESIGNED:
        raise ValueError(f"a presigned URL lives for at most {LONGEST_PRESIGNED}")
    return expires


def _client(settings: CommonSettings, endpoint: str, *, read_s: float | None = None) -> Minio:
    """Return a client; with the region given, it asks the server for nothing before it signs."""
    address = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}")
    timeout = Timeout(connect=CONNECT_S, read=read_s or READ_S)
    access_key, secret_key = settings.s3_access_key, settings.s3_secret_key
    if not (access_key and secret_key):  # without them the client would ask as nobody
        raise ValueError("this process keeps objects and was not given PIXERA_S3_ACCESS_KEY and _SECRET_KEY")
    return Minio(
        address.netloc,
        access_key=access_key.get_secret_value(),
        secret_key=secret_key.get_secret_value(),
        secure=address.scheme == "https",
        region=settings.s3_region,
        http_client=PoolManager(maxsize=THREADS, timeout=timeout, retries=RETRY),
    )
