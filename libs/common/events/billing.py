"""What billing publishes. Amounts of money are in minor units of the currency."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.common.events.base import Code, Event


class PaymentCompletedV1(Event, topic="payment.completed", subject="user_id"):
    """A payment provider confirmed that a payment was made.

    Consumers: billing.grant-credits.
    """

    user_id: UUID
    payment_id: UUID
    package: Code
    amount_minor: int
    currency: Literal["EUR", "USD"]


class AccountOpenedV1(Event, topic="account.opened", subject="user_id"):
    """Somebody has a balance from now on, an empty one.

    Consumers: none; it is where a rebuilt balance begins.
    """

    user_id: UUID
    opened_at: datetime


class CreditsGrantedV1(Event, topic="credits.granted", subject="user_id"):
    """Credits were added to somebody's balance.

    Consumers: none yet; it is the audit's and a rebuilt balance's source.
    """

    user_id: UUID
    credits: int
    reason: Code
    payment_id: UUID | None = None


class CreditsReservedV1(Event, topic="credits.reserved", subject="user_id"):
    """The credits for a job are set aside.

    Consumers: generation.admit.
    """

    user_id: UUID
    job_id: UUID
    credits: int


class CreditsDeclinedV1(Event, topic="credits.declined", subject="user_id"):
    """There are not enough credits for a job.

    Consumers: generation.decline.
    """

    user_id: UUID
    job_id: UUID
    credits: int
    reason: Code


class CreditsCapturedV1(Event, topic="credits.captured", subject="user_id"):
    """Reserved credits were spent: the job's images are there.

    Consumers: none yet; it is the audit's and a rebuilt balance's source.
    """

    user_id: UUID
    job_id: UUID
    credits: int


class CreditsReleasedV1(Event, topic="credits.released", subject="user_id"):
    """Reserved credits went back to their owner.

    Consumers: none yet; it is the audit's and a rebuilt balance's source.
    """

    user_id: UUID
    job_id: UUID
    credits: int


class CreditsRefundedV1(Event, topic="credits.refunded", subject="user_id"):
    """Credits of a refunded payment were taken back, as far as they were neither spent nor set aside.

    Consumers: none; it is the audit's and a rebuilt balance's source.
    """

    user_id: UUID
    payment_id: UUID
    credits: int


class CreditsReclaimedV1(Event, topic="credits.reclaimed", subject="user_id"):
    """Credits that a refund found set aside for a job were taken back when the job gave them back.

    Consumers: none; it is the audit's and a rebuilt balance's source.
    """

    user_id: UUID
    job_id: UUID
    credits: int
