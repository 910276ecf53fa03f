"""Operators see, redrive and discard dead letters over HTTP; nobody else does."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from libs.common.bus.envelope import headers_of
from libs.common.bus.letters.rows import DeadLetter
from libs.common.bus.outbox import OutboxRow
from libs.common.settings import CommonSettings
from libs.common.testing.kafka import raw_producer, without
from libs.common.testing.serving import serving
from libs.common.testing.tokens import JWKS, bearer
from libs.common.testing.waiting import eventually
from tests.common.bus.harness import Bench, open_bench
from tests.common.bus.letters import Refuses, failing_service

STAFF = uuid4()


def as_staff() -> dict[str, str]:
    """The header of an operator, signed now: a module may wait for its turn longer than a token lasts."""
    return bearer(STAFF, roles=["staff"])


class Desk:
    """A process of a service with its bench, and a client that asks it."""

    def __init__(self, bench: Bench, refuses: Refuses, client: httpx.AsyncClient, base: str) -> None:
        self.bench, self.refuses, self.client, self.base = bench, refuses, client, base

    async def get(self, path: str = "", **params: str | float) -> httpx.Response:
        return await self.client.get(self.base + path, params=params, headers=as_staff())

    async def post(self, path: str, body: object) -> httpx.Response:
        return await self.client.post(self.base + path, json=body, headers=as_staff())

    async def fail(self, person: UUID, *numbers: int) -> DeadLetter:
        """Publish a person's numbers, of which the first fails; return its letter, the others parked."""
        self.refuses.numbers.add(numbers[0])
        await self.bench.publish(*(self.bench.event(user_id=person, number=n) for n in numbers))

        async def look() -> DeadLetter | None:
            rows = await self.bench.mongo.collection(DeadLetter).find(
                {"user_id": person}, sort=[("place", 1)]
            )
            return DeadLetter.from_mongo(rows[0]) if len(rows) == len(numbers) else None

        found = await eventually(look)
        assert found is not None
        return found


@pytest.fixture(scope="module")
async def desk(common_settings: CommonSettings) -> AsyncIterator[Desk]:
    """A whole process of a service, API and worker in one, with a handler that refuses what it is told to."""
    settings = common_settings.model_copy(update={"jwks": JWKS})
    bench = await open_bench(settings, "gallery")
    refuses = Refuses(bench)

    app = failing_service(settings, bench, refuses)
    async with serving(app) as address:
        base = f"{address}/api/gallery/v1/staff/dead-letters"
        async with httpx.AsyncClient(timeout=30) as client:
            yield Desk(bench, refuses, client, base)
    await bench.close()


async def test_only_operators_are_let_in(desk: Desk) -> None:
    assert (await desk.client.get(desk.base)).status_code == 401
    assert (await desk.client.get(desk.base, headers=bearer(uuid4()))).status_code == 403
    refused = await desk.client.post(
        f"{desk.base}/{uuid4()}/discard", json={"reason": "x"}, headers=bearer(uuid4())
    )
    assert refused.status_code == 403
    assert (await desk.get()).status_code == 200


async def test_letters_are_listed_by_what_is_asked_for_page_by_page(desk: Desk) -> None:
    person = uuid4()
    first = await desk.fail(person, 100, 101, 102)
    asked = {"group": desk.bench.group, "topic": desk.bench.topic}
    page = (await desk.get(**asked, limit=2)).json()
    rest = (await desk.get(**asked, limit=100, cursor=page["next_cursor"])).json()
    ids = [item["id"] for item in page["items"] + rest["items"]]
    assert len(ids) == len(set(ids)) >= 3
    (item,) = (await desk.get(state="open", code="invalid")).json()["items"]
    assert (item["id"], item["key"], item["tries"]) == (str(first.id), str(person), 1)
    assert (await desk.get(state="open", older_than=3_600)).json()["items"] == []
    assert (await desk.get(group="gallery.other")).json()["items"] == []
    assert (await desk.get(cursor="nonsense")).status_code == 422
    await desk.post(f"/{first.id}/discard", {"reason": "test-data"})


async def test_a_letter_is_shown_with_the_body_of_its_event(desk: Desk) -> None:
    person = uuid4()
    letter = await desk.fail(person, 200)
    shown = (await desk.get(f"/{letter.id}")).json()
    assert shown["record"]["body"]["content"] == {"user_id": str(person), "number": 200}
    headers = {header["name"]: header["value"]["text"] for header in shown["record"]["headers"]}
    assert headers["ce_id"] == letter.event_id
    assert not [name for name in headers if name.startswith("dlq_")]
    missing = await desk.get(f"/{uuid4()}")
    assert (missing.status_code, missing.json()["code"]) == (404, "letter-not-found")
    await desk.post(f"/{letter.id}/discard", {"reason": "test-data"})


async def test_of_what_is_no_event_only_size_and_beginning_are_shown(desk: Desk) -> None:
    row = OutboxRow.of(desk.bench.event(user_id=uuid4(), number=1), "/tests")
    headers = [*without(headers_of(row), "ce_id"), ("ce_id", b"\xff\xfe")]
    async with raw_producer(desk.bench.bootstrap) as producer:
        await producer.send_and_wait(desk.bench.topic, row.body, key=b"nobody", headers=headers)

    async def look() -> list[dict[str, str]]:
        found: list[dict[str, str]] = (await desk.get(code="malformed.header-encoding")).json()["items"]
        return found

    (item,) = await eventually(look)
    record = (await desk.get(f"/{item['id']}")).json()["record"]
    body = {"size": len(row.body), "text": None, "content": None, "hex_head": row.body[:64].hex()}
    assert record["body"] == body
    (event_id,) = [header["value"] for header in record["headers"] if header["name"] == "ce_id"]
    assert (event_id["text"], event_id["hex_head"]) == (None, "fffe")
    await desk.post(f"/{item['id']}/discard", {"reason": "test-data"})


async def test_one_letter_is_redriven(desk: Desk) -> None:
    letter = await desk.fail(uuid4(), 300, 301)
    assert (await desk.get(f"/{letter.id}")).json()["waiting_behind"] == 1
    desk.refuses.numbers.clear()
    answer = await desk.post(f"/{letter.id}/redrive", {"reason": "bug-1234"})
    assert (answer.status_code, answer.json()["state"]) == (202, "redriving")
    await settled(desk)
    assert {300, 301} <= set(await desk.bench.effects())
    again = await desk.post(f"/{letter.id}/redrive", {"reason": "bug-1234"})
    assert (again.status_code, again.json()["code"]) == (409, "letter-settled")


async def test_all_letters_that_fit_are_redriven(desk: Desk) -> None:
    for number in (400, 410, 420):
        await desk.fail(uuid4(), number)
    desk.refuses.numbers.clear()
    other = await desk.post("/redrive", {"reason": "bug-1234", "code": "conflict"})
    assert other.json() == {"letters": [], "next_cursor": None}
    answer = await desk.post("/redrive", {"reason": "bug-1234", "group": desk.bench.group})
    assert (answer.status_code, len(answer.json()["letters"]), answer.json()["next_cursor"]) == (202, 3, None)
    await settled(desk)
    assert {400, 410, 420} <= set(await desk.bench.effects())


async def test_pages_of_letters_that_fail_again_come_to_an_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.common.bus.letters.desk.MOST_AT_ONCE", 2)
    failing = [await desk.fail(uuid4(), number) for number in (430, 440, 450, 460, 470)]
    body, asked = {"reason": "bug-1234", "group": desk.bench.group}, list[str]()
    cursor: str | None = ""
    while cursor is not None:
        answer = (await desk.post("/redrive", body | ({"cursor": cursor} if cursor else {}))).json()
        asked += [letter["id"] for letter in answer["letters"]]
        cursor = answer["next_cursor"]
        await none_under_way(desk)  # all of the page failed again, and are the oldest open ones
    assert asked == [str(letter.id) for letter in failing]
    for letter in failing:
        await desk.post(f"/{letter.id}/discard", {"reason": "test-data"})


async def test_discarding_asks_for_a_reason_that_is_a_code(desk: Desk) -> None:
    letter = await desk.fail(uuid4(), 500)
    for body in ({}, {"reason": "because Ada said so"}):
        refused = await desk.post(f"/{letter.id}/discard", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    done = await desk.post(f"/{letter.id}/discard", {"reason": "bug-1234"})
    assert (done.status_code, done.json()["state"]) == (200, "discarded")
    await settled(desk)
    assert 500 not in await desk.bench.effects()


async def none_under_way(desk: Desk) -> None:
    """Wait until nothing is being delivered."""

    async def look() -> bool:
        groups = (await desk.get("/depth")).json()["groups"]
        return not any(group["redriving"] or group["lanes"] for group in groups)

    await eventually(look)


async def settled(desk: Desk) -> None:
    """Wait until nothing waits."""

    async def look() -> bool:
        groups = (await desk.get("/depth")).json()["groups"]
        return not any(group[what] for group in groups for what in ("open", "parked", "redriving", "lanes"))

    await eventually(look)
