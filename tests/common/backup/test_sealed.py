"""A backup's file opens as it was written, for its own key and place, and not otherwise."""

import os
from pathlib import Path

import pytest

from libs.common.backup.errors import BackupDamaged
from libs.common.backup.sealed import CHUNK, MAGIC, SALT_BYTES, SealedWriter, digest_of, unsealed
from libs.common.stream_cipher import TAG_BYTES

KEY = bytes(range(32))
BACKUP, NAME = "20261126t080000z-abcdef", "dump/pixera_auth/users.bson"
HEAD = len(MAGIC) + SALT_BYTES


def written(folder: Path, data: bytes, piece: int = 70_000) -> SealedWriter:
    with SealedWriter(folder / "file", KEY, BACKUP, NAME) as writer:
        for start in range(0, len(data), piece):
            writer.write(data[start : start + piece])
    return writer


def opened(path: Path, *, key: bytes = KEY, backup: str = BACKUP, name: str = NAME) -> bytes:
    return b"".join(unsealed(path, key, backup, name))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5])
def test_it_comes_back_whatever_its_size(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    writer = written(tmp_path, data)
    assert opened(writer.path) == data
    assert writer.size == writer.path.stat().st_size
    assert writer.sha256 == digest_of(writer.path)


def test_nothing_of_it_can_be_read_on_the_disk(tmp_path: Path) -> None:
    path = written(tmp_path, b"ada@example.org " * 10_000).path
    assert b"ada@example.org" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("place", [0, HEAD - 1, HEAD, HEAD + CHUNK + TAG_BYTES + 3, -1])
def test_a_changed_byte_is_refused_by_name(tmp_path: Path, place: int) -> None:
    path = written(tmp_path, os.urandom(2 * CHUNK)).path
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(BackupDamaged, match=NAME):
        opened(path)


@pytest.mark.parametrize("length", [5, HEAD, HEAD + CHUNK + TAG_BYTES, HEAD + CHUNK + TAG_BYTES + 100])
def test_a_file_cut_short_is_refused_also_between_two_chunks(tmp_path: Path, length: int) -> None:
    path = written(tmp_path, os.urandom(3 * CHUNK)).path
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BackupDamaged, match=NAME):
        opened(path)


def test_a_chunk_too_many_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, os.urandom(CHUNK)).path
    data = path.read_bytes()
    path.write_bytes(data + data[HEAD:])
    with pytest.raises(BackupDamaged):
        opened(path)


def test_it_opens_in_its_own_place_only(tmp_path: Path) -> None:
    path = written(tmp_path, b"rows").path
    for other in (
        {"key": KEY[::-1]},
        {"backup": "20261126t080000z-fedcba"},
        {"name": "dump/pixera_auth/x.bson"},
    ):
        with pytest.raises(BackupDamaged):
            opened(path, **other)
    with pytest.raises(BackupDamaged, match="missing"):
        opened(tmp_path / "nowhere")
