"""Sealing: personal content made unreadable to all but those who may use its person's key, for as long as it exists.

What is sealed may travel in events and lie in backups: once the key is destroyed, every copy of it is noise.
"""

import asyncio
import base64
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, TypeVar
from uuid import UUID

from libs.common.events.base import Sealed
from libs.common.logging import logger
from libs.common.settings import CommonSettings
from libs.common.vault.cipher import Cipher, MasterUnknown
from libs.common.vault.keys import DataKeys
from libs.common.vault.kms import KeyServiceRefused, KeyServiceUnavailable
from libs.common.vault.masters import BadMasterKey, kms_access, masters
from libs.common.vault.metrics import FIELDS, VAULT_SECONDS

T = TypeVar("T")

REMEDIES = {
    "check the ARN in PIXERA_VAULT_MASTER_KEY": ("NotFoundException", "ValidationException"),
    "allow kms:Encrypt and kms:Decrypt with this key to whom PIXERA_KMS_ACCESS_KEY_ID names": (
        "AccessDenied",
        "AccessDeniedException",
    ),
    "enable the key, or cancel its deletion": ("DisabledException", "KMSInvalidStateException"),
}
"""What to do when a KMS refuses, by its word for why. Source: AWS KMS API, Encrypt and Decrypt, errors."""
CREDENTIALS = "check PIXERA_KMS_ACCESS_KEY_ID, PIXERA_KMS_SECRET_ACCESS_KEY and PIXERA_KMS_SESSION_TOKEN"

log = logger("vault")


@dataclass(frozen=True, slots=True)
class VaultState:
    """How the vault stands.

    Args:     master: fingerprint of the one that wraps; in_kms: a KMS keeps it; keys: of people; waiting: of these,
              wrapped by another master; destroyed: marks of people who are erased.
    """

    master: str
    in_kms: bool
    keys: int
    waiting: int
    destroyed: int


class MasterRefused(BadMasterKey):
    """The KMS does not let us use the master key that the settings name; the message says what to do."""


class Sealing:
    """Seals and opens with the keys of people; a page of fields is one hop to a thread."""

    def __init__(self, settings: CommonSettings, keys: DataKeys) -> None:
        if settings.vault_master_key is None:
            raise TypeError("nothing is sealed without PIXERA_VAULT_MASTER_KEY")
        self._keys, self._masters = keys, masters(settings.vault_master_key, kms_access(settings))
        self._cipher = Cipher(settings, self._masters)
        self._threads = ThreadPoolExecutor(settings.vault_threads, "vault")

    async def begin(self) -> None:
        """See whether a KMS lets us use its masters. One that is away is no reason not to start: readiness says it.

        Raises:   MasterRefused.
        """
        if not self.asks_kms:
            return
        try:
            await self._run("try", self._cipher.try_masters)
        except KeyServiceRefused as error:
            raise MasterRefused(f"The KMS refuses ({error.reason}): {_remedy(error.reason)}") from error
        except KeyServiceUnavailable as error:
            log.warning("vault.kms_away", exc_info=error)

    async def require_masters(self) -> None:
        """Raise KeyServiceUnavailable while the KMS that keeps a master does not do its work."""
        if self.asks_kms:
            await asyncio.to_thread(self._cipher.require_masters)

    async def seal(self, user_id: UUID, values: Sequence[Any]) -> list[Sealed]:
        """Seal values of a person, each by itself; a first value makes the person's key.

        Args:     values: what BSON holds, None excepted.
        Raises:   SubjectErased (410): the person is erased, and has no key ever again.
        Effects:  a key in the vault, outside of any transaction: call it before one begins.
        """
        return [_text(each) for each in await self.seal_each([(user_id, value) for value in values])]

    async def seal_each(self, values: Sequence[tuple[UUID, Any]]) -> list[bytes]:
        """Seal values of several people, in one hop; as `seal` does."""
        named = self._named(values)
        sealed = await self._run("seal", lambda: self._cipher.seal(named))
        FIELDS.labels("sealed").inc(len(sealed))
        return sealed

    async def opened(self, user_id: UUID, sealed: Sequence[Sealed]) -> list[Any]:
        """Open what was sealed for a person; None for each whose key is gone: it is erased.

        Raises:   SealBroken (500): the key is there, and does not open it.
        """
        return await self.open_each([(user_id, _bytes(each)) for each in sealed])

    async def open_each(self, sealed: Sequence[tuple[UUID, bytes]]) -> list[Any]:
        """Open what was sealed for several people, in one hop; as `opened` does."""
        named = self._named(sealed)
        values = await self._run("open", lambda: self._cipher.open(named))
        erased = sum(value is None for value in values)
        FIELDS.labels("erased").inc(erased)
        FIELDS.labels("opened").inc(len(values) - erased)
        return values

    def forget(self, user_id: UUID) -> None:
        """Drop a person's key from this process's memory at once."""
        self._cipher.forget(self._keys.name_of(user_id))

    async def state(self) -> VaultState:
        """Return how the vault stands, for operators."""
        keys, waiting, destroyed = await self._keys.figures(self._masters.current)
        return VaultState(self.master, self._masters.current_in_kms is not None, keys, waiting, destroyed)

    async def waiting(self, limit: int) -> list[UUID]:
        """Return some keys that the current master does not wrap yet.

        Raises:   MasterUnknown (409): some of them nobody here can unwrap.
        """
        if unknown := set(await self._keys.masters()) - self._masters.providers.keys():
            raise MasterUnknown(f"No key was given for {', '.join(sorted(unknown))}")
        return await self._keys.wrapped_otherwise(self._masters.current, limit)

    async def rewrap(self, key_ids: Sequence[UUID]) -> int:
        """Wrap keys by the current master; return how many were. All of them stay usable throughout."""
        return await self._run("rewrap", partial(self._cipher.rewrap, key_ids))

    @property
    def asks_kms(self) -> bool:
        """Tell whether a KMS keeps one of the masters."""
        return bool(self._masters.in_kms)

    @property
    def master(self) -> str:
        """Return the current master's fingerprint."""
        return self._masters.current.partition(":")[2]

    async def close(self) -> None:
        """End the threads, close the connections and drop every key."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.shutdown()
        self._cipher.close()

    def _named(self, values: Sequence[tuple[UUID, T]]) -> list[tuple[str, T]]:
        names = {user_id: self._keys.name_of(user_id) for user_id, _ in values}
        return [(names[user_id], value) for user_id, value in values]

    async def _run(self, operation: str, call: Callable[[], T]) -> T:
        started, outcome = perf_counter(), "failed"
        try:
            done = await asyncio.get_running_loop().run_in_executor(self._threads, call)
            outcome = "ok"
        finally:
            VAULT_SECONDS.labels(operation, outcome).observe(perf_counter() - started)
        return done


def _remedy(reason: str) -> str:
    return next((remedy for remedy, reasons in REMEDIES.items() if reason in reasons), CREDENTIALS)


def _text(ciphertext: bytes) -> Sealed:
    return base64.b64encode(ciphertext).decode()


def _bytes(sealed: Sealed) -> bytes:
    return base64.b64decode(sealed)
