"""The person in a case: sealed while the erasure needs them, a keyed pseudonym ever after."""

import hashlib
import hmac
import os
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from libs.common.privacy.holdings import locator

SEAL = b"pixera.case-subject.v1"
PSEUDONYM = b"pixera.certificate-subject.v1"
NONCE_BYTES = 12


class Subjects:
    """Keeps the person's id unreadable at rest. Args: key: the platform's pseudonym key."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key
        self._sealing = AESGCM(self._derive(SEAL))

    def pseudonym(self, user_id: UUID) -> str:
        """Return what stands for the person in cases and certificates.

        Source:   HMAC-SHA256 (RFC 2104): whoever has the key and the id can tell that it is theirs; nobody else.
        """
        return hmac.new(self._derive(PSEUDONYM), user_id.bytes, hashlib.sha256).hexdigest()

    def locator(self, user_id: UUID) -> str:
        """Return the prefix of the person's objects."""
        return locator(self._key, user_id)

    def seal(self, user_id: UUID, case_id: UUID) -> bytes:
        """Return the person's id, readable with the key and for this case only (AES-256-GCM)."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._sealing.encrypt(nonce, user_id.bytes, case_id.bytes)

    def open(self, sealed: bytes, case_id: UUID) -> UUID:
        """Return the person's id from its seal."""
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        return UUID(bytes=self._sealing.decrypt(nonce, ciphertext, case_id.bytes))

    def _derive(self, purpose: bytes) -> bytes:
        return hmac.new(self._key.get_secret_value().encode(), purpose, hashlib.sha256).digest()
