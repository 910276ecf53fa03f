"""Checks an audit ledger as anybody can: from its entries and a checkpoint, without the service that wrote it.

It takes the entries of each stream in order, one at a time, so that memory stays flat however long the ledger is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from libs.common.audit_ledger import Chain, Checkpoint, StreamHead, entry_fault
from libs.common.merkle import Frontier
from libs.common.signing import read_object


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong first in a stream. Args: sequence: of the broken entry."""

    stream: str
    sequence: int
    what: str

    def __str__(self) -> str:
        return f"{self.stream} {self.sequence}: {self.what}"


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a check: the entries that were read by stream, and the first fault of each stream."""

    entries: dict[str, int]
    faults: tuple[Fault, ...]

    @property
    def holds(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.faults


class LedgerCheck:
    """One check of a whole ledger. Args: checkpoints: whose signatures hold, made at whatever times."""

    def __init__(self, checkpoints: Iterable[Checkpoint] = ()) -> None:
        self._expected: dict[str, list[tuple[str, StreamHead]]] = {}
        for checkpoint in sorted(checkpoints, key=lambda each: each.size):
            for head in checkpoint.streams:
                self._expected.setdefault(head.stream, []).append((checkpoint.at, head))
        self._streams = {name: StreamCheck(name, heads) for name, heads in self._expected.items()}
        self._unreadable: list[Fault] = []
        self._lines = 0

    def take(self, entry: bytes) -> None:
        """Look at the next entry."""
        self._lines += 1
        body = read_object(entry)
        stream = body.get("stream") if body else None
        if body is None or not isinstance(stream, str):
            self._unreadable.append(Fault("line", self._lines, "it cannot be read"))
            return
        self.stream(stream).take(entry, body)

    def stream(self, name: str) -> "StreamCheck":
        """Return the check of one stream."""
        return self._streams.setdefault(name, StreamCheck(name, []))

    def report(self) -> Report:
        """Return what came of it, once all entries were taken."""
        found = [check.finish() for _, check in sorted(self._streams.items())]
        faults = [*self._unreadable, *(fault for fault in found if fault is not None)]
        return Report({name: check.taken for name, check in sorted(self._streams.items())}, tuple(faults))


class StreamCheck:
    """One stream's check, up to its first fault. Args: expected: time and head of each checkpoint, shortest first."""

    def __init__(self, stream: str, expected: list[tuple[str, StreamHead]]) -> None:
        self._stream, self._expected = stream, expected
        self._lengths = {head.sequence for _, head in expected}
        self._read: dict[int, _Read] = {}
        self._chain = Chain()
        self._suspect: int | None = None
        self._fault: Fault | None = None
        self.taken = 0

    def take(self, entry: bytes, body: dict[str, Any]) -> None:
        """Look at the stream's next entry."""
        self.taken += 1
        if self._fault is not None:
            return
        sequence = self._chain.sequence + 1
        if body.get("sequence") != sequence:
            if (
                self._suspect is not None
            ):  # it came once more where one was put in, else one is gone behind it
                self._blame_one_of(self._suspect, suspect_is_genuine=body.get("sequence") != self._suspect)
            self.blame(sequence, f"it is not there, entry {body.get('sequence')} stands in its place")
        elif fault := entry_fault(entry, body):
            self.blame(sequence, fault)
        else:
            self._link(sequence, entry, follows=body["previous_hash"] == self._chain.hash)

    def blame(self, sequence: int, what: str) -> None:
        """Note a fault, unless there is one already."""
        if self._fault is None:
            self._fault = Fault(self._stream, sequence, what)

    def finish(self) -> Fault | None:
        """Return the first fault, once all entries were taken."""
        if self._suspect is not None:
            self._blame_one_of(self._suspect, suspect_is_genuine=self._last_is_genuine())
        good = 0
        for at, head in self._expected:
            self._compare(at, head, good)
            good = head.sequence
        return self._fault

    def _link(self, sequence: int, entry: bytes, *, follows: bool) -> None:
        """Add an entry to the chain, and find out which one is wrong where two do not fit.

        Where an entry names another hash than the one before it has, either may have been changed; the entry after
        both knows which.
        """
        if self._suspect is not None:
            self._blame_one_of(self._suspect, suspect_is_genuine=follows)
            return
        if not follows:
            self._suspect = sequence
        before = self._chain.tree.copy() if sequence in self._lengths else None
        self._chain.extend(entry)
        if before is not None:
            self._read[sequence] = _Read(self._chain.head(self._stream), before)

    def _blame_one_of(self, suspect: int, *, suspect_is_genuine: bool) -> None:
        if suspect_is_genuine and suspect > 1:
            self.blame(suspect - 1, "it was changed: the entry after it names another hash")
        else:
            self.blame(suspect, "it was changed: it names another entry than the one before it")

    def _last_is_genuine(self) -> bool:
        """Tell by a checkpoint whether the last entry, which does not fit, is the one that was there."""
        last = self._chain.sequence
        known = {head.sequence: head.hash for _, head in self._expected}
        if last in known:
            return known[last] == self._chain.hash
        return known.get(last - 1) != self._read[last - 1].head.hash if last - 1 in known else True

    def _compare(self, at: str, head: StreamHead, good: int) -> None:
        """Hold the stream to what a checkpoint says. Args: good: up to where an earlier checkpoint has vouched."""
        last = self._chain.sequence
        if self._fault is not None or head.sequence == 0:
            return
        if head.sequence > last:
            gone = "the whole stream" if last == 0 else "what follows"
            self.blame(last + 1, f"it is missing, and {gone}: the checkpoint of {at} ends at {head.sequence}")
        elif self._read[head.sequence].head != head:
            self._blame_range(at, head, good)

    def _blame_range(self, at: str, head: StreamHead, good: int) -> None:
        """Name the entry where the checkpoint shows that all before it are as they were; else the range."""
        tree = self._read[head.sequence].before
        tree.add(bytes.fromhex(head.hash))
        if tree.root.hex() == head.root:
            self.blame(head.sequence, f"it was changed: it is not the one of the checkpoint of {at}")
            return
        where = f"of {good + 1} to {head.sequence}, which the checkpoint of {at} has otherwise"
        self.blame(good + 1, f"it, or a later one {where}, was rewritten")


@dataclass(frozen=True, slots=True)
class _Read:
    """A stream at the length of a checkpoint. Args: before: its tree one entry earlier."""

    head: StreamHead
    before: Frontier
