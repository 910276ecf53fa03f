"""Chance that falls the same way on every machine and with every version of numpy."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Field = npt.NDArray[np.float32]


class Dice:
    """A stream of random numbers named by a key.

    Only the raw words of PCG64 are used: numpy guarantees those for ever, and not what `Generator` makes
    of them (NEP 19).
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        seed = int.from_bytes(blake2b(key, digest_size=16).digest(), "big")
        self._bits = np.random.PCG64(seed)

    def fork(self, name: str) -> "Dice":
        """Return an independent stream, so that one more throw in one place changes nothing elsewhere."""
        return Dice(blake2b(self._key, digest_size=32).digest() + name.encode())

    def bytes(self, count: int) -> npt.NDArray[np.uint8]:
        """Return `count` random bytes."""
        words = np.atleast_1d(self._bits.random_raw((count + 7) // 8)).astype("<u8")
        return words.view(np.uint8)[:count]

    def units(self, *shape: int) -> Field:
        """Return uniform numbers in [0, 1) of the given shape."""
        count = 1
        for length in shape:
            count *= length
        words = np.atleast_1d(self._bits.random_raw(count))
        return ((words >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)).reshape(shape)

    def unit(self) -> float:
        """Return one uniform number in [0, 1)."""
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """Return one uniform number in [low, high)."""
        return low + (high - low) * self.unit()

    def below(self, bound: int) -> int:
        """Return one whole number in [0, bound)."""
        return int(self.unit() * bound)

    def chance(self, probability: float) -> bool:
        """Return whether something of this probability happens."""
        return self.unit() < probability

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.below(len(choices))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in random order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(len(rest))]
