"""The certificate of an erasure: its format, how it is signed, and how anyone checks one with the public key alone.

A certificate is the canonical JSON (RFC 8785) of one object, byte for byte. `hash` covers everything but itself and
the signature, `previous_hash` is the `hash` of the certificate before it, and `signature` (Ed25519, RFC 8032) covers
everything but itself. So no certificate can be changed, taken out or slipped in without the others telling.

A certificate stays as it was signed. What is true later only, that what the law had kept is gone as well, is a
certificate of its own in the same chain, an amendment, which names the first by its number and hash.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from libs.common.signing import Body, SigningKey, canonical, is_signed, key_id_of, read_object

VERSION, AMENDMENT = 1, 2
"""The formats: of a certificate of erasure, and of what amends one."""
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

LATER_FACTS = frozenset({"holds", "item_holds"})
"""What certificates say since they were first issued; the older ones are as good without."""

AMENDED_FACTS = frozenset(
    {"issuer", "case_id", "subject", "amends", "amended_at", "removed", "still_retained"}
)


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

    def issue(self, facts: Body, sequence: int, previous_hash: str, version: int = VERSION) -> bytes:
        """Return the certificate of these facts, as the next of the chain."""
        body = {
            **facts,
            "version": version,
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
        _check_removed(body) if is_amendment(body) else _check_counts(body),
    )
    return Verdict(checks, body)


def is_amendment(body: Body) -> bool:
    """Tell whether a certificate amends another."""
    return body.get("version") == AMENDMENT


def check_amends(amendment: Body, first: Body) -> Check:
    """Hold a genuine amendment against the certificate that it says it amends: the same case, and what that kept."""
    named = amendment.get("amends")
    if named != {"sequence": first.get("sequence"), "hash": first.get("hash")}:
        return Check("amends", passed=False, detail="it names another certificate")
    if any(amendment.get(name) != first.get(name) for name in ("issuer", "case_id", "subject")):
        return Check("amends", passed=False, detail="it is of another case")
    kept = {
        held["holding"]: held for part in first["holders"] for held in part["holdings"] if held["retained"]
    }
    told = [*amendment["removed"], *amendment["still_retained"]]
    names = ("retained", "ground", "retained_until")
    odd = [
        str(each["holding"])
        for each in told
        if any(each[name] != kept.get(each["holding"], {}).get(name) for name in names)
    ]
    if odd or {each["holding"] for each in told} != kept.keys():
        return Check("amends", passed=False, detail=f"not what was retained: {', '.join(odd) or 'holdings'}")
    return Check("amends", passed=True, detail=f"certificate {first['sequence']}, {first['hash']}")


def verify_chain(
    certificates: Iterable[bytes], keys: Iterable[Ed25519PublicKey]
) -> tuple[list[Verdict], Check]:
    """Check certificates in order from the first, and that each follows the one before without gap or fork."""
    trusted, verdicts, faults = list(keys), [], []
    earlier: dict[str, Body] = {}
    previous_hash, count = GENESIS, 0
    for count, certificate in enumerate(certificates, start=1):
        verdict = verify(certificate, trusted)
        verdicts.append(verdict)
        body = verdict.body or {}
        follows = body.get("sequence") == count and body.get("previous_hash") == previous_hash
        if not verdict.valid or not follows or (is_amendment(body) and not _amends_any(body, earlier)):
            faults.append(count)
        elif not is_amendment(body):
            earlier[str(body.get("case_id"))] = body
        previous_hash = str(body.get("hash"))
    detail = f"broken at {faults[0]}" if faults else f"{count} in a row, head {previous_hash}"
    return verdicts, Check("chain", not faults, detail)


def _hash_of(body: Body) -> str | None:
    hashed = canonical({name: value for name, value in body.items() if name not in ("hash", "signature")})
    return None if hashed is None else hashlib.sha256(hashed).hexdigest()


def _amends_any(amendment: Body, earlier: dict[str, Body]) -> bool:
    first = earlier.get(str(amendment.get("case_id")))
    return first is not None and check_amends(amendment, first).passed


def _check_fields(body: Body) -> Check:
    version = body.get("version")
    if version not in (VERSION, AMENDMENT):
        return Check("fields", passed=False, detail=f"version {version!r} is not known here")
    wanted, later = (AMENDED_FACTS, frozenset()) if is_amendment(body) else (FACTS, LATER_FACTS)
    odd = sorted((body.keys() - later) ^ (wanted | SEALS))
    return Check("fields", not odd, f"missing or unknown: {', '.join(odd)}" if odd else f"version {version}")


def _check_removed(body: Body) -> Check:
    """Hold an amendment to what it claims: something is gone, and not before the law let go of it."""
    try:
        early = [
            str(each["holding"])
            for each in body["removed"]
            if not each["retained"]
            or each["retained_until"] > body["amended_at"][: len(each["retained_until"])]
        ]
        says = bool(body["removed"])
    except (KeyError, TypeError):
        return Check("counts", passed=False, detail="what was removed is not as it should be")
    if early:
        return Check("counts", passed=False, detail=f"gone before the law let go of it: {', '.join(early)}")
    return Check("counts", says, "what was retained is gone" if says else "nothing is said to be gone")


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
