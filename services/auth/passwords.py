"""Passwords: what is accepted as one, and how it is hashed without holding up anything else."""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

from libs.common.errors import Unavailable
from services.auth.errors import WeakPassword
from services.auth.metrics import ARGON2_SECONDS
from services.auth.settings import AuthSettings

T = TypeVar("T")

MAX_LENGTH = 128
SCORED_LENGTH = 64
"""zxcvbn's time grows with the square of the length; what follows cannot make a password weaker."""


class Passwords:
    """Argon2id in a few threads of its own, with a queue that ends.

    Source:   OWASP Password Storage Cheat Sheet: 19 MiB, t=2, p=1; measured 21 ms on the reference machine.
    """

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time_cost,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
        )
        self._threads = ThreadPoolExecutor(settings.argon2_workers, thread_name_prefix="argon2")
        self._places = asyncio.Semaphore(settings.argon2_workers)
        self._waiting = 0
        self._nobodys: str | None = None

    async def accept(self, password: SecretStr, *, about: tuple[str, ...]) -> None:
        """Refuse a password that is easy to guess.

        Args:     about: what a guesser would try first: the person's username and address.
        Raises:   WeakPassword (422), with the reason.
        Source:   NIST SP 800-63B-4, 3.1.1.2: length and a blocklist, no rules about kinds of characters.
        """
        text = _normal(password)
        if len(text) < self._settings.password_min_length:
            raise WeakPassword(
                f"at least {self._settings.password_min_length} characters, please", reason="too-short"
            )
        if len(text) > MAX_LENGTH:
            raise WeakPassword(f"at most {MAX_LENGTH} characters, please", reason="too-long")
        if await self._run(partial(_score, text, about)) < self._settings.password_min_score:
            raise WeakPassword("this is common, or made of what is known about you", reason="guessable")

    async def hash(self, password: SecretStr) -> str:
        """Return the encoded hash of a password.

        Raises:   Unavailable (503): too many are waiting.
        """
        return await self._timed("hash", partial(self._hasher.hash, _normal(password)))

    async def verify(self, password_hash: str | None, password: SecretStr) -> bool:
        """Tell whether a password is the one that was hashed; without a hash, say no in the same time.

        Raises:   Unavailable (503): too many are waiting.
        """
        if self._nobodys is None:
            self._nobodys = await self.hash(SecretStr(secrets.token_hex()))
        expected = self._nobodys if password_hash is None else password_hash
        return await self._timed("verify", partial(self._matches, expected, _normal(password)))

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether a hash was made with other parameters than the present ones."""
        return self._hasher.check_needs_rehash(password_hash)

    async def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str, text: str) -> bool:
        try:
            return self._hasher.verify(password_hash, text)
        except (VerificationError, InvalidHashError):
            return False

    async def _timed(self, operation: str, work: Callable[[], T]) -> T:
        started = perf_counter()
        try:
            return await self._run(work)
        finally:
            ARGON2_SECONDS.labels(operation).observe(perf_counter() - started)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._settings.argon2_queue:
            raise Unavailable("too many people are signing in at this moment, try again")
        self._waiting += 1
        try:
            async with self._places:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _normal(password: SecretStr) -> str:
    """Return the text that is hashed: the same on every keyboard. Source: NIST SP 800-63B-4, 3.1.1.2."""
    return unicodedata.normalize("NFKC", password.get_secret_value())


def _score(text: str, about: tuple[str, ...]) -> int:
    """Return 0 (guessed at once) to 4. Runs in a thread: it takes milliseconds of computing."""
    from zxcvbn import zxcvbn  # noqa: PLC0415 - its word lists are loaded where the first password is set

    score: int = zxcvbn(text[:SCORED_LENGTH], user_inputs=list(about), max_length=SCORED_LENGTH)["score"]
    return score
