"""Notices of the provider over HTTP: signed, fresh, taken in once, and in any order."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import permutations
from uuid import uuid4

import httpx
import pytest

from libs.common.testing.metrics import metric
from libs.common.testing.processes import Process, environment, free_port, running
from services.billing.ledger import Balance, Kind
from services.billing.models import Payment, WebhookReceipt
from tests.billing.conftest import BILLING, NOTICES, Billing, Notice, notice

SHORTFALL = "pixera_billing_refund_shortfall_credits_total"
OTHER_SECRET = "whsec_c29tZWJvZHkgZWxzZSdzIHdlYmhvb2sgc2VjcmV0ISEhIQ=="


@pytest.fixture(scope="module")
async def api(billing: Billing, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A running billing that answers HTTP and relays nothing, so that the outbox shows what it published."""
    log = tmp_path_factory.mktemp("billing") / "billing-api.log"
    process = Process(log, environment(billing.settings), free_port(), BILLING, "api")
    async with running(process), httpx.AsyncClient(base_url=process.url) as client:
        yield client


async def state_of(billing: Billing, payment: Payment) -> str:
    return (await billing.service.payment(payment.user_id, payment.id)).state.value


async def test_a_signed_notice_moves_the_payment_and_announces_it(
    api: httpx.AsyncClient, billing: Billing
) -> None:
    payment = await billing.payment_of(uuid4())
    answer = await notice(payment, "completed").send(api)
    assert (answer.status_code, answer.json()) == (200, {"outcome": "applied"})
    assert await state_of(billing, payment) == "completed"
    assert await billing.published(payment.user_id) == ["payment.completed"]


async def test_a_duplicate_is_answered_alike_and_does_nothing(
    api: httpx.AsyncClient, billing: Billing
) -> None:
    payment = await billing.payment_of(uuid4())
    same = notice(payment, "completed")
    answers = await asyncio.gather(*(same.send(api) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["outcome"] for answer in answers) == ["applied", *["duplicate"] * 5]
    assert await billing.published(payment.user_id) == ["payment.completed"]


async def test_a_retry_signed_anew_is_still_the_same_notice(api: httpx.AsyncClient, billing: Billing) -> None:
    payment = await billing.payment_of(uuid4())
    earlier = datetime.now(UTC) - timedelta(minutes=4)
    assert (await notice(payment, "pending", id="msg_retried", at=earlier).send(api)).json()[
        "outcome"
    ] == "applied"
    assert (await notice(payment, "pending", id="msg_retried").send(api)).json()["outcome"] == "duplicate"


@pytest.mark.parametrize("order", list(permutations(["pending", "failed", "completed"])), ids="-".join)
async def test_every_order_ends_completed_and_announces_once(
    api: httpx.AsyncClient, billing: Billing, order: tuple[str, ...]
) -> None:
    payment = await billing.payment_of(uuid4())
    for kind in order:
        assert (await notice(payment, kind).send(api)).status_code == 200
    assert await state_of(billing, payment) == "completed"
    assert await billing.published(payment.user_id) == ["payment.completed"]


@pytest.mark.parametrize("forged", ["secret", "body", "id", "time", "missing", "garbage", "base64", "binary"])
async def test_what_the_provider_did_not_sign_is_refused(
    api: httpx.AsyncClient, billing: Billing, forged: str
) -> None:
    payment = await billing.payment_of(uuid4())
    true = notice(payment, "completed")
    sent = {
        "secret": notice(payment, "completed", secret=OTHER_SECRET),
        "body": Notice(str(true.body).replace("completed", "refunded"), true.headers),
        "id": Notice(true.body, true.headers | {"webhook-id": "msg_other"}),
        "time": Notice(true.body, true.headers | {"webhook-timestamp": "nan"}),
        "missing": Notice(true.body, {}),
        "garbage": Notice(true.body, true.headers | {"webhook-signature": "v1"}),
        "base64": Notice(true.body, true.headers | {"webhook-signature": "v1,not base64"}),
        "binary": Notice(b"\xff\xfe", true.headers),
    }[forged]
    answer = await sent.send(api)
    assert (answer.status_code, answer.json()["code"]) == (401, "webhook-refused")
    assert await state_of(billing, payment) == "created"


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_an_old_notice_and_one_from_the_future_are_refused(
    api: httpx.AsyncClient, billing: Billing, minutes: int
) -> None:
    payment = await billing.payment_of(uuid4())
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    answer = await notice(payment, "completed", at=at).send(api)
    assert (answer.status_code, answer.json()["code"]) == (401, "webhook-refused")


async def test_an_unknown_payment_that_moved_no_money_is_taken_and_kept_nowhere(
    api: httpx.AsyncClient, billing: Billing
) -> None:
    payment = await billing.payment_of(uuid4())
    unknown = notice(payment, "failed", payment_id=str(uuid4()))
    for _ in range(2):
        answer = await unknown.send(api)
        assert (answer.status_code, answer.json()) == (200, {"outcome": "stale"})
    receipts = billing.mongo.collection(WebhookReceipt)
    assert await receipts.count({"_id": unknown.headers["webhook-id"]}) == 0


async def test_another_amount_is_refused(api: httpx.AsyncClient, billing: Billing) -> None:
    payment = await billing.payment_of(uuid4(), "studio")
    answer = await notice(payment, "completed", amount_minor=1).send(api)
    assert (answer.status_code, answer.json()["code"]) == (409, "amount-mismatch")
    assert await state_of(billing, payment) == "created"


async def test_a_signed_notice_of_another_kind_is_refused(api: httpx.AsyncClient, billing: Billing) -> None:
    payment = await billing.payment_of(uuid4())
    answer = await notice(payment, "disputed").send(api)
    assert (answer.status_code, answer.json()["code"]) == (422, "notice-unreadable")


async def test_a_refund_takes_the_credits_back(api: httpx.AsyncClient, billing: Billing) -> None:
    payment = await billing.payment_of(uuid4())
    await notice(payment, "completed").send(api)
    await billing.in_transaction(lambda: billing.service.grant(payment.user_id, payment.id))
    await notice(payment, "refunded").send(api)
    await notice(payment, "refunded").send(api)
    assert await billing.balance(payment.user_id) == (0, 0)
    assert [row.kind for row in await billing.entries(payment.user_id)] == [Kind.PURCHASE, Kind.REFUND]


async def test_a_refund_takes_no_more_than_is_left(api: httpx.AsyncClient, billing: Billing) -> None:
    payment = await billing.payment_of(uuid4())
    await notice(payment, "completed").send(api)
    await billing.in_transaction(lambda: billing.service.grant(payment.user_id, payment.id))
    await billing.in_transaction(lambda: billing.service.credits.reserve(payment.user_id, uuid4(), 70))
    await notice(payment, "refunded").send(api)
    assert await billing.balance(payment.user_id) == (0, 70)
    assert await billing.books() == 0


async def test_a_refund_takes_what_was_set_aside_as_soon_as_its_job_gives_it_back(
    api: httpx.AsyncClient, billing: Billing
) -> None:
    payment, (cancelled, drawn) = await billing.payment_of(uuid4()), (uuid4(), uuid4())
    user_id, credits_ = payment.user_id, billing.service.credits
    await notice(payment, "completed").send(api)
    await billing.in_transaction(lambda: billing.service.grant(user_id, payment.id))
    await billing.in_transaction(lambda: credits_.reserve(user_id, cancelled, 70))
    await billing.in_transaction(lambda: credits_.reserve(user_id, drawn, 25))
    await notice(payment, "refunded").send(api)
    assert await billing.balance(user_id) == (0, 95)

    await billing.in_transaction(lambda: credits_.release(user_id, cancelled))
    await billing.in_transaction(lambda: credits_.release(user_id, cancelled))
    assert await billing.balance(user_id) == (0, 25)
    before = metric(SHORTFALL)
    await billing.in_transaction(lambda: credits_.capture(user_id, drawn))
    assert metric(SHORTFALL) - before == 25

    kinds = Counter(row.kind for row in await billing.entries(user_id))
    assert (kinds[Kind.REFUND], kinds[Kind.RELEASE], kinds[Kind.RECLAIM]) == (1, 1, 1)
    assert (await billing.published(user_id)).count("credits.reclaimed") == 1
    assert await billing.balance(user_id) == (0, 0)
    assert await billing.rebuilt(user_id) == Balance()
    assert await billing.books() == 0


async def test_two_refunds_take_a_jobs_credits_once_and_leave_what_is_paid_for(
    api: httpx.AsyncClient, billing: Billing
) -> None:
    user_id, job_id, other_job, credits_ = uuid4(), uuid4(), uuid4(), billing.service.credits
    payments = [await billing.payment_of(user_id) for _ in range(3)]
    for payment in payments:
        await notice(payment, "completed").send(api)
        await billing.in_transaction(partial(billing.service.grant, user_id, payment.id))
    await billing.in_transaction(lambda: credits_.reserve(user_id, job_id, 290))
    for payment in payments[:2]:
        await notice(payment, "refunded").send(api)
    assert await billing.balance(user_id) == (0, 290)
    later = await billing.payment_of(user_id)
    await notice(later, "completed").send(api)
    await billing.in_transaction(lambda: billing.service.grant(user_id, later.id))
    await billing.in_transaction(lambda: credits_.reserve(user_id, other_job, 40))
    await billing.in_transaction(lambda: credits_.release(user_id, other_job))

    await billing.in_transaction(lambda: credits_.release(user_id, job_id))

    assert await billing.balance(user_id) == (200, 0)
    assert await billing.rebuilt(user_id) == Balance(200, 0)


async def test_a_refund_told_before_the_payment_credits_nothing(
    api: httpx.AsyncClient, billing: Billing
) -> None:
    payment = await billing.payment_of(uuid4())
    await notice(payment, "refunded").send(api)
    assert (await notice(payment, "completed").send(api)).json()["outcome"] == "stale"
    await billing.in_transaction(lambda: billing.service.grant(payment.user_id, payment.id))
    assert await billing.published(payment.user_id) == []
    assert await billing.balance(payment.user_id) == (0, 0)


async def test_notices_need_no_token_and_people_do(api: httpx.AsyncClient) -> None:
    assert (await api.post(NOTICES)).json()["code"] == "webhook-refused"
    assert (await api.get("/api/billing/v1/balance")).status_code == 401
