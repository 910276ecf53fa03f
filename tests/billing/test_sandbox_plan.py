"""What the sandbox tells its merchant: as agreed for the n-th checkout, and badly on purpose where told so."""

from datetime import UTC, datetime, timedelta

import pytest

from services.billing.providers.sandbox.plan import Choice, NoticeType, Rules, plan

MOMENT = datetime(2026, 11, 23, tzinfo=UTC)
RULES = Rules(duplicate_every=2, reorder_every=3, settle=timedelta(seconds=1), later=timedelta(seconds=9))
PENDING, COMPLETED, FAILED = NoticeType.PENDING, NoticeType.COMPLETED, NoticeType.FAILED


def told(choice: Choice, number: int, rules: Rules = RULES) -> list[tuple[NoticeType, float, int]]:
    notices = sorted(plan(choice, number, rules, MOMENT), key=lambda notice: notice.due_at)
    return [(notice.type, (notice.due_at - MOMENT).total_seconds(), notice.copies) for notice in notices]


@pytest.mark.parametrize(
    ("number", "notices"),
    [
        (1, [(PENDING, 0, 1), (COMPLETED, 1, 1)]),
        (2, [(PENDING, 0, 1), (COMPLETED, 1, 2)]),
        (3, [(COMPLETED, 0, 1), (PENDING, 1, 1)]),
        (6, [(COMPLETED, 0, 2), (PENDING, 1, 1)]),
    ],
)
def test_duplicates_and_wrong_order_follow_the_rules(
    number: int, notices: list[tuple[NoticeType, float, int]]
) -> None:
    assert told(Choice.APPROVE, number) == notices


def test_a_late_approval_stays_pending_longer() -> None:
    assert told(Choice.APPROVE_LATER, 1) == [(PENDING, 0, 1), (COMPLETED, 9, 1)]


@pytest.mark.parametrize("choice", [Choice.DECLINE, Choice.INSUFFICIENT_FUNDS])
def test_a_refusal_is_told_as_failed(choice: Choice) -> None:
    assert told(choice, 1) == [(PENDING, 0, 1), (FAILED, 1, 1)]


def test_nothing_goes_wrong_where_the_rules_say_never() -> None:
    never = Rules(duplicate_every=0, reorder_every=0, settle=timedelta(0), later=timedelta(0))
    assert [copies for number in range(1, 20) for *_, copies in told(Choice.APPROVE, number, never)] == [
        1
    ] * 38
