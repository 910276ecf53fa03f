"""The ledger: double entry, append only, in whole credits. A balance is what the entries add up to."""

from dataclasses import dataclass
from enum import StrEnum

from services.billing.errors import InvalidAmount, Overdrawn


class Account(StrEnum):
    """Where credits are. A `user:` account is one per person: the entry says whose."""

    AVAILABLE = "user:available"
    RESERVED = "user:reserved"
    SALES = "platform:sales"
    WELCOME = "platform:welcome"
    USAGE = "platform:usage"


class Kind(StrEnum):
    """Why credits moved."""

    PURCHASE = "purchase"
    WELCOME = "welcome"
    RESERVATION = "reservation"
    CAPTURE = "capture"
    RELEASE = "release"
    REFUND = "refund"
    RECLAIM = "reclaim"


ROUTES: dict[Kind, tuple[Account, Account]] = {
    Kind.PURCHASE: (Account.SALES, Account.AVAILABLE),
    Kind.WELCOME: (Account.WELCOME, Account.AVAILABLE),
    Kind.RESERVATION: (Account.AVAILABLE, Account.RESERVED),
    Kind.CAPTURE: (Account.RESERVED, Account.USAGE),
    Kind.RELEASE: (Account.RESERVED, Account.AVAILABLE),
    Kind.REFUND: (Account.AVAILABLE, Account.SALES),
    Kind.RECLAIM: (Account.AVAILABLE, Account.SALES),
}
"""From which account to which each kind of entry moves credits."""


class Unbalanced(ValueError):
    """The postings of an entry do not add up to nothing."""


@dataclass(frozen=True, slots=True)
class Posting:
    """What one account gains, or loses where `credits` is negative."""

    account: Account
    credits: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement of credits, whole: its postings add up to 0."""

    kind: Kind
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        """Refuse an entry that would make credits out of nothing, or lose some."""
        if not self.postings or sum(posting.credits for posting in self.postings) != 0:
            raise Unbalanced(self.kind)

    def change(self, account: Account) -> int:
        """Return what the account gains by this entry."""
        return sum(posting.credits for posting in self.postings if posting.account is account)

    def need(self, account: Account) -> int:
        """Return how much must be in the account for this entry, so that it does not fall below 0."""
        return max(0, -self.change(account))


def entry(kind: Kind, credits_: int) -> Entry:
    """Return the entry that moves credits for a reason.

    Args:     credits_: how many, 1 or more.
    Raises:   InvalidAmount (422, dead-letter).
    """
    if credits_ < 1:
        raise InvalidAmount
    source, target = ROUTES[kind]
    return Entry(kind, (Posting(source, -credits_), Posting(target, credits_)))


@dataclass(frozen=True, slots=True)
class Balance:
    """What a person has: to spend, and set aside for jobs. Never below 0."""

    available: int = 0
    reserved: int = 0

    def plus(self, movement: Entry) -> "Balance":
        """Return the balance with an entry added; the order of many makes no difference."""
        return Balance(
            self.available + movement.change(Account.AVAILABLE),
            self.reserved + movement.change(Account.RESERVED),
        )

    def sound(self) -> "Balance":
        """Return the balance itself.

        Raises:   Overdrawn: more was taken than there was.
        """
        if self.available < 0 or self.reserved < 0:
            raise Overdrawn
        return self
