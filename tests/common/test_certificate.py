"""A certificate verifies as it was given out, and not otherwise."""

import json
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from libs.common.certificate import GENESIS, Signer, verify, verify_chain
from libs.common.signing import KeyUnusable, key_id_of, load_public_key, public_jwk, public_pem


def signer(seed: int = 7) -> Signer:
    """Return a signer with a key of its own."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return Signer(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def facts(**changed: Any) -> dict[str, Any]:
    """Return what a small but whole certificate certifies."""
    images = {"holding": "gallery.images", "found": 40, "erased": 39, "already_gone": 1, "retained": 0}
    payments = {"holding": "billing.payments", "found": 5, "erased": 0, "already_gone": 0, "retained": 5}
    return {
        "issuer": "pixera",
        "case_id": "01890000-0000-7000-8000-000000000000",
        "subject": "ab" * 32,
        "requested_at": "2026-11-23T09:00:00.000Z",
        "opened_at": "2026-11-23T09:00:00.012Z",
        "verified_at": "2026-11-23T09:00:01.500Z",
        "holders": [
            {"holder": "gallery", "holdings": [images | {"ground": None, "retained_until": None}]},
            {
                "holder": "billing",
                "holdings": [payments | {"ground": "tax-law", "retained_until": "2033-11-21"}],
            },
        ],
        "scan": {"databases": 6, "findings": 0},
        "kept_as_proof": [{"where": "privacy.cases", "what": "Zähler", "ground": "proof-of-erasure"}],
    } | changed


def chain(length: int) -> list[bytes]:
    """Return the first certificates of a chain."""
    made, previous = [], GENESIS
    for sequence in range(1, length + 1):
        made.append(signer().issue(facts(), sequence, previous))
        previous = json.loads(made[-1])["hash"]
    return made


KEYS = [signer().public_key]
ZERO_OF_FORTY = {"holding": "x", "found": 40, "erased": 0, "already_gone": 0, "retained": 0}
GOOD = chain(1)[0]


def test_a_certificate_verifies_with_the_public_key_alone() -> None:
    key = load_public_key(public_pem(signer().public_key))
    verdict = verify(GOOD, [key])
    assert verdict.valid, verdict.checks
    assert verdict.body == json.loads(GOOD)


def test_every_bit_counts() -> None:
    """Whatever single bit is changed, the certificate does not verify any more."""
    for position in range(len(GOOD)):
        for bit in range(8):
            changed = bytearray(GOOD)
            changed[position] ^= 1 << bit
            assert not verify(bytes(changed), KEYS).valid, (position, bit)


def test_every_byte_of_the_signature_counts() -> None:
    """Base64 has letters whose last bits mean nothing: none of them may pass for another."""
    start = GOOD.index(b'"signature":"') + len(b'"signature":"')
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
    for position in range(start, start + 86):
        for letter in letters:
            changed = GOOD[:position] + bytes([letter]) + GOOD[position + 1 :]
            assert changed == GOOD or not verify(changed, KEYS).valid


@pytest.mark.parametrize(
    "changed",
    [
        GOOD + b"\n",
        b" " + GOOD,
        GOOD[:-1],
        b"\xef\xbb\xbf" + GOOD,
        GOOD.decode().encode("utf-16"),
        json.dumps(json.loads(GOOD)).encode(),
        GOOD.replace(b'"found":40', b'"found":40.0'),
        GOOD.replace(b'{"case_id"', b'{"case_id":1,"case_id"', 1),
        b"[]",
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_the_same_content_in_another_form_is_refused(changed: bytes) -> None:
    assert not verify(changed, KEYS).valid


def test_another_key_is_refused_even_where_it_signed_itself() -> None:
    forged = signer(9).issue(facts(), 1, GENESIS)
    assert not verify(forged, KEYS).valid
    assert verify(forged, [signer(9).public_key]).valid


def test_a_changed_and_re_hashed_certificate_is_refused() -> None:
    """Whoever can compute the hash still cannot sign."""
    body = json.loads(GOOD)
    body["holders"][0]["holdings"][0]["found"] = 39
    body["holders"][0]["holdings"][0]["erased"] = 38
    failed = {check.name for check in verify(rfc8785.dumps(body), KEYS).checks if not check.passed}
    assert failed == {"hash", "signature"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"scan": {"databases": 6, "findings": 1}},
        {"holders": [{"holder": "gallery", "holdings": [ZERO_OF_FORTY]}]},
        {"holders": "none"},
        {"more": "than is known"},
    ],
)
def test_the_issuer_itself_cannot_certify_what_is_not_so(wrong: dict[str, Any]) -> None:
    """A signature does not help a certificate that contradicts itself."""
    assert not verify(signer().issue(facts(**wrong), 1, GENESIS), KEYS).valid


def test_retained_without_a_ground_is_refused() -> None:
    kept = {"holding": "x", "found": 1, "erased": 0, "already_gone": 0, "retained": 1}
    kept |= {"ground": None, "retained_until": None}
    holders = [{"holder": "billing", "holdings": [kept]}]
    assert not verify(signer().issue(facts(holders=holders), 1, GENESIS), KEYS).valid


def test_a_chain_verifies_and_a_gap_a_swap_or_a_fork_does_not() -> None:
    whole = chain(4)
    assert verify_chain(whole, KEYS)[1].passed
    assert verify_chain([], KEYS)[1].passed
    fork = signer().issue(facts(subject="cd" * 32), 3, json.loads(whole[1])["hash"])
    for broken in (whole[1:], whole[:1] + whole[2:], [*whole[:2], fork, whole[3]], [whole[1], whole[0]]):
        assert not verify_chain(broken, KEYS)[1].passed


def test_a_key_is_named_by_its_thumbprint() -> None:
    """Source: RFC 8037, appendix A.3."""
    raw = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = Ed25519PrivateKey.from_private_bytes(raw).public_key()
    assert key_id_of(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert public_jwk(public)["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


@pytest.mark.parametrize("pem", ["", "nonsense", public_pem(signer().public_key)])
def test_what_is_no_private_key_is_refused(pem: str) -> None:
    with pytest.raises(KeyUnusable):
        Signer(pem)


def test_a_certificate_that_tells_of_holds_is_as_good_as_one_from_before_it_could() -> None:
    hold = {"since": "2026-11-23T09:00:00.000Z", "until": "2026-12-01T00:00:00.000Z"}
    told = facts(holds=[hold | {"ground": "legal-claim", "ended_at": "2026-12-01T00:00:00.300Z"}])
    assert verify(signer().issue(told, 1, GENESIS), [signer().public_key]).valid
    assert verify(GOOD, [signer().public_key]).valid
