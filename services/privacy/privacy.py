"""What privacy itself holds of people: nothing that says who.

A case has the person's id sealed with a key outside of the database, and drops it with VERIFIED; certificates have
a keyed pseudonym. Both are the proof that somebody was erased, so erasure leaves them (GDPR Art. 5(2), 17(3)(e)).
"""

from libs.common.privacy.holdings import Holdings
from services.privacy.models import Case, Certificate, ChainHead

HOLDINGS = Holdings("privacy", operational=(Case, Certificate, ChainHead))
