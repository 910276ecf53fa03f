"""What auth holds of people and of operators, and that all of it goes with the account."""

from libs.common.privacy.holdings import OF_THE_BUS, CollectionHolding, Holdings
from services.auth.models import (
    Acceptance,
    PendingRegistration,
    RefreshToken,
    Session,
    StaffAccount,
    StaffSession,
    Throttle,
    User,
    UsernameClaim,
    VerificationToken,
)

HOLDINGS = Holdings(
    "auth",
    collections=(
        CollectionHolding(User, subject="_id"),
        CollectionHolding(UsernameClaim),
        CollectionHolding(Acceptance),
        CollectionHolding(PendingRegistration),
        CollectionHolding(VerificationToken),
        CollectionHolding(Session),
        CollectionHolding(RefreshToken),
        CollectionHolding(StaffAccount, subject="_id"),
        CollectionHolding(StaffSession),
        CollectionHolding(Throttle, made_at="tried_at"),
        *OF_THE_BUS,
    ),
)
