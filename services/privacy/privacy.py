"""What privacy itself holds of people: nothing that says who, and the keys to what all services have sealed.

A case has the person's id sealed with a key outside of the database, and drops it with VERIFIED; certificates and the
audit ledger have a keyed pseudonym. They prove what was done, so an erasure leaves them (GDPR Art. 5(2), 17(3)(e)).
What the bus keeps in every service, it keeps here too: of the events that privacy reads, without an id of a person.
"""

from libs.common.backup.report import RestoreReport
from libs.common.privacy.annotations import Ends, Retention
from libs.common.privacy.holdings import OF_THE_BUS, Holdings, KeysHolding, ProofHolding
from services.privacy.models import (
    AuditCheckpoint,
    AuditEntry,
    AuditHead,
    Backup,
    Case,
    Certificate,
    ChainHead,
    Hold,
    PolicyPublication,
)

ERASURE = "proof-of-erasure"
ACCOUNTABILITY = "accountability"
FOR_GOOD = Retention(
    "for good: it leads to nobody without the key, and proves nothing with a piece taken out", ends=Ends.PROOF
)
PSEUDONYM = "keyed pseudonym, counts and times"
HELD = "opaque id of the item, or keyed pseudonym; what was held until when, on what ground, by which operator's id"
ACTION = "keyed pseudonym, what was done and by which operator's id, counts and times"

HOLDINGS = Holdings(
    "privacy",
    collections=OF_THE_BUS,
    keys=(KeysHolding(),),
    proofs=(
        ProofHolding(Case, PSEUDONYM, ERASURE, FOR_GOOD),
        ProofHolding(Certificate, PSEUDONYM, ERASURE, FOR_GOOD),
        ProofHolding(Hold, HELD, ACCOUNTABILITY, FOR_GOOD),
        ProofHolding(AuditEntry, ACTION, ACCOUNTABILITY, FOR_GOOD),
    ),
    operational=(ChainHead, AuditHead, AuditCheckpoint, PolicyPublication, Backup, RestoreReport),
)
