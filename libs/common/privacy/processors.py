"""Outside parties: who they are, where, under which safeguard, and what becomes of what they have at an erasure.

A service names its own in its `privacy.py`; whoever gets data of people and is not there is a fault of ours.
Source:   GDPR Art. 28 (processors), Art. 30(1)(d)-(e) (recipients, transfers), Art. 44-49 (transfers).
"""

from dataclasses import dataclass
from enum import StrEnum

EEA = frozenset(
    (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS"),
        *("IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"),
    )
)
"""Where no transfer takes place: the European Economic Area, by ISO 3166-1."""


class Safeguard(StrEnum):
    """What protects data that leaves the European Economic Area."""

    NONE_NEEDED = "stays in the European Economic Area"
    ADEQUACY = "adequacy decision (Art. 45)"
    CLAUSES = "standard contractual clauses (Art. 46(2)(c))"
    BINDING_RULES = "binding corporate rules (Art. 46(2)(b), 47)"


class AtErasure(StrEnum):
    """What becomes of what an outside party has, when its person is erased."""

    ASKED = "it is asked to erase, and its answer is kept as proof"
    OURS = "we erase it there ourselves, and look afterwards"
    BEYOND_RECALL = "what was sent cannot be called back; nothing more is sent"


class TransferUnprotected(ValueError):
    """An outside party is in a third country, and nothing is declared that protects what it gets."""


@dataclass(frozen=True, slots=True)
class Processor:
    """An outside party that gets data of people to do something for us.

    Args:     name: a code; title: what people read; task: what it does for us; country: ISO 3166-1.
    Raises:   TransferUnprotected.
    """

    name: str
    title: str
    task: str
    country: str
    safeguard: Safeguard
    at_erasure: AtErasure

    def __post_init__(self) -> None:
        inside = self.safeguard is Safeguard.NONE_NEEDED
        if inside != (self.country in EEA):
            said = "is in" if self.country in EEA else "is not in"
            raise TransferUnprotected(
                f"{self.name}: {self.country} {said} the European Economic Area, and its safeguard says "
                f"`{self.safeguard.value}`: name the one that fits"
            )

    @property
    def is_transfer(self) -> bool:
        """Tell whether data leaves the European Economic Area."""
        return self.country not in EEA


HOSTING = Processor(
    name="hosting",
    title="Hosting provider",
    task="runs the machines with the databases and the event log; what is sealed it cannot read",
    country="DE",
    safeguard=Safeguard.NONE_NEEDED,
    at_erasure=AtErasure.OURS,
)
"""Whoever runs the machines: it has all that every service stores."""

OBJECT_STORAGE = Processor(
    name="object-storage",
    title="Object storage",
    task="keeps the files of images, under names that say nothing",
    country="DE",
    safeguard=Safeguard.NONE_NEEDED,
    at_erasure=AtErasure.OURS,
)

MAIL_SERVER = Processor(
    name="mail-server",
    title="Mail service",
    task="delivers our mails to the address",
    country="DE",
    safeguard=Safeguard.NONE_NEEDED,
    at_erasure=AtErasure.BEYOND_RECALL,
)
