"""The sandbox's API for merchants, and its hosted page for buyers."""

import hmac
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Header, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field

from libs.common.errors import Unauthenticated, problems
from services.billing.payments import Currency, Money
from services.billing.providers.sandbox.checkouts import (
    CheckoutDiffers,
    CheckoutNotFound,
    CheckoutOver,
    Checkouts,
)
from services.billing.providers.sandbox.courier import Courier
from services.billing.providers.sandbox.erasures import Erasures, NotNow
from services.billing.providers.sandbox.models import CheckoutRow, CheckoutState, ErasureRow
from services.billing.providers.sandbox.plan import Choice
from services.billing.providers.sandbox.settings import SandboxSettings

PAGES = Path(__file__).parent / "pages"
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
SYMBOLS = {"EUR": "€", "USD": "$"}

templates = Environment(loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined)


def _checkouts(request: Request) -> Checkouts:
    checkouts: Checkouts = request.app.state.checkouts
    return checkouts


def _courier(request: Request) -> Courier:
    courier: Courier = request.app.state.courier
    return courier


def _erasures(request: Request) -> Erasures:
    erasures: Erasures = request.app.state.erasures
    return erasures


async def merchant(request: Request, authorization: Annotated[str, Header()] = "") -> None:
    """Let the merchant in.

    Raises:   Unauthenticated (401).
    """
    settings: SandboxSettings = request.app.state.settings
    expected = f"Bearer {settings.pay_api_key.get_secret_value()}"
    if not hmac.compare_digest(authorization.encode(), expected.encode()):
        raise Unauthenticated


Sandbox = Annotated[Checkouts, Depends(_checkouts)]
Messenger = Annotated[Courier, Depends(_courier)]
Eraser = Annotated[Erasures, Depends(_erasures)]
MOST_AT_ONCE = 500

api = APIRouter(prefix="/pay/api", tags=["merchant"], dependencies=[Depends(merchant)])
page = APIRouter(prefix="/pay", include_in_schema=False)


class CheckoutWanted(BaseModel):
    """What a merchant wants to be paid: no name, no address, no goods."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    payment_id: UUID
    amount_minor: int = Field(gt=0)
    currency: Currency


class CheckoutOut(BaseModel):
    """A checkout, to its merchant."""

    checkout_id: UUID
    path: str
    state: CheckoutState

    @classmethod
    def of(cls, checkout: CheckoutRow) -> "CheckoutOut":
        """Return the checkout with the path of its page."""
        return cls(checkout_id=checkout.id, path=f"/pay/checkout/{checkout.id}", state=checkout.state)


class ErasureWanted(BaseModel):
    """Which payments are to be erased."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    payment_ids: list[UUID] = Field(min_length=1, max_length=MOST_AT_ONCE)


class ErasureOut(BaseModel):
    """That it was done, and how to ask about it."""

    reference: str
    erased_at: datetime
    erased: int

    @classmethod
    def of(cls, erasure: ErasureRow) -> "ErasureOut":
        """Return the proof."""
        return cls(reference=erasure.id, erased_at=erasure.erased_at, erased=erasure.count)


class ChoiceForm(BaseModel):
    """What the buyer chose; there is nowhere to type a card."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    outcome: Choice


@api.post("/checkouts", status_code=201, responses=problems(Unauthenticated, CheckoutDiffers))
async def open_checkout(wanted: CheckoutWanted, sandbox: Sandbox) -> CheckoutOut:
    """Open a checkout for a payment; asking again returns the same one."""
    amount = Money(wanted.amount_minor, wanted.currency)
    return CheckoutOut.of(await sandbox.open(wanted.payment_id, amount))


@api.get("/checkouts/{checkout_id}", responses=problems(Unauthenticated, CheckoutNotFound))
async def show_checkout(checkout_id: UUID, sandbox: Sandbox) -> CheckoutOut:
    """Return a checkout."""
    return CheckoutOut.of(await sandbox.get(checkout_id))


@api.post(
    "/checkouts/{checkout_id}/refund", responses=problems(Unauthenticated, CheckoutNotFound, CheckoutOver)
)
async def refund_checkout(checkout_id: UUID, sandbox: Sandbox, courier: Messenger) -> CheckoutOut:
    """Give a paid amount back.

    Effects:  tells the merchant payment.refunded.
    """
    refunded = CheckoutOut.of(await sandbox.refund(checkout_id))
    courier.wake()
    return refunded


@api.post("/erasures", responses=problems(Unauthenticated, NotNow))
async def erase(wanted: ErasureWanted, erasures: Eraser) -> ErasureOut:
    """Erase all that leads to the merchant's payments; what was paid stays in the books, leading to nothing.

    Effects:  open checkouts end; notices go, those on their way when they have arrived.
    """
    return ErasureOut.of(await erasures.erase(wanted.payment_ids))


@page.get("/checkout.css")
async def stylesheet() -> FileResponse:
    """Return how the hosted page looks."""
    return FileResponse(
        PAGES / "checkout.css", media_type="text/css", headers={"cache-control": "max-age=3600"}
    )


@page.get("/checkout/{checkout_id}")
async def show_page(checkout_id: UUID, sandbox: Sandbox) -> HTMLResponse:
    """Show a buyer what is to be paid, or what became of it."""
    return _page(await sandbox.get(checkout_id))


@page.post("/checkout/{checkout_id}")
async def choose(
    checkout_id: UUID, chosen: Annotated[ChoiceForm, Form()], sandbox: Sandbox, courier: Messenger
) -> RedirectResponse:
    """Take the buyer's choice and show what became of it.

    Effects:  tells the merchant, later, perhaps twice and perhaps out of order.
    """
    await sandbox.choose(checkout_id, chosen.outcome)
    courier.wake()
    return RedirectResponse(f"/pay/checkout/{checkout_id}", 303)


def _page(checkout: CheckoutRow) -> HTMLResponse:
    template = templates.get_template("checkout.html")
    html = template.render(
        checkout=checkout,
        amount=f"{SYMBOLS[checkout.currency]} {checkout.amount_minor // 100}.{checkout.amount_minor % 100:02d}",
        payable=checkout.state in (CheckoutState.OPEN, CheckoutState.DECLINED),
    )
    return HTMLResponse(html, headers=PAGE_HEADERS)
