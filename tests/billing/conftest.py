"""Billing on the real stack: its parts, its events delivered by hand, and notices signed as the provider does."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from libs.common import logging
from libs.common.app import Parts, Platform
from libs.common.audit import Audit
from libs.common.bus.consumes import Subscription
from libs.common.bus.outbox import Outbox, OutboxRow
from libs.common.bus.process import BUS_DOCUMENTS
from libs.common.clock import new_id
from libs.common.events.base import Event
from libs.common.mongo import Mongo
from libs.common.privacy.holder import Holder
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.rebuild.rebuilds import Rebuilds
from libs.common.settings import CommonSettings
from libs.common.testing.log import all_published, begin_anew, relaying
from libs.common.testing.tokens import JWKS
from libs.common.work import UnitOfWork
from services.billing.balances import Balances
from services.billing.ledger import Balance
from services.billing.main import compose
from services.billing.models import BalanceRow, LedgerEntry, Payment
from services.billing.packages import PACKAGES
from services.billing.privacy import HOLDINGS
from services.billing.service import BillingService
from services.billing.settings import BillingSettings

WEBHOOK_SECRET = "whsec_dGhlIHRlc3RzJyBvd24gd2ViaG9vayBzZWNyZXQhISE="
BILLING = "services.billing.main:create_app"
PAY = "services.billing.providers.sandbox.app:create_app"
NOTICES = "/api/billing/v1/webhooks/sandbox"
TOPICS = [event.topic for event in Balances.events]


@pytest.fixture(scope="module")
def pay_url() -> str:
    """Where nobody answers: a test module that needs a provider runs one, and says where."""
    return "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def billing_settings(common_settings: CommonSettings, pay_url: str) -> BillingSettings:
    """Settings of a billing and its provider."""
    return BillingSettings.model_validate(
        common_settings.model_dump()
        | {
            "jwks": JWKS,
            "pay_url": pay_url,
            "pay_api_key": SecretStr("tests-api-key"),
            "webhook_secret": SecretStr(WEBHOOK_SECRET),
            "ledger_check_s": 0.2,
        }
    )


@dataclass
class Billing:
    """Billing without its process: what it is made of, and short ways to make things happen in it."""

    settings: BillingSettings
    platform: Platform
    parts: Parts
    groups: dict[str, Subscription] = field(init=False)

    def __post_init__(self) -> None:
        self.groups = {each.group: each for each in self.parts.subscriptions}

    @property
    def mongo(self) -> Mongo:
        return self.platform.mongo

    @property
    def service(self) -> BillingService:
        assert isinstance(self.parts.service, BillingService)
        return self.parts.service

    async def deliver(self, group: str, event: Event) -> None:
        """Run a handler as the consumer does, in a transaction behind the fence, but without its inbox."""
        handler = self.groups[f"billing.{group}"].handler
        await self.platform.work.run(lambda: handler(event), subject=getattr(event, "user_id", None))

    async def person_with(self, credits_: int) -> UUID:
        """Return somebody who has credits."""
        user_id = uuid4()
        await self.in_transaction(lambda: self.service.credits.welcome(user_id, credits_))
        return user_id

    async def payment_of(self, user_id: UUID, package: str = "starter") -> Payment:
        """Return a payment as checkout leaves it."""
        wanted = PACKAGES[package]
        payment = Payment(
            user_id=user_id,
            package=package,
            credits=wanted.credits,
            amount_minor=wanted.price.minor,
            currency=wanted.price.currency,
            provider_reference=str(uuid4()),
            checkout_url="http://127.0.0.1/pay/checkout/1",
        )
        await self.mongo.collection(Payment).insert_one(payment.to_mongo())
        return payment

    async def in_transaction(self, work: Callable[[], Awaitable[Any]]) -> None:
        await self.mongo.transaction(work)

    async def balance(self, user_id: UUID) -> tuple[int, int]:
        balance = await self.service.balance(user_id)
        return balance.available, balance.reserved

    async def entries(self, user_id: UUID) -> list[LedgerEntry]:
        return (await self.service.entries(user_id, None, 1_000))[::-1]

    async def published(self, user_id: UUID) -> list[str]:
        """Return the names of the events about somebody that wait in the outbox, in their order."""
        rows = await self.mongo.collection(OutboxRow).find({"key": str(user_id)}, sort=[("_id", 1)])
        return [row["topic"] for row in rows]

    async def books(self) -> int:
        return await self.service.check_books()

    async def rebuilt(self, user_id: UUID) -> Balance:
        """Return the balance after it was rebuilt from the entries."""
        await self.service.rebuild_balance(user_id)
        return await self.service.balance(user_id)


@pytest.fixture(scope="module")
async def billing(billing_settings: BillingSettings) -> AsyncIterator[Billing]:
    """Billing on a database of the test module's own."""
    mongo = Mongo.connect(billing_settings, "billing")
    await mongo.prepare([*BUS_DOCUMENTS, Tombstone, *HOLDINGS.documents])
    tombstones, outbox = Tombstones(mongo), Outbox(mongo, "billing")
    platform = Platform(
        name="billing",
        settings=billing_settings,
        mongo=mongo,
        store=None,
        outbox=outbox,
        audit=Audit(outbox, "billing"),
        work=UnitOfWork(mongo, outbox, tombstones),
        tombstones=tombstones,
        holder=Holder(HOLDINGS, mongo, None, tombstones, outbox, billing_settings),
        log=logging.logger("billing"),
    )
    parts = compose(billing_settings, platform)
    yield Billing(billing_settings, platform, parts)
    for close in parts.closing:
        await close()
    await mongo.close()


@pytest.fixture
async def log(billing: Billing) -> AsyncIterator[Billing]:
    """Billing with nobody in it, a log that begins now, its relay, and a worker that carries out rebuilds."""
    await billing.mongo.collection(BalanceRow).delete_many({})
    rebuilds = rebuilds_of(billing)
    await rebuilds.prepare()
    async with relaying(billing.platform):
        await all_published(billing.platform)
        await begin_anew(billing.settings.kafka_bootstrap, TOPICS)
        working = asyncio.create_task(rebuilds.work_for_ever())
        yield billing
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def rebuilds_of(billing: Billing) -> Rebuilds:
    assert billing.parts.rebuilds is not None
    return billing.parts.rebuilds


@dataclass(frozen=True)
class Notice:
    """A notice as the provider sends it."""

    body: str | bytes
    headers: dict[str, str]

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        return await client.post(NOTICES, content=self.body, headers=self.headers)


def notice(payment: Payment, kind: str, *, secret: str = WEBHOOK_SECRET, **changes: Any) -> Notice:
    """Return a signed notice about a payment.

    Args:     changes: `at` another time than now, `id` of the message, `payment_id` or `amount_minor` in it.
    """
    at: datetime = changes.pop("at", datetime.now(UTC))
    message_id: str = changes.pop("id", f"msg_{new_id().hex}")
    data = {"payment_id": str(payment.id), "amount_minor": payment.amount_minor, "currency": payment.currency}
    body = json.dumps({"type": f"payment.{kind}", "timestamp": at.isoformat(), "data": data | changes})
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body),
    }
    return Notice(body, headers)
