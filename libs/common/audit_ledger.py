"""The audit ledger's format: entries in one hash chain per stream, and signed checkpoints over all of them.

An entry is the canonical JSON (RFC 8785) of one object, and is kept byte for byte. Its hash is that of a Merkle leaf
(RFC 9162): SHA-256 of a zero byte and the entry. `previous_hash` is the hash of the stream's entry before it, so
that nothing can be changed, taken out or slipped in without what follows telling. A checkpoint says how long each
stream was, with its last hash and the root of its tree, and is signed: whoever keeps one elsewhere can tell later
whether an end was cut off, or the whole made anew (ADR 0021).
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from libs.common.merkle import Frontier, leaf_hash, root_of
from libs.common.signing import SIGNATURE, SigningKey, canonical, is_signed, key_id_of, read_object

VERSION = 1
GENESIS = "0" * 64
"""What a stream's first entry names as the one before it."""
CONTEXT = b"pixera.audit-checkpoint.v1\n"
"""Signed in front of a checkpoint: the key signs certificates too, and neither passes for the other."""
ISSUER = "pixera"

SEALS = frozenset({"version", "stream", "sequence", "previous_hash"})
FACTS = frozenset({"action", "actor", "ground", "subject", "target", "count", "at", "recorded_at"})
CHECKPOINT_FIELDS = frozenset({"version", "issuer", "at", "size", "streams", "root", "key_id", SIGNATURE})


@dataclass(slots=True)
class Chain:
    """A stream's end: what its next entry continues."""

    hash: str = GENESIS
    tree: Frontier = field(default_factory=Frontier)

    @property
    def sequence(self) -> int:
        """Return the number of the last entry, 0 for none."""
        return self.tree.size

    def append(self, stream: str, facts: Mapping[str, Any]) -> bytes:
        """Return the next entry, which is the end from now on."""
        seals: dict[str, Any] = {"version": VERSION, "stream": stream, "sequence": self.sequence + 1}
        entry = rfc8785.dumps({**facts, **seals, "previous_hash": self.hash})
        self.extend(entry)
        return entry

    def extend(self, entry: bytes) -> None:
        """Take an entry as the next, whatever it says."""
        leaf = leaf_hash(entry)
        self.tree.add(leaf)
        self.hash = leaf.hex()

    def head(self, stream: str) -> "StreamHead":
        """Return what a checkpoint says of the stream."""
        return StreamHead(stream, self.sequence, self.hash, self.tree.root.hex())


@dataclass(frozen=True, slots=True)
class StreamHead:
    """How far a stream had come: its last number, that one's hash, and the root of its tree."""

    stream: str
    sequence: int
    hash: str
    root: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint whose signature holds."""

    at: str
    streams: tuple[StreamHead, ...]

    @property
    def size(self) -> int:
        """Return how many entries there were in all."""
        return sum(head.sequence for head in self.streams)


class CheckpointInvalid(ValueError):
    """This is no checkpoint of the issuer's; the text says why not."""


def sign_checkpoint(key: SigningKey, heads: Iterable[StreamHead], at: str) -> bytes:
    """Return a signed checkpoint over streams. Args: at: the time, in ISO 8601."""
    streams = [asdict(head) for head in sorted(heads, key=lambda head: head.stream)]
    body = {
        "version": VERSION,
        "issuer": ISSUER,
        "at": at,
        "size": sum(head["sequence"] for head in streams),
        "streams": streams,
        "root": _root_of(streams),
        "key_id": key.key_id,
    }
    return key.sign(body, CONTEXT)


def read_checkpoint(text: bytes, keys: Iterable[Ed25519PublicKey]) -> Checkpoint:
    """Return what a checkpoint says, if it is one of the issuer's and unchanged.

    Raises:   CheckpointInvalid.
    """
    body = read_object(text)
    if body is None or body.keys() != CHECKPOINT_FIELDS or body["version"] != VERSION:
        raise CheckpointInvalid("not a checkpoint of a known version")
    if canonical(body) != text:
        raise CheckpointInvalid("not canonical, byte for byte")
    key = {key_id_of(each): each for each in keys}.get(str(body["key_id"]))
    if key is None:
        raise CheckpointInvalid("signed with a key that is not known here")
    if not is_signed(body, key, CONTEXT):
        raise CheckpointInvalid("its signature does not hold")
    checkpoint = Checkpoint(body["at"], tuple(StreamHead(**head) for head in body["streams"]))
    if body["root"] != _root_of(body["streams"]) or body["size"] != checkpoint.size:
        raise CheckpointInvalid("its root is not that of its streams")
    return checkpoint


def is_checkpoint(body: Mapping[str, Any]) -> bool:
    """Tell whether a line of an export is meant as a checkpoint."""
    return "streams" in body


def entry_fault(entry: bytes, body: Mapping[str, Any]) -> str | None:
    """Return what makes this no entry of a known form, None where nothing does."""
    if body.keys() != SEALS | FACTS or body["version"] != VERSION:
        return "it is not an entry of a known version"
    if canonical(body) != entry:
        return "it is not canonical, byte for byte"
    return None


def _root_of(streams: Iterable[Mapping[str, Any]]) -> str:
    return root_of(rfc8785.dumps(dict(head)) for head in streams).hex()
