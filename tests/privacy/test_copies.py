"""Copies that no erasure reaches (a backup, topics, dead letters, the replication log): the key takes them along."""

import base64
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from bson import Binary, Timestamp, encode
from pymongo.errors import EncryptionError

from libs.common.bus.consumes import Subscription
from libs.common.bus.process import Bus
from libs.common.bus.topics import dead_letter_topic, ensure_topics
from libs.common.clock import new_id, now
from libs.common.errors import Invalid
from libs.common.events.gallery import ImageCaptionedV1
from libs.common.mongo import Mongo
from libs.common.privacy.tombstones import Tombstones
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.testing.kafka import records_of
from libs.common.testing.serving import serving
from libs.common.testing.waiting import eventually
from libs.common.vault.cipher import CIPHERTEXT
from libs.common.vault.keys import vault_database
from libs.common.work import UnitOfWork
from services.gallery.models import Image
from services.privacy.main import create_app
from services.privacy.settings import PrivacySettings
from tests.privacy.conftest import settings_with
from tests.privacy.holders import Others, others, write_data_map
from tests.privacy.test_protocol import verified

SEALED = re.compile(rb"A[g-v][A-Za-z0-9+/]{106,}={0,2}")
WORDS = "what only Ada may read"
GROUP = "gallery.give-up"
UNSEEN = "a copy does not hold what was written: it would show nothing"


@pytest.fixture(scope="module")
def settings(common_settings: CommonSettings, tmp_path_factory: pytest.TempPathFactory) -> PrivacySettings:
    """Settings of a privacy that knows the platform's own data map."""
    return settings_with(common_settings, write_data_map(tmp_path_factory.mktemp("copies") / "data-map.json"))


@pytest.fixture
async def holders(settings: PrivacySettings) -> AsyncIterator[Others]:
    async with others(settings) as running:
        yield running


async def test_nothing_sealed_of_an_erased_person_opens_from_any_copy(
    settings: PrivacySettings, holders: Others
) -> None:
    began, goes, stays = now(), await holders.person(), await holders.person()
    async with giving_up(settings, holders, goes, stays):
        hers, his = await write(holders, goes), await write(holders, stays)
        dead_letters = sealed_in(await records(settings, dead_letter_topic(GROUP).name, goes, stays))
    rows, (in_rows, in_events) = sealed_in(await backup(settings, holders)), zip(hers, his, strict=True)
    events = sealed_in(await records(settings, ImageCaptionedV1.topic, goes, stays))
    oplog = sealed_in(await replication_log(holders, began))
    assert rows >= {*in_rows}, UNSEEN
    assert events >= {*in_events} <= dead_letters, UNSEEN
    assert oplog >= {*hers, *his}, UNSEEN
    copies = rows | events | dead_letters | oplog
    assert await readable(settings, holders, copies, goes) == 2
    assert await readable(settings, holders, copies, stays) == 2

    async with serving(create_app("all", settings)):
        case_id = await holders.delete(goes)
        privacy = Mongo.connect(settings, "privacy")
        await verified(privacy, case_id)
        await privacy.close()

    kept = sealed_in(await records(settings, dead_letter_topic(GROUP).name, goes, stays))
    assert kept >= {*in_events}, "it was not the key that took them"
    assert await readable(settings, holders, copies, goes) == 0
    assert await readable(settings, holders, copies, stays) == 2
    assert await opened_by_force(settings, holders, hers) == 0
    assert await opened_by_force(settings, holders, his) == 2


async def write(holders: Others, person: UUID) -> list[str]:
    """Have a row and an event carry a person's words sealed; return them so."""
    gallery = holders.services["gallery"]
    in_row, in_event = await holders.sealing.seal(person, [WORDS, WORDS])
    row = {"_id": uuid4(), "user_id": person, "caption": in_row, "created_at": now()}
    await gallery.mongo.collection(Image.collection).insert_one(row)
    event = ImageCaptionedV1(user_id=person, image_id=new_id(), sealed_caption=in_event, captioned_at=now())
    await gallery.mongo.transaction(lambda: gallery.outbox.add(event))
    return [in_row, in_event]


async def backup(settings: PrivacySettings, holders: Others) -> list[bytes]:
    """Return every row of every database but the vault."""
    client, rows = holders.services["gallery"].mongo.client, []
    for name in await client.list_database_names():
        if name.startswith(settings.mongo_database_prefix) and name != vault_database(settings):
            database = Mongo(client, name)
            for collection in await database.collection_names():
                rows += [row async for row in database.collection(collection).stream({})]
    return [encode(row, codec_options=client.codec_options) for row in rows]


async def records(settings: PrivacySettings, topic: str, *people: UUID) -> list[bytes]:
    """Return what is in a topic, once something of each of these people is."""

    async def look() -> list[bytes]:
        found = await records_of(settings.kafka_bootstrap, topic)
        keys = {record.key for record in found}
        return [r.value or b"" for r in found] if {str(each).encode() for each in people} <= keys else []

    return await eventually(look, 60)


@asynccontextmanager
async def giving_up(settings: PrivacySettings, holders: Others, *people: UUID) -> AsyncIterator[None]:
    """Run a consumer group that gives up on every event of these people."""
    gallery = holders.services["gallery"]

    async def handle(event: ImageCaptionedV1) -> None:
        if event.user_id in people:
            raise Invalid

    work = UnitOfWork(gallery.mongo, gallery.outbox, Tombstones(gallery.mongo))
    subscription = Subscription((ImageCaptionedV1,), GROUP, handle, io=False)
    bus = Bus(settings, "gallery", gallery.mongo, work, [subscription])
    await ensure_topics(settings.kafka_bootstrap, [dead_letter_topic(GROUP)])
    await bus.start()
    try:
        yield
    finally:
        await bus.stop()


async def replication_log(holders: Others, since: datetime) -> list[bytes]:
    """Return what MongoDB's own log holds since a moment."""
    client = holders.services["gallery"].mongo.client
    rows = Mongo(client, "local").collection("oplog.rs")
    found = rows.stream({"ts": {"$gte": Timestamp(int(since.timestamp()), 0)}})
    return [encode(row, codec_options=client.codec_options) async for row in found]


def sealed_in(copies: Sequence[bytes]) -> set[str]:
    """Return all that looks sealed; other tests' examples look so, and are no base64."""
    found = {match.decode() for copy in copies for match in SEALED.findall(copy)}
    return {each for each in found if len(each) % 4 == 0}


async def readable(settings: PrivacySettings, holders: Others, copies: set[str], person: UUID) -> int:
    """Count what opens to a person's words in a process that has the master key, and was started just now."""
    sealing = Sealing(settings, holders.keys)
    opened = await sealing.opened(person, sorted(copies))
    await sealing.close()
    return sum(value == WORDS for value in opened)


async def opened_by_force(settings: PrivacySettings, holders: Others, sealed: list[str]) -> int:
    """Count what the library opens with all that is left in the vault, past our own look at whose it is."""
    sealing, opened = Sealing(settings, holders.keys), 0
    for each in sealed:
        try:
            opened += sealing._cipher._crypt().decrypt(Binary(base64.b64decode(each), CIPHERTEXT)) == WORDS
        except EncryptionError:
            continue
    await sealing.close()
    return opened
