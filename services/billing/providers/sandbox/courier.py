"""Delivers notices to the merchant, signed, again and again until each is answered with 2xx."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict
from standardwebhooks import Webhook

from libs.common.clock import now
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.outgoing import Call, Carries, Outgoing, Party, TransportError
from services.billing.payments import Currency
from services.billing.providers.sandbox.models import Delivery
from services.billing.providers.sandbox.plan import NoticeType
from services.billing.providers.sandbox.repository import DeliveryRepository
from services.billing.providers.sandbox.settings import SandboxSettings

DELIVERIES = Counter(
    "pixera_pay_deliveries", "Tries of the payment sandbox to deliver a notice.", ("outcome",)
)
AT_ONCE = 8
LONGEST_NAP_S, SHORTEST_NAP_S = 1.0, 0.01
MOST_DOUBLINGS = 16

NOTICES = "/api/billing/v1/webhooks/sandbox"

log = logger("pay.courier")

NothingPersonal = Carries()


class NoticeData(BaseModel):
    """What a notice is about: the merchant's own payment."""

    model_config = ConfigDict(extra="forbid")

    payment_id: Annotated[UUID, NothingPersonal]
    checkout_id: Annotated[UUID, NothingPersonal]
    amount_minor: Annotated[int, NothingPersonal]
    currency: Annotated[Currency, NothingPersonal]


class Notice(BaseModel):
    """A notice. Source: Standard Webhooks 1.0, payload structure."""

    model_config = ConfigDict(extra="forbid")

    type: Annotated[NoticeType, NothingPersonal]
    timestamp: Annotated[datetime, NothingPersonal]
    data: NoticeData


SIGNED_BY = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})
MERCHANT = Party("merchant", (Call("POST", NOTICES, Notice, SIGNED_BY),))


class Courier:
    """The delivery of notices. What is due is in the database, so nothing is lost when a process dies."""

    def __init__(self, settings: SandboxSettings, mongo: Mongo) -> None:
        self._settings = settings
        self._deliveries = DeliveryRepository(mongo)
        self._webhook = Webhook(settings.webhook_secret.get_secret_value())
        self._merchant = Outgoing(MERCHANT, settings.billing_url, timeout_s=settings.pay_delivery_timeout_s)
        self._lease = timedelta(seconds=2 * settings.pay_delivery_timeout_s)
        self._queued = asyncio.Event()

    def wake(self) -> None:
        """Look for due notices at once."""
        self._queued.set()

    async def run(self) -> None:
        """Deliver what is due, until cancelled."""
        while True:
            self._queued.clear()
            if due := await self._claim():
                await asyncio.gather(*map(self._deliver, due))
            else:
                await self._nap()

    async def close(self) -> None:
        """Close the connections."""
        await self._merchant.close()

    async def _claim(self) -> list[Delivery]:
        claimed: list[Delivery] = []
        while len(claimed) < AT_ONCE and (delivery := await self._deliveries.claim(self._lease)):
            claimed.append(delivery)
        return claimed

    async def _nap(self) -> None:
        """Sleep until the next notice is due or one is queued; not long, for another process may queue one too."""
        due_at = await self._deliveries.next_due_at()
        wait = (due_at - now()).total_seconds() if due_at else LONGEST_NAP_S
        try:
            await asyncio.wait_for(self._queued.wait(), min(max(wait, SHORTEST_NAP_S), LONGEST_NAP_S))
        except TimeoutError:
            return

    async def _deliver(self, delivery: Delivery) -> None:
        if await self._sent(delivery):
            DELIVERIES.labels("delivered").inc()
            await self._deliveries.arrived(delivery)
            return
        DELIVERIES.labels("failed").inc()
        wait = self._backoff_s(delivery.attempts)
        log.info(
            "delivery.failed", webhook_id=delivery.id, attempts=delivery.attempts, retry_in_s=round(wait, 2)
        )
        await self._deliveries.postpone(delivery, now() + timedelta(seconds=wait))

    async def _sent(self, delivery: Delivery) -> bool:
        """Send one notice, signed with the present time. Source: Standard Webhooks 1.0."""
        moment = datetime.now(UTC)
        headers = {
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": self._webhook.sign(delivery.id, moment, delivery.body),
        }
        try:
            answer = await self._merchant.post(NOTICES, delivery.body, headers)
        except TransportError as error:
            log.info("delivery.unreachable", webhook_id=delivery.id, reason=type(error).__name__)
            return False
        return answer.is_success

    def _backoff_s(self, attempts: int) -> float:
        doubled = self._settings.pay_first_retry_s * 2.0 ** min(attempts - 1, MOST_DOUBLINGS)
        return min(doubled, self._settings.pay_longest_retry_s) * random.uniform(0.5, 1)  # noqa: S311 - jitter
