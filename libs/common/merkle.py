"""A Merkle tree over a list that only grows: its root says all of it in 32 bytes.

Source:   RFC 9162, section 2.1 (the tree of RFC 6962): leaves and nodes are hashed with different prefixes, so that
          neither passes for the other.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

LEAF, NODE = b"\x00", b"\x01"


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one item of the list."""
    return hashlib.sha256(LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees beside each other."""
    return hashlib.sha256(NODE + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """All that must be kept of a tree to let it grow: the roots of its full subtrees, the largest first.

    There are as many as `size` has ones in binary: 20 hashes are enough for a million items.
    """

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        """Append an item by its leaf hash."""
        merged, trees = leaf, self.size
        while trees & 1:
            merged = node_hash(self.peaks.pop(), merged)
            trees >>= 1
        self.peaks.append(merged)
        self.size += 1

    @property
    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def copy(self) -> "Frontier":
        """Return the same tree, to grow apart from this one."""
        return Frontier(self.size, list(self.peaks))


def root_of(items: Iterable[bytes]) -> bytes:
    """Return the root of the tree over these items."""
    tree = Frontier()
    for item in items:
        tree.add(leaf_hash(item))
    return tree.root
