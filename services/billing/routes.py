"""Billing's HTTP API."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request

from libs.common.app import provided
from libs.common.audit import staff_actor
from libs.common.errors import (
    AccountHidden,
    Invalid,
    ProcessingRestricted,
    TooLarge,
    Unauthenticated,
    problems,
)
from libs.common.identity import CurrentUser, Staff, UnrestrictedUser
from libs.common.pagination import CursorParam, InvalidCursor, Limit, Page, encode_cursor
from services.billing.errors import (
    AmountMismatch,
    CardDataRefused,
    IdempotencyKeyReused,
    NoticeUnreadable,
    PaymentFrozen,
    PaymentNotFound,
    ProviderUnavailable,
    UnknownPackage,
    WebhookRefused,
)
from services.billing.intake import CardFreeRoute, NoticeRoute
from services.billing.metrics import WEBHOOKS
from services.billing.packages import PACKAGES
from services.billing.schemas import (
    BalanceOut,
    CheckoutIn,
    CheckoutOut,
    EntryOut,
    NoticeOut,
    PackageOut,
    PaymentOut,
    RebuiltOut,
)
from services.billing.service import BillingService

PAGE = 20

Service = Annotated[BillingService, Depends(provided(BillingService))]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", max_length=128, description="the same key begins one purchase only"),
]

PREFIX = "/api/billing/v1"

router = APIRouter(prefix=PREFIX, tags=["billing"], route_class=CardFreeRoute)
webhooks = APIRouter(prefix=f"{PREFIX}/webhooks", tags=["billing"], route_class=NoticeRoute)


@router.get("/packages")
async def list_packages() -> list[PackageOut]:
    """Return what can be bought, to anybody."""
    return [PackageOut.of(package) for package in PACKAGES.values()]


@router.post(
    "/checkouts",
    status_code=201,
    responses=problems(
        Unauthenticated,
        AccountHidden,
        ProcessingRestricted,
        TooLarge,
        CardDataRefused,
        UnknownPackage,
        IdempotencyKeyReused,
        ProviderUnavailable,
    ),
)
async def create_checkout(
    wanted: CheckoutIn, user: UnrestrictedUser, service: Service, idempotency_key: IdempotencyKey = None
) -> CheckoutOut:
    """Begin a purchase; it is paid on the provider's page, so no card data comes here.

    Raises:   UnknownPackage, CardDataRefused (422); IdempotencyKeyReused (409); ProviderUnavailable (503).
    """
    return CheckoutOut.of(await service.check_out(user.id, wanted.package, idempotency_key))


@router.get("/payments", responses=problems(Unauthenticated, AccountHidden, InvalidCursor))
async def list_payments(
    user: CurrentUser, service: Service, cursor: CursorParam = None, limit: Limit = PAGE
) -> Page[PaymentOut]:
    """Return the signed-in person's payments, newest first."""
    rows = await service.payments(user.id, cursor, limit + 1)
    page = rows[:limit]
    more = encode_cursor(page[-1].created_at, page[-1].id) if len(rows) > limit else None
    return Page(items=[PaymentOut.of(row) for row in page], next_cursor=more)


@router.get("/payments/{payment_id}", responses=problems(Unauthenticated, AccountHidden, PaymentNotFound))
async def get_payment(payment_id: UUID, user: CurrentUser, service: Service) -> PaymentOut:
    """Return one payment of the signed-in person.

    Raises:   PaymentNotFound: absent, or another person's; 404 for both.
    """
    return PaymentOut.of(await service.payment(user.id, payment_id))


@router.get("/balance", responses=problems(Unauthenticated, AccountHidden))
async def get_balance(user: CurrentUser, service: Service) -> BalanceOut:
    """Return what the signed-in person has to spend."""
    return BalanceOut.of(await service.balance(user.id))


@router.get("/ledger", responses=problems(Unauthenticated, AccountHidden, InvalidCursor))
async def list_entries(
    user: CurrentUser, service: Service, cursor: CursorParam = None, limit: Limit = PAGE
) -> Page[EntryOut]:
    """Return the signed-in person's entries of the ledger, newest first."""
    rows = await service.entries(user.id, cursor, limit + 1)
    page = rows[:limit]
    more = encode_cursor(page[-1].created_at, page[-1].id) if len(rows) > limit else None
    return Page(items=[EntryOut.of(row) for row in page], next_cursor=more)


@webhooks.post(
    "/sandbox",
    responses=problems(TooLarge, WebhookRefused, AmountMismatch, NoticeUnreadable, PaymentFrozen),
)
async def take_notice(request: Request, service: Service) -> NoticeOut:
    """Take in a signed notice of the sandbox provider; a repeated one is answered alike and does nothing.

    Raises:   WebhookRefused (401); NoticeUnreadable (422); AmountMismatch (409) and PaymentFrozen (503): the provider
              tells again later.
    Effects:  the payment's state; publishes payment.completed.
    """
    try:
        notice = service.provider.read_notice(request.headers, await request.body())
        outcome = await service.take_notice(notice)
    except (WebhookRefused, Invalid, AmountMismatch, PaymentFrozen) as error:
        WEBHOOKS.labels(error.code).inc()
        raise
    return NoticeOut(outcome=outcome)


@router.post("/staff/rebuilt-balances", include_in_schema=False)
async def rebuild_balances(staff: Staff, service: Service) -> RebuiltOut:
    """Set every balance to what the ledger says, at once, for operators.

    The ledger is the book: it reaches back to the first credit and needs no Kafka. Whether the book itself is what
    was told to the world, the rebuild of `billing.balances` from the log tells.

    Effects:  publishes action.recorded, before the first balance is touched.
    """
    return RebuiltOut(corrected=await service.rebuild_balances(staff_actor(staff.id)))
