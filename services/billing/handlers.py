"""What billing does when something happened. Each runs inside its batch's transaction, once per event."""

from libs.common.bus.consumes import consumes
from libs.common.events.auth import (
    UserHiddenV1,
    UserRegisteredV1,
    UserRestoredV1,
    UserRestrictedV1,
    UserUnrestrictedV1,
    UserVerifiedV1,
)
from libs.common.events.billing import PaymentCompletedV1
from libs.common.events.generation import (
    GenerationCompletedV1,
    GenerationFailedV1,
    GenerationRequestedV1,
)
from services.billing.service import BillingService


@consumes(UserRegisteredV1, group="billing.open-account")
async def open_account(event: UserRegisteredV1, service: BillingService) -> None:
    """Give a new person an empty balance."""
    await service.credits.open_account(event.user_id)


@consumes(UserVerifiedV1, group="billing.grant-welcome-credits")
async def grant_welcome_credits(event: UserVerifiedV1, service: BillingService) -> None:
    """Give the welcome credits, once a person.

    Effects:  ledger entry; publishes credits.granted.
    """
    await service.credits.welcome(event.user_id, service.welcome_credits)


@consumes(PaymentCompletedV1, group="billing.grant-credits")
async def grant_credits(event: PaymentCompletedV1, service: BillingService) -> None:
    """Credit what was paid for, once a payment; not where it was refunded meanwhile.

    Raises:   PaymentNotFound: dead-letter.
    Effects:  ledger entry; publishes credits.granted.
    """
    await service.grant(event.user_id, event.payment_id)


@consumes(GenerationRequestedV1, group="billing.reserve-credits")
async def reserve_credits(event: GenerationRequestedV1, service: BillingService) -> None:
    """Set a job's credits aside.

    Raises:   InvalidAmount: dead-letter.
    Effects:  ledger entry; publishes credits.reserved or credits.declined; nothing for a job that is over.
    """
    await service.credits.reserve(event.user_id, event.job_id, event.credits)


@consumes(GenerationCompletedV1, group="billing.capture-credits")
async def capture_credits(event: GenerationCompletedV1, service: BillingService) -> None:
    """Spend a finished job's credits.

    Raises:   BooksDisagree: dead-letter.
    Effects:  ledger entry; publishes credits.captured.
    """
    await service.credits.capture(event.user_id, event.job_id)


@consumes(GenerationFailedV1, group="billing.release-credits")
async def release_credits(event: GenerationFailedV1, service: BillingService) -> None:
    """Give the credits of a job without images back, but for what was refunded meanwhile.

    Raises:   BooksDisagree: dead-letter.
    Effects:  ledger entries; publishes credits.released, and credits.reclaimed for what was refunded.
    """
    await service.credits.release(event.user_id, event.job_id)


@consumes(
    UserHiddenV1, UserRestoredV1, UserRestrictedV1, UserUnrestrictedV1, group="billing.follow-suspensions"
)
async def follow_suspensions(
    event: UserHiddenV1 | UserRestoredV1 | UserRestrictedV1 | UserUnrestrictedV1, service: BillingService
) -> None:
    """Keep who begins no purchase for now. What is in hand is brought to its end, and the books are kept.

    Effects:  the person's suspension.
    """
    await service.suspensions.note(event)
