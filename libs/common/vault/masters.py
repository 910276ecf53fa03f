"""The master keys, which wrap the keys of people: the seam to where they are kept.

A key says by its provider's name which master wrapped it. Local masters are the ones there are; a KMS is another
entry in `providers`, and nothing else of the platform would know.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

MASTER_BYTES = 96
FINGERPRINT = b"pixera.master-key.v1"


class BadMasterKey(ValueError):
    """The setting holds no usable master key; its value is not told."""


@dataclass(frozen=True, slots=True)
class Masters:
    """Args:     providers: how each master is reached, by its provider's name; current: the one that wraps."""

    providers: dict[str, dict[str, Any]]
    current: str


def masters(setting: SecretStr) -> Masters:
    """Return the masters of a setting: base64 of 96 bytes each, separated by commas, the first one wraps.

    Raises:   BadMasterKey.
    """
    keys = [_decoded(text) for text in setting.get_secret_value().split(",")]
    named = {_provider(key): {"key": key} for key in keys}
    return Masters(named, next(iter(named)))


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error as error:
        raise BadMasterKey("a vault master key is not base64") from error
    if len(key) != MASTER_BYTES:
        raise BadMasterKey(f"a vault master key has {len(key)} bytes instead of {MASTER_BYTES}")
    return key


def _provider(key: bytes) -> str:
    """Return the provider's name, made of the key's fingerprint: the same in every process, and no secret."""
    return f"local:{hashlib.sha256(FINGERPRINT + key).hexdigest()[:16]}"
