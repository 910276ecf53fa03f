"""The certificate of an erasure: its format, how it is signed, and how anyone checks one with the public key alone.

A certificate is the canonical JSON (RFC 8785) of one object, byte for byte. `hash` covers everything but itself and
the signature, `previous_hash` is the `hash` of the certificate before it, and `signature` (Ed25519, RFC 8032) covers
everything but itself. So no certificate can be changed, taken out or slipped in without the others telling.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from libs.common.signing import Body, SigningKey, canonical, is_signed, key_id_of, read_object

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
        self._key = SigningKey(pem)
        self.public_key, self.key_id = self._key.public_key, self._key.key_id

    def issue(self, facts: Body, sequence: int, previous_hash: str) -> bytes:
        """Return the certificate of these facts, as the next of the chain."""
        body = {
            **facts,
            "version": VERSION,
            "sequence": sequence,
            "previous_hash": previous_hash,
            "key_id": self.key_id,
        }
        return self._key.sign({**body, "hash": _hash_of(body)})


def verify(certificate: bytes, keys: Iterable[Ed25519PublicKey]) -> Verdict:
    """Check one certificate, exactly as it was given out, against the issuer's public keys.

    Any change of any byte fails at least one check, white space included.
    """
    body = read_object(certificate)
    if body is None:
        return Verdict((Check("format", passed=False, detail="not a JSON object with text keys"),))
    by_id = {key_id_of(key): key for key in keys}
    key = by_id.get(str(body.get("key_id")))
    checks = (
        Check("format", passed=True),
        _check_fields(body),
        Check("canonical", canonical(body) == certificate, "RFC 8785, byte for byte"),
        Check("hash", body.get("hash") == _hash_of(body), f"SHA-256 {body.get('hash')}"),
        Check("key", key is not None, f"signed with {body.get('key_id')}"),
        Check("signature", key is not None and is_signed(body, key), "Ed25519"),
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


def _hash_of(body: Body) -> str | None:
    hashed = canonical({name: value for name, value in body.items() if name not in ("hash", "signature")})
    return None if hashed is None else hashlib.sha256(hashed).hexdigest()


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
