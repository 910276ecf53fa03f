"""Billing's side of the sandbox provider: opens checkouts there, reads its notices, and has it erase."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from libs.common.events.base import Code
from libs.common.outgoing import Call, Carries, HTTPStatusError, Outgoing, Party, Response, TransportError
from libs.common.privacy.tombstones import ErasureReceipt
from services.billing.errors import NoticeUnreadable, ProviderUnavailable, WebhookRefused
from services.billing.payments import Currency, Money, PaymentState
from services.billing.privacy import AT_THE_PROVIDER
from services.billing.providers.base import Checkout, Notice
from services.billing.settings import BillingSettings

A = TypeVar("A", bound=BaseModel)

ATTEMPTS = 3
STATES = {
    "payment.pending": PaymentState.PENDING,
    "payment.failed": PaymentState.FAILED,
    "payment.completed": PaymentState.COMPLETED,
    "payment.refunded": PaymentState.REFUNDED,
}


class CheckoutWanted(BaseModel):
    """What the provider is told to open a checkout."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    payment_id: Annotated[UUID, Carries("payments._id")]
    amount_minor: Annotated[int, Carries("payments.amount_minor")]
    currency: Annotated[Currency, Carries("payments.currency")]


class ErasureWanted(BaseModel):
    """What the provider is to erase: all that leads to these payments."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    payment_ids: Annotated[list[UUID], Carries("payments._id")] = Field(min_length=1)


PROVIDER = Party(
    "pay",
    (Call("POST", "/pay/api/checkouts", CheckoutWanted), Call("POST", "/pay/api/erasures", ErasureWanted)),
    AT_THE_PROVIDER,
)


class Erased(BaseModel):
    """The sandbox's answer when it has erased. Its reference goes into events, so it has to be a code."""

    reference: Code
    erased_at: datetime


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
        self._provider = Outgoing(
            PROVIDER,
            settings.pay_url,
            timeout_s=settings.pay_timeout_s,
            headers={"authorization": f"Bearer {settings.pay_api_key.get_secret_value()}"},
        )

    async def open_checkout(self, payment_id: UUID, amount: Money) -> Checkout:
        """Open a checkout; the payment id makes repeating it harmless.

        Raises:   ProviderUnavailable (503): not after three tries.
        """
        wanted = CheckoutWanted(payment_id=payment_id, amount_minor=amount.minor, currency=amount.currency)
        opened = await self._asked("/pay/api/checkouts", wanted, Opened)
        return Checkout(opened.checkout_id, f"{self._public_url}{opened.path}")

    async def erase(self, payment_ids: Sequence[UUID]) -> ErasureReceipt:
        """Have all that leads to these payments erased; what is gone already is no error there.

        Raises:   ProviderUnavailable (503): not after three tries.
        """
        erased = await self._asked("/pay/api/erasures", ErasureWanted(payment_ids=list(payment_ids)), Erased)
        return ErasureReceipt(reference=erased.reference, at=erased.erased_at)

    async def _asked(self, path: str, wanted: BaseModel, answer: type[A]) -> A:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(0.1, max=1),
            retry=retry_if_exception_type(PassingFailure),
            reraise=True,
        )
        try:
            response: Response = await retrying(self._post, path, wanted)
            return answer.model_validate_json(response.content)
        except (PassingFailure, HTTPStatusError, ValidationError) as error:
            raise ProviderUnavailable from error

    async def _post(self, path: str, wanted: BaseModel) -> Response:
        try:
            response = await self._provider.post(path, wanted)
        except TransportError as error:
            raise PassingFailure(type(error).__name__) from error
        if response.is_server_error:
            raise PassingFailure(response.status_code)
        response.raise_for_status()
        return response

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
        await self._provider.close()
