"""Reads everything the platform stores, and looks for a person in it.

It shares no code with the erasure, and none with the services: it asks the servers what databases, buckets and
topics there are, reads every byte of each with the plain clients, MongoDB's replication log and dead letters
included, and opens what is compressed, and what is sealed with a key that exists.
"""

import gzip
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ahocorasick_rs import BytesAhoCorasick
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from bson import Timestamp
from bson.raw_bson import RawBSONDocument
from minio import Minio
from minio.datatypes import Object
from minio.error import S3Error
from pymongo import MongoClient

from demo.files import stored
from demo.needles import Needle, unique
from demo.opener import Opener, vault_database

OPLOG = "oplog.rs"
Copies = list[tuple[str, bytes]]
"""What was copied, by where it was."""
GZIP = b"\x1f\x8b\x08"
ZLIB = (b"\x78\x01", b"\x78\x9c", b"\x78\xda")
DEEPEST = 3
GONE = frozenset({"NoSuchKey", "NoSuchVersion"})
PATIENCE_MS = 2_000


@dataclass(frozen=True)
class Since:
    """What is not read again: records below these offsets (by topic, partition), objects stored before a moment."""

    offsets: Mapping[tuple[str, int], int]
    moment: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """A trace of the person: where it is, what it is, and how it is written."""

    where: str
    kind: str
    encoding: str


@dataclass
class Scan:
    """What was read, and what was found in it."""

    read: Counter[str] = field(default_factory=Counter)
    size: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def kinds(self) -> Counter[str]:
        """Return how often each kind of trace was found."""
        return Counter(finding.kind for finding in self.findings)


class Scanner:
    """Looks for one person's needles in everything that is stored.

    Args:     env: how the servers are reached, as the launcher tells it (`PIXERA_…`);
              since: leave out what was there before somebody came; everything is read where it is not given.
    """

    def __init__(self, env: Mapping[str, str], needles: list[Needle], since: Since | None = None) -> None:
        self._env, self._since = env, since
        self._needles = unique(needles)
        self._vault = f"mongo {vault_database(env)}."
        self._machine = BytesAhoCorasick([needle.data for needle in self._needles])

    async def run(self) -> Scan:
        """Read every database, bucket and topic from its beginning."""
        scan = Scan()
        with closing(Opener(self._env)) as opener:
            for where, data in self._documents():
                self._look(scan, "documents", where, data, opener)
            for where, data in self._objects():
                self._look(scan, "object versions", where, data)
            async for where, data in self._records():
                self._look(scan, "records", where, data, opener)
        scan.read["sealed values opened"] = opener.opened
        return scan

    def copied(self) -> Copies:
        """Return a copy of every document but the vault's, as a backup has them."""
        return [(where, data) for where, data in self._documents() if not where.startswith(self._vault)]

    def reread(self, copies: Copies) -> Scan:
        """Look into a copy that was made before, with the keys that there are now."""
        scan = Scan()
        with closing(Opener(self._env)) as opener:
            for where, data in copies:
                self._look(scan, "documents", where, data, opener)
        return scan

    def files(self, folder: Path) -> Scan:
        """Read what the servers have on disk, every file as it lies there, and what is sealed in it."""
        scan = Scan()
        with closing(Opener(self._env)) as opener:
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    where = f"disk {file.relative_to(folder).parts[0]}"
                    self._look(scan, "files", where, stored(file), opener)
        return scan

    def _look(self, scan: Scan, unit: str, where: str, data: bytes, opener: Opener | None = None) -> None:
        scan.read[unit] += 1
        scan.size += len(data)
        sealed = opener.inside(data) if opener else ()
        for opened in chain(_opened(data), sealed):
            for number in {
                match[0] for match in self._machine.find_matches_as_indexes(opened, overlapping=True)
            }:
                needle = self._needles[number]
                scan.findings.append(Finding(where, needle.kind, needle.encoding))

    def _documents(self) -> Iterator[tuple[str, bytes]]:
        with MongoClient(self._env["PIXERA_MONGO_URI"], document_class=RawBSONDocument) as client:
            for database in sorted(client.list_database_names()):
                for collection in client[database].list_collection_names():
                    for row in client[database][collection].find(self._wanted(collection)):
                        yield f"mongo {database}.{collection}", bytes(row.raw)

    def _wanted(self, collection: str) -> dict[str, Any]:
        """Return which documents are read: of the replication log no older ones than of anything else."""
        if collection != OPLOG or self._since is None:
            return {}
        return {"ts": {"$gte": Timestamp(int(self._since.moment.timestamp()), 0)}}

    def _objects(self) -> Iterator[tuple[str, bytes]]:
        store = urlsplit(self._env["PIXERA_S3_ENDPOINT"])
        client = Minio(
            store.netloc,
            self._env["PIXERA_S3_ACCESS_KEY"],
            self._env["PIXERA_S3_SECRET_KEY"],
            secure=store.scheme == "https",
        )
        for bucket in client.list_buckets():
            for version in client.list_objects(bucket.name, recursive=True, include_version=True):
                if self._since and version.last_modified and version.last_modified < self._since.moment:
                    continue
                yield f"s3 {bucket.name}", _content(client, bucket.name, version)

    async def _records(self) -> AsyncIterator[tuple[str, bytes]]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._env["PIXERA_KAFKA_BOOTSTRAP"],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            exclude_internal_topics=False,
        )
        await consumer.start()
        try:
            partitions = await _partitions(self._env["PIXERA_KAFKA_BOOTSTRAP"])
            first = self._since.offsets if self._since else {}
            async for record in _everything(consumer, partitions, first):
                yield f"kafka {record.topic}", _flat(record)
        finally:
            await consumer.stop()


def _content(client: Minio, bucket: str, version: Object) -> bytes:
    """Return an object version's name, headers and bytes.

    A delete marker has a name only, and so has what was deleted since it was listed: other people go on meanwhile.
    """
    name = (version.object_name or "").encode()
    if version.is_delete_marker:
        return name
    try:
        answer = client.get_object(bucket, version.object_name or "", version_id=version.version_id)
    except S3Error as error:
        if error.code in GONE:
            return name
        raise
    try:
        headers = "\n".join(f"{key}: {value}" for key, value in answer.headers.items())
        return b"\n".join((name, headers.encode(), answer.read()))
    finally:
        answer.close()
        answer.release_conn()


async def _partitions(bootstrap: str) -> list[TopicPartition]:
    """Return every partition of every topic that the broker has, its own included."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        described = await admin.describe_topics(await admin.list_topics())
    finally:
        await admin.close()
    return [
        TopicPartition(topic["topic"], one["partition"]) for topic in described for one in topic["partitions"]
    ]


async def _everything(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], first: Mapping[tuple[str, int], int]
) -> AsyncIterator[ConsumerRecord]:
    """Yield every record that was in any topic when the scan began, from the first that is wanted."""
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    await consumer.seek_to_beginning(*partitions)
    for place in partitions:
        if (place.topic, place.partition) in first:
            consumer.seek(place, min(first[place.topic, place.partition], ends[place]))
    while [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
        for records in (await consumer.getmany(timeout_ms=PATIENCE_MS)).values():
            for record in records:
                yield record


def _flat(record: ConsumerRecord) -> bytes:
    parts = [record.key or b"", record.value or b""]
    for key, value in record.headers:
        parts += [key.encode(), value or b""]
    return b"\n".join(parts)


def _opened(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """Yield the data, and what is packed inside it."""
    yield data
    if depth < DEEPEST:
        for inner in _unpacked(data):
            yield from _opened(inner, depth + 1)


def _unpacked(data: bytes) -> Iterator[bytes]:
    start = data.find(GZIP)
    if start >= 0:
        try:
            yield gzip.decompress(data[start:])
        except (OSError, EOFError, zlib.error):
            return
    if data.startswith(ZLIB):
        try:
            yield zlib.decompress(data)
        except zlib.error:
            return
