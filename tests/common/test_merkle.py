"""The Merkle tree against the vectors that Certificate Transparency's implementations publish."""

import hashlib

import pytest

from libs.common.merkle import Frontier, leaf_hash, node_hash, root_of

ITEMS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""By the number of items. Source: the reference tree of google/certificate-transparency, cpp/merkletree tests."""


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_the_published_roots(size: int) -> None:
    assert root_of(ITEMS[:size]).hex() == ROOTS[size]


def split_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 9162, 2.1.1, word for word; the frontier must come to the same."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(split_root(leaves[:half]), split_root(leaves[half:]))


def test_growing_a_tree_comes_to_the_definition_at_every_size() -> None:
    leaves = [leaf_hash(number.to_bytes(2, "big")) for number in range(130)]
    tree = Frontier()
    for size, leaf in enumerate(leaves, start=1):
        tree.add(leaf)
        assert tree.root == split_root(leaves[:size])
        assert len(tree.peaks) == size.bit_count()


def test_a_leaf_never_passes_for_a_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert root_of([b"a", b"b"]) != root_of([left + right])
