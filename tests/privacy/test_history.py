"""The event log over HTTP: what an operator sees of it, what is written down first, and that none stays open."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from libs.common.bus.envelope import headers_of
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.topics import ensure_topics
from libs.common.clock import new_id, now
from libs.common.events.auth import UserRegisteredV1, UserVerifiedV1
from libs.common.events.base import Event
from libs.common.events.billing import CreditsGrantedV1
from libs.common.events.gallery import ImageCaptionedV1
from libs.common.events.generation import GenerationQueuedV1
from libs.common.sealing import Sealing
from libs.common.testing.kafka import raw_producer
from libs.common.testing.metrics import metric
from libs.common.testing.serving import serving
from libs.common.testing.tokens import bearer
from libs.common.testing.waiting import eventually
from libs.common.vault.keys import DataKeys
from services.privacy import history
from services.privacy.main import create_app
from tests.privacy.conftest import Privacy

OPERATOR = uuid4()
CIPHERTEXT = "Ag" + "A" * 120


@pytest.fixture(scope="module")
async def api(privacy: Privacy) -> AsyncIterator[httpx.AsyncClient]:
    await ensure_topics(privacy.settings.kafka_bootstrap)
    async with (
        serving(create_app("api", privacy.settings)) as address,
        httpx.AsyncClient(base_url=f"{address}/api/privacy/v1/staff", timeout=30) as client,
    ):
        yield client


def staff() -> dict[str, str]:
    return bearer(OPERATOR, roles=["staff"])


async def publish(privacy: Privacy, *events: Event) -> None:
    """Publish events as the relay does."""
    async with raw_producer(privacy.settings.kafka_bootstrap) as producer:
        for event in events:
            row = OutboxRow.of(event, "/pixera/tests", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")
            await producer.send_and_wait(event.topic, row.body, key=row.key.encode(), headers=headers_of(row))


def life_of(user_id: UUID) -> list[Event]:
    """Return what happened to somebody, in its order."""
    at = now()
    return [
        UserRegisteredV1(user_id=user_id, registered_at=at, terms_version="1", policy_version="1"),
        UserVerifiedV1(user_id=user_id),
        CreditsGrantedV1(user_id=user_id, credits=10, reason="welcome"),
        GenerationQueuedV1(user_id=user_id, job_id=new_id()),  # keyed by the job
        ImageCaptionedV1(user_id=user_id, image_id=new_id(), sealed_caption=CIPHERTEXT, captioned_at=at),
    ]


async def lines(api: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = await api.get(path, params=params, headers=staff())
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def actions(privacy: Privacy, subject: UUID | None) -> list[str]:
    rows = await privacy.mongo.collection(OutboxRow).find({"topic": "action.recorded"})
    bodies = [json.loads(row["body"]) for row in rows]
    return [body["action"] for body in bodies if body["user_id"] == (subject and str(subject))]


async def test_a_persons_timeline_is_in_order_and_opens_nothing(
    privacy: Privacy, api: httpx.AsyncClient
) -> None:
    me, other = uuid4(), uuid4()
    story = life_of(me)
    await publish(privacy, *(event for pair in zip(story, life_of(other), strict=True) for event in pair))
    shown = await lines(api, "/events/timeline", subject=me)
    events = [line for line in shown if line["kind"] == "event"]
    assert [event["type"] for event in events] == [event.type_name() for event in story]
    assert {event["source"] for event in events} == {"/pixera/tests"}
    assert str(other) not in json.dumps(shown)
    assert CIPHERTEXT not in json.dumps(shown)
    assert (shown[-1]["kind"], shown[-1]["events"], shown[-1]["malformed"]) == ("end", 5, 0)
    assert await actions(privacy, me) == ["events.timeline-read"]


async def test_what_is_sealed_says_whether_anybody_can_still_open_it(
    privacy: Privacy, api: httpx.AsyncClient
) -> None:
    keys = DataKeys(privacy.mongo, privacy.settings)
    await keys.prepare()
    sealing = Sealing(privacy.settings, keys)
    me = uuid4()
    (caption,) = await sealing.seal(me, ["the lighthouse where we met"])
    await publish(
        privacy,
        ImageCaptionedV1(user_id=me, image_id=new_id(), sealed_caption=caption, captioned_at=now()),
        ImageCaptionedV1(user_id=me, image_id=new_id(), captioned_at=now()),
    )

    async def told() -> list[str | None]:
        shown = await lines(api, "/events/timeline", subject=me)
        return [line["data"]["sealed_caption"] for line in shown if line["kind"] == "event"]

    assert await told() == ["sealed", None]
    await keys.destroy(me)
    assert await told() == ["erased", None]
    await sealing.close()


async def test_a_replay_is_filtered_and_written_down(privacy: Privacy, api: httpx.AsyncClient) -> None:
    me = uuid4()
    await publish(privacy, *life_of(me))
    shown = await lines(api, "/events", type="pixera.user.verified.v1", subject=me)
    assert [line["type"] for line in shown if line["kind"] == "event"] == ["pixera.user.verified.v1"]
    by_topic = await lines(api, "/events", topic=["user.verified", "credits.granted"], subject=me, rate=100)
    assert by_topic[-1]["events"] == 2
    assert await actions(privacy, me) == ["events.replayed", "events.replayed"]


async def test_what_is_no_event_is_said_and_not_shown(privacy: Privacy, api: httpx.AsyncClient) -> None:
    secret = b"someone@example.org"
    bad: list[tuple[list[tuple[str, bytes]], bytes | None]] = [
        ([], secret),
        ([("ce_type", b"\xff\xfe")], secret),
        ([("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"pixera.user.verified.v1")], b"{"),
        ([("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"pixera.user.verified.v9")], b"{}"),
        ([], None),
    ]
    since = now()
    async with raw_producer(privacy.settings.kafka_bootstrap) as producer:
        for headers, value in bad:
            await producer.send_and_wait("user.verified", value, key=b"k", headers=headers)
    answer = await api.get(
        "/events", params={"topic": "user.verified", "since": since.isoformat()}, headers=staff()
    )
    shown = [json.loads(line) for line in answer.text.splitlines()]
    malformed = [line for line in shown if line["kind"] == "malformed"]
    assert len(malformed) == shown[-1]["malformed"] == len(bad)
    assert {line["code"] for line in malformed} == {
        "malformed.spec-version",
        "malformed.invalid-body",
        "malformed.unknown-version",
        "malformed.tombstone",
    }
    assert all(line["topic"] == "user.verified" and line["offset"] >= 0 for line in malformed)
    assert secret not in answer.content


async def test_people_and_unknown_names_are_refused(api: httpx.AsyncClient) -> None:
    assert (await api.get("/events", headers=bearer(uuid4()))).status_code == 403
    assert (await api.get("/events")).status_code == 401
    for params in ({"type": "pixera.nothing.v1"}, {"topic": "nothing"}, {"since": "yesterday"}, {"rate": 0}):
        assert (await api.get("/events", params=params, headers=staff())).status_code == 422, params
    assert (await api.get("/events/timeline", headers=staff())).status_code == 422


def open_streams() -> float:
    return metric("pixera_history_streams")


async def test_a_reader_that_goes_away_ends_the_reading_and_too_many_are_refused(
    privacy: Privacy, api: httpx.AsyncClient
) -> None:
    me = uuid4()
    await publish(privacy, *(UserVerifiedV1(user_id=me) for _ in range(30)))

    async def slowly() -> httpx.Response:
        request = api.build_request(
            "GET", "/events", params={"rate": 1, "topic": "user.verified"}, headers=staff()
        )
        return await api.send(request, stream=True)

    streams = [await slowly() for _ in range(history.AT_ONCE)]
    assert all(stream.status_code == 200 for stream in streams)
    assert open_streams() == history.AT_ONCE
    refused = await slowly()
    assert refused.status_code == 429
    await refused.aclose()
    await asyncio.gather(*(stream.aclose() for stream in streams))

    async def closed() -> bool:
        return open_streams() == 0

    await eventually(closed, within_s=10)
    assert (await lines(api, "/events", subject=me))[-1]["events"] == 30
