"""What auth holds of people and of operators, and that all of it goes with the account."""

from libs.common.consents import SWITCHBOARDS
from libs.common.privacy.holdings import OF_THE_BUS, CollectionHolding, Holdings, ProcessorHolding
from libs.common.privacy.processors import MAIL_SERVER
from libs.common.suspensions import SUSPENSIONS
from services.auth.models import (
    Acceptance,
    ConsentDecision,
    NoticeRun,
    PendingRegistration,
    PolicyNotice,
    PolicyVersion,
    RefreshToken,
    Session,
    StaffAccount,
    StaffSession,
    Throttle,
    User,
    UsernameClaim,
    VerificationToken,
)

MAIL = ProcessorHolding(
    MAIL_SERVER,
    receives=(
        "users.email",
        "users.username",
        "users.language",
        "registrations.email",
        "registrations.created_at",
        "registrations.language",
        "verification_tokens._id",
    ),
)
"""What stands in a mail, and whom it goes to."""

HOLDINGS = Holdings(
    "auth",
    collections=(
        CollectionHolding(User, subject="_id"),
        CollectionHolding(UsernameClaim),
        CollectionHolding(Acceptance),
        CollectionHolding(ConsentDecision),
        SWITCHBOARDS,
        CollectionHolding(PolicyNotice),
        CollectionHolding(PendingRegistration),
        CollectionHolding(VerificationToken),
        CollectionHolding(Session),
        CollectionHolding(RefreshToken),
        CollectionHolding(StaffAccount, subject="_id"),
        CollectionHolding(StaffSession),
        CollectionHolding(Throttle, made_at="tried_at"),
        SUSPENSIONS,
        *OF_THE_BUS,
    ),
    processors=(MAIL,),
    operational=(PolicyVersion, NoticeRun),
)
