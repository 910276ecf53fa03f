"""The master keys, which wrap the keys of people: the seam to where they are kept.

A key says by its provider's name which master wrapped it. A master is in the setting itself, or in a KMS that it
never leaves (ADR 0047).
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from libs.common.settings import CommonSettings

MASTER_BYTES = 96
FINGERPRINT = b"pixera.master-key.v1"
ARN = re.compile(r"arn:aws:kms:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):\d{12}:key/[A-Za-z0-9-]{1,64}")
"""The name of a key, not of an alias: an alias can be pointed at another key, which then unwraps nothing."""

Named = dict[str, dict[str, Any]]
"""Something for each provider."""


class BadMasterKey(ValueError):
    """The setting holds no usable master key; its value is not told."""


@dataclass(frozen=True, slots=True)
class KmsAccess:
    """How a KMS is reached. Args: credentials: as the driver names them; endpoint: host and port, empty: AWS' own."""

    credentials: dict[str, str]
    endpoint: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Masters:
    """Args:     providers: how each master is reached, by its provider's name; current: the one that wraps;
    in_kms: by what a KMS knows those that it keeps; tls: whom we believe to be that KMS.
    """

    providers: Named
    current: str
    in_kms: Named = field(default_factory=dict)
    tls: Named = field(default_factory=dict)

    @property
    def current_in_kms(self) -> dict[str, Any] | None:
        """Return by what a KMS knows the one that wraps; None: it is in the setting."""
        return self.in_kms.get(self.current)


def kms_access(settings: CommonSettings) -> KmsAccess | None:
    """Return how the KMS is reached; None where nobody told its credentials."""
    if settings.kms_access_key_id is None or settings.kms_secret_access_key is None:
        return None
    credentials = {
        "accessKeyId": settings.kms_access_key_id.get_secret_value(),
        "secretAccessKey": settings.kms_secret_access_key.get_secret_value(),
    }
    if settings.kms_session_token is not None:
        credentials["sessionToken"] = settings.kms_session_token.get_secret_value()
    return KmsAccess(credentials, settings.kms_endpoint, settings.kms_ca_file)


def masters(setting: SecretStr, kms: KmsAccess | None = None) -> Masters:
    """Return the masters of a setting: base64 of 96 bytes each, or ARNs, separated by commas; the first one wraps.

    Raises:   BadMasterKey.
    """
    providers: Named = {}
    in_kms: Named = {}
    for text in map(str.strip, setting.get_secret_value().split(",")):
        if text.startswith("arn:"):
            name = _provider("aws", text.encode())
            in_kms[name], providers[name] = _key_of(text, kms), _credentials(kms)
        else:
            key = _decoded(text)
            providers[_provider("local", key)] = {"key": key}
    trusted = {"tlsCAFile": kms.ca_file} if kms and kms.ca_file else {}
    return Masters(providers, next(iter(providers)), in_kms, {name: {**trusted} for name in in_kms})


def _key_of(arn: str, kms: KmsAccess | None) -> dict[str, str]:
    found = ARN.fullmatch(arn)
    if found is None:
        raise BadMasterKey(
            "PIXERA_VAULT_MASTER_KEY names no key of AWS KMS: it has to be arn:aws:kms:<region>:<account>:key/<id>, "
            "an alias does not do"
        )
    endpoint = {"endpoint": kms.endpoint} if kms and kms.endpoint else {}
    return {"region": found["region"], "key": arn, **endpoint}


def _credentials(kms: KmsAccess | None) -> dict[str, str]:
    if kms is None:
        raise BadMasterKey(
            "PIXERA_VAULT_MASTER_KEY names a key of AWS KMS: set PIXERA_KMS_ACCESS_KEY_ID and "
            "PIXERA_KMS_SECRET_ACCESS_KEY"
        )
    return kms.credentials


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise BadMasterKey("a vault master key is not base64") from error
    if len(key) != MASTER_BYTES:
        raise BadMasterKey(f"a vault master key has {len(key)} bytes instead of {MASTER_BYTES}")
    return key


def _provider(kind: str, key: bytes) -> str:
    """Return the provider's name, made of the key's fingerprint: the same in every process, and no secret."""
    return f"{kind}:{hashlib.sha256(FINGERPRINT + key).hexdigest()[:16]}"
