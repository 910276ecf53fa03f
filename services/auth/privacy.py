"""What auth holds of people and of operators, and that all of it goes with the account.

What stays is that an address was a minor's: a keyed hash that leads to nobody, for as long as they may be one.
"""

from libs.common.consents import SWITCHBOARDS
from libs.common.exporting.parts import EXPORT_PARTS
from libs.common.pacing import THROTTLES
from libs.common.privacy.annotations import Ends, Retention
from libs.common.privacy.holdings import (
    OF_THE_BUS,
    CollectionHolding,
    Holdings,
    ProcessorHolding,
    ProofHolding,
)
from libs.common.privacy.processors import MAIL_SERVER
from libs.common.suspensions import SUSPENSIONS
from services.auth.agreement_models import Acceptance, ConsentDecision, NoticeRun, PolicyNotice, PolicyVersion
from services.auth.models import (
    REFUSED_FOR,
    EmailChange,
    PendingRegistration,
    RefusedAddress,
    User,
    UsernameClaim,
    VerificationToken,
)
from services.auth.session_models import IdentityCode, RefreshToken, Session
from services.auth.staff_models import StaffAccount, StaffSession

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
        "email_changes.email",
        "email_changes.former",
        "email_changes.token_hash",
        "identity_codes.code_hash",
    ),
)
"""What stands in a mail, and whom it goes to."""

REFUSED_ADDRESSES = ProofHolding(
    RefusedAddress,
    "keyed hash of an address, and until when it is refused",
    "protection-of-minors",
    Retention("5 years: who was 13 is 18 then", REFUSED_FOR),
)
"""Source:   GDPR Art. 17(3)(b), Art. 8, and the terms: the service is for adults."""

WHILE_PENDING = Retention("until its address is verified, or the time for that is over", ends=Ends.EXPIRY)

HOLDINGS = Holdings(
    "auth",
    collections=(
        CollectionHolding(User, subject="_id"),
        CollectionHolding(UsernameClaim),
        CollectionHolding(Acceptance),
        CollectionHolding(ConsentDecision),
        SWITCHBOARDS,
        CollectionHolding(PolicyNotice),
        CollectionHolding(PendingRegistration, kept=WHILE_PENDING),
        CollectionHolding(VerificationToken),
        CollectionHolding(EmailChange, subject="_id"),
        CollectionHolding(IdentityCode),
        CollectionHolding(Session),
        CollectionHolding(RefreshToken),
        CollectionHolding(StaffAccount, subject="_id"),
        CollectionHolding(StaffSession),
        THROTTLES,
        SUSPENSIONS,
        EXPORT_PARTS,
        *OF_THE_BUS,
    ),
    proofs=(REFUSED_ADDRESSES,),
    processors=(MAIL,),
    operational=(PolicyVersion, NoticeRun),
)
