"""A stream sealed in chunks: written and read in flat memory, of no use cut short, reordered or stitched together.

Source:   the STREAM construction (Hoang et al., 2015, "Online Authenticated-Encryption"), with AES-256-GCM.
"""

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES, TAG_BYTES = 32, 16


def new_key() -> bytes:
    """Return a key for one stream, and for no other: the chunks' numbers are its nonces."""
    return os.urandom(KEY_BYTES)


class StreamCipher:
    """Seals and opens the chunks of one stream. A chunk knows its number, and whether it is the last."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, number: int, plain: bytes, *, last: bool) -> bytes:
        """Return a sealed chunk. Each number is sealed once."""
        return self._cipher.encrypt(_nonce(number, last=last), plain, None)

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """Return a chunk. Raises InvalidTag: it was changed, or is not this chunk of this stream."""
        return self._cipher.decrypt(_nonce(number, last=last), sealed, None)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
