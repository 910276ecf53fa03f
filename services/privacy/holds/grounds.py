"""Why something is held, as operators say it, and as its person may be told.

A person is not told that somebody has reported them, or that an authority asks: that can be what the hold is for.
"""

from enum import StrEnum


class Ground(StrEnum):
    """Why operators hold something."""

    LEGAL_CLAIM = "legal-claim"
    PAYMENT_DISPUTE = "payment-dispute"
    COURT_ORDER = "court-order"
    AUTHORITY_REQUEST = "authority-request"
    ABUSE_REPORT = "abuse-report"


class Told(StrEnum):
    """Why, as its person, and whoever reads the certificate, is told."""

    LEGAL_CLAIM = "legal-claim"
    LEGAL_OBLIGATION = "legal-obligation"

    @property
    def words(self) -> str:
        """Return it in words."""
        return WORDS[self]


WORDS = {
    Told.LEGAL_CLAIM: "It is needed for the establishment, exercise or defence of legal claims.",
    Told.LEGAL_OBLIGATION: "We are obliged by law to keep it for now.",
}
"""Source: GDPR Art. 17(3)(e) and (b), which a refusal to erase has to name (Art. 12(4))."""


def told(ground: str) -> Told:
    """Return what is told of a ground."""
    claims = (Ground.LEGAL_CLAIM, Ground.PAYMENT_DISPUTE)
    return Told.LEGAL_CLAIM if ground in claims else Told.LEGAL_OBLIGATION
