"""Reads every store directly, for the people of one seed: the services are not asked, and not trusted."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from minio import Minio
from minio.error import S3Error
from PIL import Image
from pydantic import SecretStr
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from contracts.asyncapi import all_subscriptions
from deploy.local.desk.messages import read as read_mail
from deploy.local.home import ROOT
from libs.common.blind_index import BlindIndexes
from libs.common.bus.topics import DEAD_LETTER_SUFFIX
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import locator
from libs.common.sealed_fields import SealedFields
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.vault.keys import DataKeys, key_name
from services.auth.models import EMAIL_INDEX
from services.gallery.models import Image as GalleryImage
from tests.chaos.history import Partition, digest
from tests.chaos.truth import GALLERY, GENERATED, Letter, Mailed, Published, Row, Stored

PREFIX = "pixera_"
DATA_MAP = ROOT / "contracts" / "data-map.json"
PATIENCE_MS = 5_000
DOWN_AFTER_MS = 2_000

Env = Mapping[str, str]


@asynccontextmanager
async def databases(env: Env) -> AsyncIterator["AsyncMongoClient[dict[str, Any]]"]:
    """Connect to MongoDB for the block, by a client of its own."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        env["PIXERA_MONGO_URI"],
        uuidRepresentation="standard",
        tz_aware=True,
        serverSelectionTimeoutMS=DOWN_AFTER_MS,
        socketTimeoutMS=4 * DOWN_AFTER_MS,
    )
    try:
        yield client
    finally:
        await client.close()


def database(client: "AsyncMongoClient[dict[str, Any]]", service: str) -> "AsyncDatabase[dict[str, Any]]":
    """Return a service's database."""
    return client[PREFIX + service]


async def rows(client: "AsyncMongoClient[dict[str, Any]]", name: str, query: Mapping[str, Any]) -> list[Row]:
    """Return the rows of `<service>.<collection>` that match."""
    service, _, collection = name.partition(".")
    return [*await database(client, service)[collection].find(query).to_list()]


async def keys(client: "AsyncMongoClient[dict[str, Any]]", env: Env, people: Iterable[UUID]) -> list[Row]:
    """Return whose key in the vault is not destroyed, as rows that name the person."""
    secret = SecretStr(env["PIXERA_PSEUDONYM_KEY"])
    owners = {key_name(secret, user_id): user_id for user_id in people}
    query = {"keyAltNames": {"$in": [*owners]}, "keyMaterial": {"$exists": True}}
    found = await rows(client, "vault.keys", query)
    return [{"_id": row["_id"], "user_id": owners[name]} for row in found for name in row["keyAltNames"]]


async def accounts(client: "AsyncMongoClient[dict[str, Any]]", env: Env, emails: Iterable[str]) -> list[Row]:
    """Return the accounts that have some addresses, by the index that they are found by; nothing is opened."""
    return await rows(client, "auth.users", {"email_key": {"$in": [*_email_keys(env, emails)]}})


def owners(env: Env, emails: Iterable[str], users: Iterable[Row]) -> dict[str, str]:
    """Return whose account has each of these addresses; a deleted one has given its address free."""
    keys = _email_keys(env, emails)
    return {keys[row["email_key"]]: str(row["_id"]) for row in users if row["email_key"] in keys}


def _email_keys(env: Env, emails: Iterable[str]) -> dict[str, str]:
    """Return addresses by what stands for them in the index."""
    indexes = BlindIndexes(SecretStr(env["PIXERA_BLIND_INDEX_KEY"]))
    return {indexes.of(EMAIL_INDEX, email): email for email in emails}


async def opened(env: Env, images: list[Row]) -> list[Row]:
    """Return images with what is sealed of them opened, or erased."""
    told = {name.removeprefix("PIXERA_").lower(): value for name, value in env.items()}
    settings = CommonSettings.model_validate(told)
    mongo = Mongo.connect(settings, "vault")
    sealing = Sealing(settings, DataKeys(mongo, settings))
    try:
        return [*await SealedFields(GalleryImage, sealing).opened([dict(row) for row in images])]
    finally:
        await sealing.close()
        await mongo.close()


@asynccontextmanager
async def _consumer(env: Env) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=env["PIXERA_KAFKA_BOOTSTRAP"], enable_auto_commit=False)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def partitions(env: Env) -> list[TopicPartition]:
    """Return every partition of every topic, Kafka's own aside."""
    admin = AIOKafkaAdminClient(bootstrap_servers=env["PIXERA_KAFKA_BOOTSTRAP"])
    await admin.start()
    try:
        described = await admin.describe_topics(await admin.list_topics())
    finally:
        await admin.close()
    names = ((topic["topic"], part["partition"]) for topic in described for part in topic["partitions"])
    return [TopicPartition(*name) for name in names if not name[0].startswith("__")]


async def ends(env: Env) -> dict[Partition, int]:
    """Return where every partition ends now."""
    places = await partitions(env)
    async with _consumer(env) as consumer:
        consumer.assign(places)  # else it waits for metadata that nothing asks for
        return {
            (place.topic, place.partition): end for place, end in (await consumer.end_offsets(places)).items()
        }


async def records(env: Env, starts: Mapping[Partition, int]) -> list[ConsumerRecord]:
    """Return every record since the starts, in order within each partition."""
    places = await partitions(env)
    found: list[ConsumerRecord] = []
    async with _consumer(env) as consumer:
        consumer.assign(places)
        until = await consumer.end_offsets(places)
        first = await consumer.beginning_offsets(places)
        for place in places:
            consumer.seek(place, max(first[place], starts.get((place.topic, place.partition), 0)))
        while [place for place in places if await consumer.position(place) < until[place]]:
            for some in (await consumer.getmany(timeout_ms=PATIENCE_MS)).values():
                found += some
    return sorted(found, key=lambda each: (each.topic, each.partition, each.offset))


def event_of(record: ConsumerRecord) -> Published:
    """Return what a record of an event's topic tells."""
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    return Published(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=(record.key or b"").decode(errors="replace"),
        id=headers.get("ce_id", ""),
        source=headers.get("ce_source", ""),
        time=datetime.fromisoformat(headers["ce_time"]),
        body=orjson.loads(record.value or b"{}"),
    )


def letter_of(record: ConsumerRecord) -> Letter:
    """Return what a dead letter says of itself."""
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    return Letter(
        group=record.topic.removesuffix(DEAD_LETTER_SUFFIX),
        topic=headers.get("dlq_topic", ""),
        event_id=headers.get("ce_id", ""),
        code=headers.get("dlq_error_code", ""),
    )


@cache
def holdings() -> Mapping[str, str]:
    """Return the collections of people's rows, by the path that leads to the person, from the data map."""
    scanned = json.loads(DATA_MAP.read_text())["scan"]
    plain = [target for target in scanned if target["erase"] != "destroy"]
    return {f"{target['database']}.{target['collection']}": target["subject"] for target in plain}


@cache
def readers() -> Mapping[str, frozenset[str]]:
    """Return, by topic, the groups that take its events in, as the services subscribe."""
    found: dict[str, set[str]] = {}
    for subscription in all_subscriptions():
        for topic in subscription.topics:
            found.setdefault(topic, set()).add(subscription.group)
    return {topic: frozenset(groups) for topic, groups in found.items()}


def object_store(env: Env) -> Minio:
    """Return a client of the object store."""
    address = urlsplit(env["PIXERA_S3_ENDPOINT"])
    keys = (env["PIXERA_S3_ACCESS_KEY"], env["PIXERA_S3_SECRET_KEY"])
    return Minio(address.netloc, *keys, secure=address.scheme == "https", region="us-east-1")


def locators(env: Env, user_ids: Iterable[Any]) -> dict[str, str]:
    """Return each person's prefix of objects."""
    key = SecretStr(env["PIXERA_PSEUDONYM_KEY"])
    return {str(user_id): locator(key, user_id) for user_id in user_ids}


async def objects(env: Env, prefixes: Iterable[str]) -> dict[str, dict[str, Stored]]:
    """Return every object of some people, whole, by bucket and name."""
    client, wanted = object_store(env), list(prefixes)
    return {
        bucket: await asyncio.to_thread(_objects, client, bucket, wanted) for bucket in (GALLERY, GENERATED)
    }


def names(client: Minio, bucket: str, prefix: str) -> list[str]:
    """Return the names of a person's objects in a bucket."""
    listed = client.list_objects(bucket, f"{prefix}/", recursive=True, include_version=True)
    return sorted({found.object_name or "" for found in listed if not found.is_delete_marker})


def _objects(client: Minio, bucket: str, prefixes: list[str]) -> dict[str, Stored]:
    listed = [name for prefix in prefixes for name in names(client, bucket, prefix)]
    found = {name: _stored(client, bucket, name) for name in listed}
    return {name: stored for name, stored in found.items() if stored is not None}


def _stored(client: Minio, bucket: str, name: str) -> Stored | None:
    """Return an object; nothing where it went since it was listed, on a platform that is not at rest."""
    try:
        answer = client.get_object(bucket, name)
    except S3Error as error:
        if error.code == "NoSuchKey":
            return None
        raise
    try:
        data = answer.read()
    finally:
        answer.close()
        answer.release_conn()
    pixels, kind = _shown(data)
    return Stored(len(data), digest(data), pixels, kind)


def _shown(data: bytes) -> tuple[str, str]:
    """Return the digest of an image's pixels, and what sort of file it is; nothing where it is no image."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return digest(image.convert("RGB").tobytes()), image.format or ""
    except OSError:
        return "", ""


def mails(folder: Path, since: datetime) -> list[Mailed]:
    """Return the mails captured since a moment."""
    first = int(since.timestamp() * 1e9)
    files = [file for file in sorted(folder.glob("*.eml")) if int(file.stem) >= first]
    return [_mailed(file) for file in files]


def _mailed(file: Path) -> Mailed:
    mail = read_mail(file)
    return Mailed(mail.to, mail.subject, datetime.fromtimestamp(int(file.stem) / 1e9, UTC))
