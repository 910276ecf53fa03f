"""Recognises payment card numbers, so that none ever enters."""

import re
from collections.abc import Iterator

from pydantic import JsonValue

UUID_TEXT = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE)
"""An identifier such as an Idempotency-Key; 1 in 250 would otherwise hold a run of digits that passes."""

RUN = re.compile(r"\d+(?:[\s._-]\d+)*")
"""Digits, with the separators that people put between groups of them."""

GROUP = re.compile(r"\d+")
SHORTEST, LONGEST = 13, 19
"""How many digits a primary account number has. Source: ISO/IEC 7812-1."""


def holds_card_number(value: JsonValue) -> bool:
    """Tell whether a key, a text or a number anywhere inside looks like a card number."""
    return any(_looks_like_card(text) for text in _texts(value))


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str | int | float):
        yield str(value)


def _looks_like_card(text: str) -> bool:
    runs = RUN.findall(UUID_TEXT.sub(" ", text))
    return any(_passes_luhn(number) for run in runs for number in _numbers(GROUP.findall(run)))


def _numbers(groups: list[str]) -> Iterator[str]:
    """Yield every number of a card's length that starts and ends with a group, such as 4 groups of 4 digits."""
    for first in range(len(groups)):
        number = ""
        for group in groups[first:]:
            number += group
            if len(number) > LONGEST:
                break
            if len(number) >= SHORTEST:
                yield number


def _passes_luhn(number: str) -> bool:
    """Tell whether the check digit fits. Source: ISO/IEC 7812-1 Annex B."""
    digits = [int(digit) for digit in number]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
