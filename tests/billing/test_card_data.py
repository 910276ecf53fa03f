"""No card number enters: refused with a problem of its own, and found in no answer, no log line and no database."""

import json
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from pydantic import JsonValue

from libs.common.testing.processes import Process, environment, free_port, running
from libs.common.testing.tokens import bearer
from services.billing.models import Payment
from tests.billing.conftest import BILLING, NOTICES, Billing, notice

CARD = "4111111111111111"
SPACED = "4111 1111 1111 1111"
CHECKOUTS = "/api/billing/v1/checkouts"


@pytest.fixture(scope="module")
async def process(billing: Billing, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """A running billing that logs everything it has to say."""
    log = tmp_path_factory.mktemp("billing") / "billing-api.log"
    env = environment(billing.settings, PIXERA_LOG_LEVEL="DEBUG")
    process = Process(log, env, free_port(), BILLING, "api")
    async with running(process):
        yield process


@pytest.fixture(scope="module")
async def api(process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=process.url, headers=bearer(uuid4())) as client:
        yield client


async def chunks(content: str) -> AsyncIterator[bytes]:
    """Yield a body whose length is not told beforehand."""
    for at in range(0, len(content), 1_000):
        yield content[at : at + 1_000].encode()


def refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (422, "card-data-refused")
    assert answer.headers["content-type"] == "application/problem+json"
    assert CARD[:8] not in answer.text
    assert SPACED[:9] not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"package": CARD},
        {"package": "starter", "card_number": CARD},
        {"package": "starter", "card": {"number": SPACED, "cvc": "123"}},
        {"package": "starter", CARD: "number"},
        {"package": "starter", "number": int(CARD)},
        [CARD],
        CARD,
    ],
    ids=lambda body: json.dumps(body)[:40],
)
async def test_a_posted_card_number_is_refused(api: httpx.AsyncClient, body: JsonValue) -> None:
    refused(await api.post(CHECKOUTS, json=body))


async def test_other_ways_to_send_one_are_refused_too(api: httpx.AsyncClient, billing: Billing) -> None:
    escaped = '{"package": "\\u0034' + CARD[1:] + '"}'
    refused(await api.post(CHECKOUTS, content=escaped, headers={"content-type": "application/json"}))
    refused(await api.post(CHECKOUTS, data={"number": SPACED}))
    refused(await api.post(f"{CHECKOUTS}?number={SPACED}", json={"package": "starter"}))
    refused(await api.get("/api/billing/v1/payments", params={"cursor": CARD}))
    refused(await api.get(f"/api/billing/v1/payments/{CARD}"))
    refused(await api.post(CHECKOUTS, json={"package": "starter"}, headers={"idempotency-key": CARD}))


async def test_a_signed_notice_is_not_searched_and_what_it_says_beside_the_payment_is_not_kept(
    api: httpx.AsyncClient, billing: Billing
) -> None:
    payment = await billing.payment_of(uuid4())
    assert (await notice(payment, "completed", pan=CARD).send(api)).status_code == 200


async def test_what_is_longer_than_any_request_is_refused_unread(api: httpx.AsyncClient) -> None:
    long = "1 " * 2_500
    started = time.perf_counter()
    answers = [
        await api.post(CHECKOUTS, content=long * 200),
        await api.post(CHECKOUTS, content=chunks(long)),
        await api.get("/api/billing/v1/packages", params={"q": long}),
        await api.post(NOTICES, content=long * 14),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(413, "too-large")] * 4
    assert time.perf_counter() - started < 2


async def test_deep_nesting_is_refused_and_breaks_nothing(api: httpx.AsyncClient) -> None:
    json_sent = {"content-type": "application/json"}
    assert (await api.post(CHECKOUTS, content="[" * 4_000, headers=json_sent)).status_code in (400, 422)
    deep = "[" * 900 + f'"{CARD}"' + "]" * 900
    refused(await api.post(CHECKOUTS, content=deep, headers=json_sent))


async def test_a_body_that_is_no_json_is_refused_without_repeating_it(api: httpx.AsyncClient) -> None:
    answer = await api.post(CHECKOUTS, content=f"{{{CARD}", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert CARD not in answer.text


async def test_unknown_fields_are_refused_without_repeating_them(api: httpx.AsyncClient) -> None:
    answer = await api.post(CHECKOUTS, json={"package": "starter", "cvc": "s3cret-value"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert "s3cret-value" not in answer.text


async def test_none_of_it_was_logged_or_stored(
    api: httpx.AsyncClient, process: Process, billing: Billing
) -> None:
    payments = await billing.mongo.collection(Payment).count({"user_id": {"$exists": True}})
    refused(await api.post(CHECKOUTS, json={"package": "starter", "card_number": CARD}))
    counted = (await api.get("/metrics")).text
    assert "pixera_billing_card_data_refused_total" in counted

    log = process.log.read_text()
    assert "http.answered" in log
    assert CARD[:8] not in log
    assert SPACED[:9] not in log
    assert "s3cret-value" not in log
    for name in await billing.mongo.collection_names():
        assert CARD not in str(await billing.mongo.collection(name).find({}))
    assert await billing.mongo.collection(Payment).count({"user_id": {"$exists": True}}) == payments
