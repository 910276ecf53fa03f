"""Billing's side of the sandbox provider: opens checkouts there, and reads the notices it sends."""

import time
from collections.abc import Mapping
from uuid import UUID

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from libs.common.metrics import OUTBOUND_SECONDS
from services.billing.errors import NoticeUnreadable, ProviderUnavailable, WebhookRefused
from services.billing.payments import Currency, Money, PaymentState
from services.billing.providers.base import Checkout, Notice
from services.billing.settings import BillingSettings

ATTEMPTS = 3
STATES = {
    "payment.pending": PaymentState.PENDING,
    "payment.failed": PaymentState.FAILED,
    "payment.completed": PaymentState.COMPLETED,
    "payment.refunded": PaymentState.REFUNDED,
}


class Opened(BaseModel):
    """The sandbox's answer to an opened checkout."""

    checkout_id: str
    path: str


class NoticeData(BaseModel):
    """What a notice is about."""

    payment_id: UUID
    amount_minor: int
    currency: Currency


class NoticeBody(BaseModel):
    """A notice's body. Source: Standard Webhooks 1.0, payload structure: type, timestamp, data."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: str
    data: NoticeData


class PassingFailure(Exception):
    """The provider did not answer, or said it could not just then."""


class SandboxProvider:
    """The sandbox, as billing sees it."""

    def __init__(self, settings: BillingSettings) -> None:
        self._public_url = settings.public_url
        self._webhook = Webhook(settings.webhook_secret.get_secret_value())
        self._client = httpx.AsyncClient(
            base_url=settings.pay_url,
            timeout=settings.pay_timeout_s,
            headers={"authorization": f"Bearer {settings.pay_api_key.get_secret_value()}"},
        )

    async def open_checkout(self, payment_id: UUID, amount: Money) -> Checkout:
        """Open a checkout; the payment id makes repeating it harmless.

        Raises:   ProviderUnavailable (503): not after three tries.
        """
        body = {
            "payment_id": str(payment_id),
            "amount_minor": amount.minor,
            "currency": amount.currency,
        }
        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(0.1, max=1),
            retry=retry_if_exception_type(PassingFailure),
            reraise=True,
        )
        try:
            answer: httpx.Response = await retrying(self._post, "/pay/api/checkouts", body)
            opened = Opened.model_validate_json(answer.content)
        except (PassingFailure, httpx.HTTPStatusError, ValidationError) as error:
            raise ProviderUnavailable from error
        return Checkout(opened.checkout_id, f"{self._public_url}{opened.path}")

    async def _post(self, path: str, body: dict[str, str | int]) -> httpx.Response:
        started, outcome = time.perf_counter(), "failed"
        try:
            answer = await self._client.post(path, json=body)
            if answer.is_server_error:
                raise PassingFailure(answer.status_code)
            answer.raise_for_status()
            outcome = "ok"
        except httpx.TransportError as error:
            raise PassingFailure(type(error).__name__) from error
        finally:
            OUTBOUND_SECONDS.labels("pay", outcome).observe(time.perf_counter() - started)
        return answer

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Return a notice whose signature, over the raw body, and whose time (within 5 minutes) are right.

        Raises:   WebhookRefused (401); NoticeUnreadable (422).
        Source:   Standard Webhooks 1.0.
        """
        try:
            self._webhook.verify(body, dict(headers), json_parse=False)
        except (WebhookVerificationError, ValueError) as error:  # the library lets malformed base64 through
            raise WebhookRefused from error
        try:
            told = NoticeBody.model_validate_json(body)
            state = STATES[told.type]
        except (ValidationError, KeyError) as error:
            raise NoticeUnreadable from error
        amount = Money(told.data.amount_minor, told.data.currency)
        return Notice(headers["webhook-id"], told.data.payment_id, state, amount)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
