"""Recognises payment card numbers, so that none ever enters."""

import re
from collections.abc import Iterator
from itertools import accumulate

from pydantic import JsonValue

UUID_TEXT = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE)
"""An identifier such as an Idempotency-Key; 1 in 250 would otherwise hold a run of digits that passes."""

RUN = re.compile(r"\d+(?:[\s._-]\d+)*")
"""Digits, with the separators that people put between groups of them."""

GROUP = re.compile(r"\d+")
SHORTEST, LONGEST = 13, 19
LENGTHS = range(SHORTEST, LONGEST + 1)
"""How many digits a primary account number has. Source: ISO/IEC 7812-1."""

DOUBLED = tuple(sum(divmod(2 * digit, 10)) for digit in range(10))
"""What a digit counts where it is doubled."""


def holds_card_number(value: JsonValue) -> bool:
    """Tell whether a key, a text or a number anywhere inside looks like a card number."""
    return any(_looks_like_card(text) for text in _texts(value))


def _texts(value: JsonValue) -> Iterator[str]:
    waiting = [value]
    while waiting:
        match waiting.pop():
            case dict() as inner:
                yield from inner
                waiting.extend(inner.values())
            case list() as inner:
                waiting.extend(inner)
            case str() | int() | float() as scalar:
                yield str(scalar)


def _looks_like_card(text: str) -> bool:
    return any(_holds_number(GROUP.findall(run)) for run in RUN.findall(UUID_TEXT.sub(" ", text)))


def _holds_number(groups: list[str]) -> bool:
    """Tell whether a number of a card's length starts and ends with a group, such as 4 groups of 4 digits.

    Sums up to each digit make every window a subtraction, so that the work grows with the digits alone.
    """
    ends = [0, *accumulate(map(len, groups))]
    if ends[-1] < SHORTEST:
        return False
    sums = _luhn_sums("".join(groups))
    bounds = frozenset(ends)
    windows = (
        (start, start + length) for start in ends[:-1] for length in LENGTHS if start + length in bounds
    )
    return any((sums[end % 2][end] - sums[end % 2][start]) % 10 == 0 for start, end in windows)


def _luhn_sums(digits: str) -> tuple[list[int], list[int]]:
    """Return the Luhn sums before each digit, for numbers that end before an even place, and before an odd one.

    Source:   ISO/IEC 7812-1 Annex B: the last digit counts as it is, the one before it doubled, and so on.
    """
    plain = [int(digit) for digit in digits]
    doubled = [DOUBLED[digit] for digit in plain]
    even, odd = plain.copy(), plain.copy()
    even[::2], odd[1::2] = doubled[::2], doubled[1::2]
    return [0, *accumulate(even)], [0, *accumulate(odd)]
