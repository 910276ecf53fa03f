"""What privacy itself holds of people: nothing that says who, and the keys to what all services have sealed.

A case has the person's id sealed with a key outside of the database, and drops it with VERIFIED; certificates have
a keyed pseudonym. Both are the proof that somebody was erased, so erasure leaves them (GDPR Art. 5(2), 17(3)(e)).
"""

from libs.common.privacy.holdings import Holdings, KeysHolding
from services.privacy.models import Case, Certificate, ChainHead

HOLDINGS = Holdings("privacy", keys=(KeysHolding(),), operational=(Case, Certificate, ChainHead))
