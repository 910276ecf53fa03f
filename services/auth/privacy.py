"""What auth holds of people, and that all of it goes with the account."""

from libs.common.privacy.holdings import CollectionHolding, Holdings
from services.auth.models import (
    Acceptance,
    PendingRegistration,
    RefreshToken,
    Session,
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
        CollectionHolding(Throttle, made_at="tried_at"),
    ),
)
