"""The certificate of an erasure: its format, how it is signed, and how anyone checks one with the public key alone.

A certificate is the canonical JSON (RFC 8785) of one object, byte for byte. `hash` covers everything but itself and
the signature, `previous_hash` is the `hash` of the certificate before it, and `signature` (Ed25519, RFC 8032) covers
everything but itself. So no certificate can be changed, taken out or slipped in without the others telling.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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

VERSION = 1
GENESIS = "0" * 64
"""What the first certificate names as the one before it."""

SEALS = frozenset({"version", "sequence", "previous_hash", "key_id", "hash", "signature"})
FACTS = frozenset(
    {
        "issuer",
        "case_id",
        "subject",
        "requested_at",
        "opened_at",
        "verified_at",
        "holders",
        "scan",
        "kept_as_proof",
    }
)

LATER_FACTS = frozenset({"holds"})
"""What certificates say since they were first issued; the older ones are as good without."""

Body = Mapping[str, Any]


class KeyUnusable(ValueError):
    """This is not the PEM of an Ed25519 key."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a certificate's checks. `body` is None where it could not even be read."""

    checks: tuple[Check, ...]
    body: dict[str, Any] | None = None

    @property
    def valid(self) -> bool:
        """Tell whether every check passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)


class Signer:
    """Signs certificates. Args: pem: PKCS #8 of an Ed25519 private key.

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

    def issue(self, facts: Body, sequence: int, previous_hash: str) -> bytes:
        """Return the certificate of these facts, as the next of the chain."""
        body = {
            **facts,
            "version": VERSION,
            "sequence": sequence,
            "previous_hash": previous_hash,
            "key_id": self.key_id,
        }
        body["hash"] = _hash_of(body)
        body["signature"] = _encode(self._key.sign(rfc8785.dumps(body)))
        return rfc8785.dumps(body)


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


def verify(certificate: bytes, keys: Iterable[Ed25519PublicKey]) -> Verdict:
    """Check one certificate, exactly as it was given out, against the issuer's public keys.

    Any change of any byte fails at least one check, white space included.
    """
    body = _read(certificate)
    if body is None:
        return Verdict((Check("format", passed=False, detail="not a JSON object with text keys"),))
    by_id = {key_id_of(key): key for key in keys}
    key = by_id.get(str(body.get("key_id")))
    checks = (
        Check("format", passed=True),
        _check_fields(body),
        Check("canonical", _canonical(body) == certificate, "RFC 8785, byte for byte"),
        Check("hash", body.get("hash") == _hash_of(body), f"SHA-256 {body.get('hash')}"),
        Check("key", key is not None, f"signed with {body.get('key_id')}"),
        Check("signature", key is not None and _signed(body, key), "Ed25519"),
        _check_counts(body),
    )
    return Verdict(checks, body)


def verify_chain(
    certificates: Iterable[bytes], keys: Iterable[Ed25519PublicKey]
) -> tuple[list[Verdict], Check]:
    """Check certificates in order from the first, and that each follows the one before without gap or fork."""
    trusted, verdicts, faults = list(keys), [], []
    previous_hash, count = GENESIS, 0
    for count, certificate in enumerate(certificates, start=1):
        verdict = verify(certificate, trusted)
        verdicts.append(verdict)
        body = verdict.body or {}
        if not verdict.valid or body.get("sequence") != count or body.get("previous_hash") != previous_hash:
            faults.append(count)
        previous_hash = str(body.get("hash"))
    detail = f"broken at {faults[0]}" if faults else f"{count} in a row, head {previous_hash}"
    return verdicts, Check("chain", not faults, detail)


def _read(certificate: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(certificate)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _canonical(body: Body) -> bytes | None:
    try:
        return rfc8785.dumps(dict(body))
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError):
        return None


def _hash_of(body: Body) -> str | None:
    canonical = _canonical({name: value for name, value in body.items() if name not in ("hash", "signature")})
    return None if canonical is None else hashlib.sha256(canonical).hexdigest()


def _signed(body: Body, key: Ed25519PublicKey) -> bool:
    signed = _canonical({name: value for name, value in body.items() if name != "signature"})
    signature = _decode(str(body.get("signature")))
    if signed is None or signature is None:
        return False
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _check_fields(body: Body) -> Check:
    if body.get("version") != VERSION:
        return Check("fields", passed=False, detail=f"version {body.get('version')!r} is not known here")
    odd = sorted((body.keys() - LATER_FACTS) ^ (FACTS | SEALS))
    return Check("fields", not odd, f"missing or unknown: {', '.join(odd)}" if odd else f"version {VERSION}")


def _check_counts(body: Body) -> Check:
    """Hold the certificate to what it claims: all that was found is explained, and the scan saw nothing."""
    try:
        short = [
            str(held["holding"])
            for part in body["holders"]
            for held in part["holdings"]
            if held["erased"] + held["already_gone"] + held["retained"] < held["found"]
            or (held["retained"] and not (held["ground"] and held["retained_until"]))
        ]
        clean = body["scan"]["findings"] == 0
    except (KeyError, TypeError):
        return Check("counts", passed=False, detail="holders or scan are not as they should be")
    if short:
        return Check("counts", passed=False, detail=f"not explained: {', '.join(short)}")
    return Check("counts", clean, "everything found is accounted for" if clean else "the scan saw something")


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
