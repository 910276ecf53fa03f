"""Buying, from the checkout to the credits: billing and the sandbox as processes of their own, over real HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest

from libs.common.clock import now
from libs.common.events.auth import UserRegisteredV1, UserRestrictedV1, UserVerifiedV1
from libs.common.events.generation import GenerationFailedV1, GenerationRequestedV1
from libs.common.mongo import Mongo
from libs.common.testing.processes import Process, environment, free_port, running
from libs.common.testing.tokens import bearer
from libs.common.testing.waiting import eventually
from services.billing.providers.sandbox.models import CheckoutRow, Delivery
from tests.billing.conftest import BILLING, PAY, Billing

V1 = "/api/billing/v1"


@dataclass
class Shop:
    """Billing and its provider, running."""

    billing: Process
    pay: Process
    api: httpx.AsyncClient
    browser: httpx.AsyncClient

    async def check_out(self, user_id: UUID, package: str = "starter", **headers: str) -> dict[str, str]:
        answer = await self.api.post(
            f"{V1}/checkouts", json={"package": package}, headers=bearer(user_id) | headers
        )
        assert answer.status_code == 201, answer.text
        placed: dict[str, str] = answer.json()
        return placed

    async def choose(self, checkout_url: str, outcome: str) -> httpx.Response:
        return await self.browser.post(checkout_url, data={"outcome": outcome})

    async def balance(self, user_id: UUID) -> dict[str, int]:
        answer = await self.api.get(f"{V1}/balance", headers=bearer(user_id))
        counted: dict[str, int] = answer.json()
        return counted

    async def has(self, user_id: UUID, available: int, reserved: int = 0) -> None:
        """Return once somebody has these credits."""
        expected = {"available": available, "reserved": reserved}

        async def holds() -> bool:
            return await self.balance(user_id) == expected

        await eventually(holds, within_s=60)

    async def becomes(self, user_id: UUID, payment_id: str, state: str) -> None:
        """Return once a payment is in a state."""

        async def holds() -> bool:
            answer = await self.api.get(f"{V1}/payments/{payment_id}", headers=bearer(user_id))
            return bool(answer.json()["state"] == state)

        await eventually(holds, within_s=60)


@pytest.fixture(scope="module")
async def shop(billing: Billing, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """Both processes; every second outcome is told twice, every third before its pending."""
    ports, logs = (free_port(), free_port()), tmp_path_factory.mktemp("shop")
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    env = environment(
        billing.settings,
        PIXERA_PUBLIC_URL=urls[1],
        PIXERA_PAY_URL=urls[1],
        PIXERA_BILLING_URL=urls[0],
        PIXERA_PAY_LATER_S="0.5",
        PIXERA_PAY_LONGEST_RETRY_S="0.5",
    )
    seller = Process(logs / "billing.log", env, ports[0], BILLING, "all")
    pay = Process(logs / "pay.log", env, ports[1], PAY)
    async with (
        running(seller, pay),
        httpx.AsyncClient(base_url=urls[0], timeout=15) as api,
        httpx.AsyncClient(follow_redirects=True, timeout=15) as browser,
    ):
        yield Shop(seller, pay, api, browser)


@pytest.fixture(scope="module")
async def pay_database(billing: Billing) -> AsyncIterator[Mongo]:
    mongo = Mongo.connect(billing.settings, "pay")
    yield mongo
    await mongo.close()


async def publish(billing: Billing, *events: object) -> None:
    """Publish what other services would: billing's own relay carries it to Kafka."""
    await billing.in_transaction(lambda: billing.platform.outbox.add(*events))  # type: ignore[arg-type]


async def test_anybody_sees_what_can_be_bought(shop: Shop) -> None:
    packages = (await shop.api.get(f"{V1}/packages")).json()
    assert {"code": "starter", "credits": 100, "price": {"minor": 500, "currency": "EUR"}} in packages


async def test_buying_six_times_gives_the_credits_of_six(shop: Shop, pay_database: Mongo) -> None:
    user_id = uuid4()
    placed = [await shop.check_out(user_id) for _ in range(6)]
    for checkout in placed:
        page = await shop.choose(checkout["checkout_url"], "approve")
        assert "Paid. Thank you" in page.text
    await shop.has(user_id, 600)

    deliveries = pay_database.collection(Delivery)

    async def all_told() -> bool:
        return not await deliveries.count({"delivered_at": None})

    await eventually(all_told, within_s=60)
    assert await deliveries.count({}) == 12
    assert sum(row["attempts"] for row in await deliveries.find({})) >= 15
    assert await shop.balance(user_id) == {"available": 600, "reserved": 0}
    entries = (await shop.api.get(f"{V1}/ledger", headers=bearer(user_id))).json()["items"]
    assert [(entry["kind"], entry["available"]) for entry in entries] == [("purchase", 100)] * 6
    assert {entry["payment_id"] for entry in entries} == {checkout["payment_id"] for checkout in placed}


async def test_who_restricted_processing_begins_no_purchase_and_ends_the_one_in_hand(
    shop: Shop, billing: Billing
) -> None:
    user_id = uuid4()
    checkout = await shop.check_out(user_id)
    await publish(billing, UserRestrictedV1(user_id=user_id, sequence=1))

    async def refused() -> bool:
        answer = await shop.api.post(f"{V1}/checkouts", json={"package": "starter"}, headers=bearer(user_id))
        return answer.status_code == 409 and answer.json()["code"] == "processing-restricted"

    await eventually(refused, within_s=60)
    await shop.choose(checkout["checkout_url"], "approve")
    await shop.has(user_id, 100)


async def test_payments_are_read_by_pages_and_only_by_their_person(shop: Shop) -> None:
    user_id = uuid4()
    placed = [(await shop.check_out(user_id))["payment_id"] for _ in range(5)]
    seen: list[str] = []
    params: dict[str, str] = {"limit": "2"}
    while True:
        page = (await shop.api.get(f"{V1}/payments", params=params, headers=bearer(user_id))).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == placed[::-1]
    stranger = await shop.api.get(f"{V1}/payments/{placed[0]}", headers=bearer(uuid4()))
    assert (stranger.status_code, stranger.json()["code"]) == (404, "payment-not-found")


async def test_a_declined_buyer_may_try_again(shop: Shop) -> None:
    user_id = uuid4()
    checkout = await shop.check_out(user_id)
    assert "declined" in (await shop.choose(checkout["checkout_url"], "insufficient-funds")).text
    await shop.becomes(user_id, checkout["payment_id"], "failed")
    await shop.choose(checkout["checkout_url"], "approve-later")
    await shop.becomes(user_id, checkout["payment_id"], "completed")
    await shop.has(user_id, 100)
    assert (await shop.choose(checkout["checkout_url"], "approve")).status_code == 409


async def test_the_hosted_page_takes_choices_and_nothing_else(shop: Shop) -> None:
    url = (await shop.check_out(uuid4()))["checkout_url"]
    page = await shop.browser.get(url)
    assert "€ 5.00" in page.text
    assert not re.search(r'type="(text|tel|number|password)"|<script|style=', page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    style = await shop.browser.get(f"{shop.pay.url}/pay/checkout.css")
    assert "prefers-color-scheme: dark" in style.text
    assert (await shop.choose(url, "free")).status_code == 422
    typed = await shop.browser.post(url, data={"outcome": "approve", "card": "4111111111111111"})
    assert typed.status_code == 422
    assert "4111" not in typed.text + shop.pay.log.read_text()
    assert (await shop.browser.get(f"{shop.pay.url}/pay/checkout/{uuid4()}")).status_code == 404


async def test_only_the_merchant_opens_checkouts(shop: Shop, pay_database: Mongo) -> None:
    wanted = {"payment_id": str(uuid4()), "amount_minor": 1, "currency": "EUR"}
    api = f"{shop.pay.url}/pay/api/checkouts"
    for key in ("", "Bearer wrong"):
        answer = await shop.browser.post(api, json=wanted, headers={"authorization": key})
        assert answer.status_code == 401
    known = {"authorization": "Bearer tests-api-key"}
    named = await shop.browser.post(api, json=wanted | {"email": "a@example.org"}, headers=known)
    assert named.status_code == 422
    rows = await pay_database.collection(CheckoutRow).find({})
    assert {field for row in rows for field in row} == {
        *("_id", "payment_id", "number", "amount_minor", "currency", "state", "opened_at", "erased")
    }


async def test_one_idempotency_key_begins_one_purchase(shop: Shop) -> None:
    user_id, key = uuid4(), {"Idempotency-Key": str(uuid4())}
    placed = await asyncio.gather(*(shop.check_out(user_id, **key) for _ in range(4)))
    assert len({checkout["payment_id"] for checkout in placed}) == 1
    assert len({checkout["checkout_url"] for checkout in placed}) == 1
    other = {"package": "studio"}
    answer = await shop.api.post(f"{V1}/checkouts", json=other, headers=bearer(user_id) | key)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-reused")
    assert (await shop.check_out(uuid4(), **key))["payment_id"] != placed[0]["payment_id"]


async def test_a_refund_takes_the_credits_back(shop: Shop) -> None:
    user_id = uuid4()
    checkout = await shop.check_out(user_id)
    await shop.choose(checkout["checkout_url"], "approve")
    await shop.has(user_id, 100)
    checkout_id = checkout["checkout_url"].rsplit("/", 1)[1]
    refund = f"{shop.pay.url}/pay/api/checkouts/{checkout_id}/refund"
    key = {"authorization": "Bearer tests-api-key"}
    assert (await shop.browser.post(refund, headers=key)).status_code == 200
    await shop.becomes(user_id, checkout["payment_id"], "refunded")
    assert await shop.balance(user_id) == {"available": 0, "reserved": 0}
    assert (await shop.browser.post(refund, headers=key)).status_code == 409


async def test_credits_follow_the_events_of_other_services(shop: Shop, billing: Billing) -> None:
    user_id, jobs = uuid4(), [uuid4(), uuid4(), uuid4()]
    await publish(
        billing,
        UserRegisteredV1(user_id=user_id, registered_at=now(), terms_version="1", policy_version="1"),
        UserVerifiedV1(user_id=user_id),
        UserVerifiedV1(user_id=user_id),
    )
    await shop.has(user_id, 10)
    await publish(billing, GenerationRequestedV1(user_id=user_id, job_id=jobs[0], credits=4))
    await shop.has(user_id, 6, 4)
    await publish(billing, GenerationFailedV1(user_id=user_id, job_id=jobs[0], credits=4, reason="cancelled"))
    await shop.has(user_id, 10)


@pytest.mark.slow
async def test_a_payment_survives_kill_9_of_both_sides(shop: Shop) -> None:
    user_id = uuid4()
    checkout = await shop.check_out(user_id)
    shop.billing.kill()
    assert "Paid. Thank you" in (await shop.choose(checkout["checkout_url"], "approve")).text
    shop.pay.kill()
    shop.pay.launch()
    await shop.pay.ready()
    shop.billing.launch()
    await shop.billing.ready()
    await shop.has(user_id, 100)


@pytest.mark.slow
async def test_a_silent_provider_is_said_and_the_same_key_goes_on_later(shop: Shop) -> None:
    user_id, key = uuid4(), {"Idempotency-Key": str(uuid4())}
    shop.pay.kill()
    answer = await shop.api.post(
        f"{V1}/checkouts", json={"package": "starter"}, headers=bearer(user_id) | key
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "payment-provider-unavailable")
    shop.pay.launch()
    await shop.pay.ready()
    await shop.check_out(user_id, **key)
    payments = (await shop.api.get(f"{V1}/payments", headers=bearer(user_id))).json()["items"]
    assert len(payments) == 1
