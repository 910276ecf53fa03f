"""What privacy itself holds of people: their exports for a time, and the keys to what all services have sealed.

A case has the person's id sealed with a key outside of the database, and drops it with VERIFIED; certificates and the
audit ledger have a keyed pseudonym. They prove what was done, so an erasure leaves them (GDPR Art. 5(2), 17(3)(e)).
What the bus keeps in every service, it keeps here too: of the events that privacy reads, without an id of a person.
"""

from libs.common.backup.report import RestoreReport
from libs.common.exporting.parts import EXPORT_PARTS
from libs.common.exporting.segments import BUCKET
from libs.common.pacing import THROTTLES
from libs.common.privacy.annotations import MONTH, Basis, Ends, Personal, Purpose, Retention
from libs.common.privacy.holdings import (
    OF_THE_BUS,
    CollectionHolding,
    Holdings,
    KeysHolding,
    ObjectsHolding,
    ProcessorHolding,
    ProofHolding,
)
from libs.common.privacy.processors import MAIL_SERVER, OBJECT_STORAGE
from services.privacy.auditing.models import AuditCheckpoint, AuditEntry, AuditHead
from services.privacy.exports.models import Export
from services.privacy.holds.models import Hold
from services.privacy.models import Backup, BackupRemoval, Case, Certificate, ChainHead
from services.privacy.policies.models import PolicyPublication
from services.privacy.requests.models import PersonRequest, RequestLink, RequestMessage, SpentChallenge

MAIL = ProcessorHolding(MAIL_SERVER, receives=("requests.email", "requests.language", "request_links._id"))
"""What stands in a mail to who wrote without an account: nothing of what they wrote."""
ERASURE = "proof-of-erasure"
ACCOUNTABILITY = "accountability"
FOR_GOOD = Retention(
    "for good: it leads to nobody without the key, and proves nothing with a piece taken out", ends=Ends.PROOF
)
PSEUDONYM = "keyed pseudonym, counts and times"
HELD = "opaque id of the item, or keyed pseudonym; what was held until when, on what ground, by which operator's id"
ACTION = "keyed pseudonym, what was done and by which operator's id, counts and times"

COPY = Personal("user.content", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION, MONTH)
ARCHIVES = ObjectsHolding(BUCKET, "export-archives", COPY, exported=False)
"""Sealed parts and archives, whichever service wrote them: privacy erases last, when nobody writes any more.

An archive goes after `export_days`, and its parts when it is made; what is forgotten of either goes after a month.
"""

HOLDINGS = Holdings(
    "privacy",
    collections=(
        CollectionHolding(Export),
        CollectionHolding(PersonRequest),
        CollectionHolding(RequestMessage),
        CollectionHolding(RequestLink),
        THROTTLES,
        EXPORT_PARTS,
        *OF_THE_BUS,
    ),
    objects=(ARCHIVES,),
    processors=(MAIL, ProcessorHolding(OBJECT_STORAGE, receives=(ARCHIVES.name,))),
    keys=(KeysHolding(),),
    proofs=(
        ProofHolding(Case, PSEUDONYM, ERASURE, FOR_GOOD),
        ProofHolding(Certificate, PSEUDONYM, ERASURE, FOR_GOOD),
        ProofHolding(Hold, HELD, ACCOUNTABILITY, FOR_GOOD),
        ProofHolding(AuditEntry, ACTION, ACCOUNTABILITY, FOR_GOOD),
    ),
    operational=(
        SpentChallenge,
        ChainHead,
        AuditHead,
        AuditCheckpoint,
        PolicyPublication,
        Backup,
        BackupRemoval,
        RestoreReport,
    ),
)
