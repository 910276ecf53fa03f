"""Blind indexes: what is stored sealed is looked for by a keyed hash, which tells nothing by itself (ADR 0035)."""

import hashlib
import hmac

from pydantic import SecretStr

from libs.common.privacy.annotations import BlindIndex

DOMAIN = "pixera.blind-index.v1"
BETWEEN = "\x1f"
"""Between the parts of what is hashed: nobody types it into an address."""


class BlindIndexes:
    """Makes blind indexes. Who has the key can test a guess, so few services are told it."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key.get_secret_value().encode()

    def of(self, index: BlindIndex, *parts: str) -> str:
        """Return the blind index of a text, normalised as everywhere; of several parts where it is bound to them.

        Source:   HMAC-SHA256 (RFC 2104).
        """
        text = BETWEEN.join([DOMAIN, index.name, *map(normalised, parts)])
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def normalised(text: str) -> str:
    """Return the form of a text in which it is compared."""
    return text.strip().casefold()
