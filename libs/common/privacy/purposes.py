"""The purposes that people decide about: what each is, on which basis, and what stops without it.

Everything else that Pixera does with data is needed for the contract, for security or by law, and is not asked about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from libs.common.privacy.annotations import Basis, ChosenPurpose


class Decision(StrEnum):
    """What a person said about a purpose: consent can be withdrawn, legitimate interests can be objected to."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"


@dataclass(frozen=True, slots=True)
class DeclaredPurpose:
    """A purpose that people decide about.

    Args:     what: is done; without: what becomes of it when a person says no.
    Source:   GDPR Art. 6(1)(a) and 7 (consent), Art. 6(1)(f) and 21 (legitimate interests, objection).
    """

    name: ChosenPurpose
    basis: Basis
    what: str
    without: str

    @property
    def unasked(self) -> bool:
        """Tell whether it is done for a person who said nothing: never on the ground of consent."""
        return self.basis is Basis.LEGITIMATE_INTERESTS

    @property
    def refusal(self) -> Decision:
        """Return how a person says no to it."""
        return Decision.OBJECTED if self.unasked else Decision.WITHDRAWN


_ALL = (
    DeclaredPurpose(
        ChosenPurpose.PERSONALISATION,
        Basis.CONSENT,
        what="Your language, theme and preferences are kept with your account, so that every device and every mail "
        "has them.",
        without="What is kept of them is deleted. Devices keep their own; mails are in English.",
    ),
    DeclaredPurpose(
        ChosenPurpose.SESSION_DEVICES,
        Basis.LEGITIMATE_INTERESTS,
        what="The browser and device of each sign-in are kept for 90 days, so that you recognise your sessions.",
        without="They are deleted and not kept any more. Your sessions are listed by time and address.",
    ),
    DeclaredPurpose(
        ChosenPurpose.PHOTO_DETAILS,
        Basis.LEGITIMATE_INTERESTS,
        what="When and with which camera a photograph was taken is kept beside it, as its file says.",
        without="It is deleted from your images and not read into the gallery any more.",
    ),
)
DECLARED: Mapping[ChosenPurpose, DeclaredPurpose] = MappingProxyType({each.name: each for each in _ALL})
