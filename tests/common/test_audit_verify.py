"""An audit ledger checks out as it was written, and every kind of tampering is named."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from libs.common.audit_ledger import (
    Chain,
    Checkpoint,
    CheckpointInvalid,
    StreamHead,
    read_checkpoint,
    sign_checkpoint,
)
from libs.common.audit_verify import Fault, LedgerCheck, Report
from libs.common.signing import SigningKey
from tests.common.test_certificate import signer

LENGTH = 8


def signing_key(seed: int = 7) -> SigningKey:
    key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return SigningKey(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


KEY = signing_key()


def facts(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "action": "dead-letter.redriven",
        "actor": "staff:01890000-0000-7000-8000-000000000000",
        "ground": "mended",
        "subject": "ab" * 32,
        "target": f"letter:{number}",
        "count": number,
        "at": "2026-11-23T09:00:00.000Z",
        "recorded_at": "2026-11-23T09:00:00.012Z",
    } | changed


def written(stream: str = "gallery", length: int = LENGTH, **changed: Any) -> list[bytes]:
    """A stream's entries, as the ledger writes them."""
    chain = Chain()
    return [chain.append(stream, facts(number, **changed)) for number in range(1, length + 1)]


def checkpoint(*streams: list[bytes], at: str = "2026-11-23T10:00:00.000Z") -> Checkpoint:
    """A genuine checkpoint over streams as they are."""
    heads = []
    for entries in streams:
        chain = Chain()
        for entry in entries:
            chain.extend(entry)
        heads.append(chain.head(json.loads(entries[0])["stream"]))
    return read_checkpoint(sign_checkpoint(KEY, heads, at), [KEY.public_key])


def check(entries: list[bytes], *checkpoints: Checkpoint) -> Report:
    looked = LedgerCheck(checkpoints)
    for entry in entries:
        looked.take(entry)
    return looked.report()


def changed(entry: bytes, **fields: Any) -> bytes:
    """An entry with other fields, as a careful forger writes it: canonical."""
    text = json.dumps(json.loads(entry) | fields, sort_keys=True, separators=(",", ":"))
    return text.encode()


def test_a_ledger_checks_out_as_it_was_written() -> None:
    one, other = written("auth", 3), written("gallery")
    report = check([*one, *other], checkpoint(one[:2], other[:5]), checkpoint(one, other))
    assert report.holds
    assert report.entries == {"auth": 3, "gallery": LENGTH}
    assert check([]).holds


def test_an_entry_says_nothing_but_what_it_should() -> None:
    (entry,) = written(length=1)
    names = ["action", "actor", "at", "count", "ground", "previous_hash", "recorded_at", "sequence", "stream"]
    assert sorted(json.loads(entry)) == [*names, "subject", "target", "version"]


@pytest.mark.parametrize("with_checkpoint", [True, False])
@pytest.mark.parametrize("number", range(1, LENGTH + 1))
def test_a_changed_entry_is_named(number: int, with_checkpoint: bool) -> None:
    entries = written()
    known = [checkpoint(entries)] if with_checkpoint else []
    entries[number - 1] = changed(entries[number - 1], count=99)
    report = check(entries, *known)
    if number == LENGTH and not with_checkpoint:
        assert report.holds, "nothing comes after the last one to tell; that is what checkpoints are for"
    else:
        assert [(fault.stream, fault.sequence) for fault in report.faults] == [("gallery", number)]
        assert "changed" in report.faults[0].what


@pytest.mark.parametrize("number", range(1, LENGTH + 1))
def test_a_changed_link_is_named(number: int) -> None:
    entries = written()
    known = checkpoint(entries)
    entries[number - 1] = changed(entries[number - 1], previous_hash="f" * 64)
    (fault,) = check(entries, known).faults
    assert (fault.stream, fault.sequence) == ("gallery", number)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda entry: entry.replace(b":", b": ", 1), "canonical"),
        (lambda entry: entry.replace(b'"count":4', b'"count":4.0'), "canonical"),
        (lambda entry: entry.replace(b'"version":1', b'"version":2'), "version"),
        (lambda entry: entry[:-1] + b',"z":1}', "known version"),
        (lambda entry: entry[:-1], "cannot be read"),
        (lambda _: b"\xff\xfe", "cannot be read"),
        (lambda _: b"[" * 100_000, "cannot be read"),
    ],
)
def test_what_is_no_entry_is_named(spoil: Any, said: str) -> None:
    entries = written()
    entries[3] = spoil(entries[3])
    first = check(entries).faults[0]
    assert (first.sequence, said in first.what) == (4, True), first


@pytest.mark.parametrize("number", range(1, LENGTH))
def test_an_entry_taken_out_is_named(number: int) -> None:
    entries = written()
    del entries[number - 1]
    (fault,) = check(entries).faults
    assert fault == Fault("gallery", number, f"it is not there, entry {number + 1} stands in its place")


def test_swapped_doubled_and_inserted_entries_are_named() -> None:
    entries = written()
    swapped = [*entries[:2], entries[3], entries[2], *entries[4:]]
    doubled = [*entries[:3], *entries[2:]]
    foreign = [*entries[:3], written(ground="other")[3], *entries[3:]]
    assert [check(each).faults[0].sequence for each in (swapped, doubled, foreign)] == [3, 4, 4]


@pytest.mark.parametrize("left", range(LENGTH))
def test_a_cut_off_end_is_named_by_a_checkpoint_alone(left: int) -> None:
    entries = written()
    known = checkpoint(entries)
    (fault,) = check(entries[:left], known).faults
    assert (fault.sequence, "missing" in fault.what) == (left + 1, True)
    assert ("the whole stream" in fault.what) is (left == 0)
    assert check(entries[:left]).holds


def test_a_stream_made_anew_is_told_by_a_checkpoint_made_before() -> None:
    entries = written()
    rewritten = [*entries[:5], *written(ground="nothing-happened")[5:]]
    chain = Chain()
    remade = [chain.append("gallery", _facts_of(entry)) for entry in rewritten]
    assert check(remade).holds, "every link of it fits"
    early, late = checkpoint(entries[:4]), checkpoint(entries, at="2026-11-23T11:00:00.000Z")
    assert check(remade, early).holds, "up to 4 nothing was changed"
    (fault,) = check(remade, early, late).faults
    assert (fault.sequence, "rewritten" in fault.what) == (5, True)
    assert "of 5 to 8" in fault.what
    (fault,) = check(remade, late).faults
    assert (fault.sequence, "of 1 to 8" in fault.what) == (1, True)


def _facts_of(entry: bytes) -> dict[str, Any]:
    sealed = ("version", "stream", "sequence", "previous_hash")
    return {name: value for name, value in json.loads(entry).items() if name not in sealed}


def test_each_stream_is_blamed_for_itself() -> None:
    one, other = written("auth"), written("gallery")
    del one[2], other[4]
    assert [(fault.stream, fault.sequence) for fault in check([*one, *other]).faults] == [
        ("auth", 3),
        ("gallery", 5),
    ]


def test_a_forged_checkpoint_is_refused() -> None:
    head = StreamHead("gallery", 8, "ab" * 32, "cd" * 32)
    genuine = sign_checkpoint(KEY, [head], "2026-11-23T10:00:00.000Z")
    keys = [KEY.public_key]
    assert read_checkpoint(genuine, keys).streams == (head,)
    longer = genuine.replace(b'"sequence":8', b'"sequence":9').replace(b'"size":8', b'"size":9')
    for forged, said in (
        (sign_checkpoint(signing_key(8), [head], "2026-11-23T10:00:00.000Z"), "key"),
        (longer, "signature"),
        (genuine.replace(b"abab", b"abac"), "signature"),
        (genuine + b"\n", "canonical"),
        (genuine[:-1] + b',"zz":1}', "known version"),
        (b"{}", "known version"),
        (b"not json", "known version"),
    ):
        with pytest.raises(CheckpointInvalid, match=said):
            read_checkpoint(forged, keys)


def test_a_checkpoint_is_signed_for_its_streams_and_as_nothing_else() -> None:
    head = StreamHead("gallery", 8, "ab" * 32, "cd" * 32)
    body = json.loads(sign_checkpoint(KEY, [head], "2026-11-23T10:00:00.000Z"))
    del body["signature"]
    with pytest.raises(CheckpointInvalid, match="signature"):
        read_checkpoint(KEY.sign(body), [KEY.public_key])
    with pytest.raises(CheckpointInvalid, match="root"):
        read_checkpoint(
            KEY.sign(body | {"root": "00" * 32}, b"pixera.audit-checkpoint.v1\n"), [KEY.public_key]
        )
    assert signer().key_id == KEY.key_id, "one key signs both, so the context has to tell them apart"
