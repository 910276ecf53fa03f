"""The ledger by itself: whatever happens in whatever order, the books add up and nobody owes credits."""

from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from services.billing.errors import InvalidAmount, Overdrawn
from services.billing.ledger import ROUTES, Account, Balance, Entry, Kind, Posting, Unbalanced, entry

AMOUNTS = st.integers(1, 10**9)


@given(kind=st.sampled_from(Kind), amount=AMOUNTS)
def test_every_kind_of_entry_adds_up_to_nothing(kind: Kind, amount: int) -> None:
    movement = entry(kind, amount)
    assert sum(posting.credits for posting in movement.postings) == 0
    source, target = ROUTES[kind]
    assert (movement.change(source), movement.change(target)) == (-amount, amount)


@pytest.mark.parametrize("amount", [0, -1, -(10**9)])
def test_only_whole_positive_amounts_move(amount: int) -> None:
    with pytest.raises(InvalidAmount):
        entry(Kind.PURCHASE, amount)


def test_an_entry_cannot_make_credits_out_of_nothing() -> None:
    with pytest.raises(Unbalanced):
        Entry(Kind.WELCOME, (Posting(Account.AVAILABLE, 5), Posting(Account.WELCOME, -4)))
    with pytest.raises(Unbalanced):
        Entry(Kind.WELCOME, ())


@pytest.mark.parametrize("kind", [Kind.RESERVATION, Kind.CAPTURE, Kind.RELEASE, Kind.REFUND, Kind.RECLAIM])
def test_nothing_can_be_taken_that_is_not_there(kind: Kind) -> None:
    with pytest.raises(Overdrawn):
        Balance().plus(entry(kind, 1)).sound()


class LedgerMachine(RuleBasedStateMachine):
    """People buy, reserve, spend, get back and are refunded, in every order that Hypothesis thinks of."""

    people = Bundle("people")

    def __init__(self) -> None:
        super().__init__()
        self.books: dict[int, list[Entry]] = {}
        self.balances: dict[int, Balance] = {}
        self.granted = self.used = 0

    @initialize(target=people)
    def somebody(self) -> int:
        return self._open()

    @rule(target=people)
    def somebody_else(self) -> int:
        return self._open()

    def _open(self) -> int:
        person = len(self.books)
        self.books[person], self.balances[person] = [], Balance()
        return person

    @rule(person=people, kind=st.sampled_from(Kind), amount=st.integers(1, 50))
    def move(self, person: int, kind: Kind, amount: int) -> None:
        before = self.balances[person]
        movement = entry(kind, amount)
        after = before.plus(movement)
        if before.available < movement.need(Account.AVAILABLE) or before.reserved < movement.need(
            Account.RESERVED
        ):
            with pytest.raises(Overdrawn):
                after.sound()
            return
        self.balances[person] = after.sound()
        self.books[person].append(movement)
        self.granted += amount if kind in (Kind.PURCHASE, Kind.WELCOME) else 0
        self.granted -= amount if kind in (Kind.REFUND, Kind.RECLAIM) else 0
        self.used += amount if kind is Kind.CAPTURE else 0

    @invariant()
    def the_books_add_up(self) -> None:
        entries = [movement for book in self.books.values() for movement in book]
        assert sum(movement.change(account) for movement in entries for account in Account) == 0

    @invariant()
    def nobody_owes(self) -> None:
        assert all(balance.available >= 0 and balance.reserved >= 0 for balance in self.balances.values())

    @invariant()
    def a_balance_is_what_its_entries_add_up_to(self) -> None:
        for person, book in self.books.items():
            assert reduce(Balance.plus, reversed(book), Balance()) == self.balances[person]

    @invariant()
    def credits_are_kept(self) -> None:
        held = sum(balance.available + balance.reserved for balance in self.balances.values())
        assert held == self.granted - self.used


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
