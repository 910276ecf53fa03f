"""What the scanner reads of a file on disk: all that was ever written, and no holes."""

from pathlib import Path

from demo.files import stored

HOLE = 10 * 2**20


def test_what_lies_between_holes_and_behind_them_is_read_and_the_holes_are_not(tmp_path: Path) -> None:
    file = tmp_path / "index"
    with file.open("wb") as opened:
        for place, word in ((0, b"first"), (HOLE, b"second"), (2 * HOLE, b"last")):
            opened.seek(place)
            opened.write(word)
        opened.truncate(3 * HOLE)
    read = stored(file)
    assert all(word in read for word in (b"first", b"second", b"last"))
    assert len(read) < HOLE


def test_a_whole_file_is_read_as_it_is_and_one_that_is_empty_as_nothing(tmp_path: Path) -> None:
    for content in (b"all of it", b""):
        (tmp_path / "segment").write_bytes(content)
        assert stored(tmp_path / "segment") == content
