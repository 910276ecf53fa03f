"""Ed25519 over canonical JSON: how Pixera signs what others are to check with the public key alone.

What is signed is the canonical JSON (RFC 8785) of one object without its `signature`. A kind of document that must
not pass for another is told apart by a `context` in front of it.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

SIGNATURE = "signature"

Body = Mapping[str, Any]


class KeyUnusable(ValueError):
    """This is not the PEM of an Ed25519 key."""


class SigningKey:
    """Signs objects. Args: pem: PKCS #8 of an Ed25519 private key.

    Raises:   KeyUnusable.
    """

    def __init__(self, pem: str) -> None:
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError) as error:
            raise KeyUnusable("not the PEM of a private key") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnusable("not an Ed25519 private key")
        self._key = key
        self.public_key = key.public_key()
        self.key_id = key_id_of(self.public_key)

    def sign(self, body: Body, context: bytes = b"") -> bytes:
        """Return the canonical JSON of an object with its signature (RFC 8032)."""
        signature = self._key.sign(context + rfc8785.dumps(dict(body)))
        return rfc8785.dumps({**body, SIGNATURE: _encode(signature)})


def load_public_key(pem: str) -> Ed25519PublicKey:
    """Return a public key from its PEM. Raises KeyUnusable."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, TypeError) as error:
        raise KeyUnusable("not the PEM of a public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnusable("not an Ed25519 public key")
    return key


def key_id_of(key: Ed25519PublicKey) -> str:
    """Return a key's name: its JWK thumbprint (RFC 7638), so that nobody has to agree on one."""
    canonical = rfc8785.dumps(
        {name: value for name, value in _jwk(key).items() if name in ("crv", "kty", "x")}
    )
    return _encode(hashlib.sha256(canonical).digest())


def public_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """Return a key as a JWK (RFC 8037)."""
    return {**_jwk(key), "kid": key_id_of(key), "alg": "EdDSA", "use": "sig"}


def public_pem(key: Ed25519PublicKey) -> str:
    """Return a key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_object(text: bytes) -> dict[str, Any] | None:
    """Return the JSON object that bytes hold, None where they hold none."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def canonical(body: Body) -> bytes | None:
    """Return the canonical JSON of an object, None where it has none."""
    try:
        return rfc8785.dumps(dict(body))
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError):
        return None


def is_signed(body: Body, key: Ed25519PublicKey, context: bytes = b"") -> bool:
    """Tell whether an object's signature is this key's."""
    signed = canonical({name: value for name, value in body.items() if name != SIGNATURE})
    signature = _decode(str(body.get(SIGNATURE)))
    if signed is None or signature is None:
        return False
    try:
        key.verify(signature, context + signed)
    except InvalidSignature:
        return False
    return True


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)),
    }


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes | None:
    """Return the bytes of strict base64url without padding: one text per value, so that no byte can hide."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if _encode(raw) == text else None
