"""PNG files, chunk by chunk.

Source:   W3C PNG, third edition.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from services.gallery.errors import TruncatedImage, UnsupportedImage
from services.gallery.imaging.container import Header
from services.gallery.imaging.limits import MAX_METADATA, MAX_PARTS, check_pixels

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
ANIMATION: Final = frozenset({b"acTL", b"fcTL", b"fdAT"})
# What pixels need to look right, and the most bytes that it can have. All else is dropped.
KEPT: Final = {
    b"cICP": 4, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"sBIT": 4, b"PLTE": 768, b"tRNS": 256, b"pHYs": 9,
}  # fmt: skip
_HEADER_FIELDS: Final = 13
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# First column, first row, step right, step down of each pass of Adam7.
_ADAM7: Final = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip
_PIECE: Final = 1 << 23


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG taken apart: its header, its coded pixels, and the chunks that say how to show them."""

    header: Header
    ihdr: bytes
    kept: tuple[tuple[bytes, bytes], ...]
    pixels: bytes
    media_type: Literal["image/png"] = "image/png"

    def rebuilt(self, orientation: bytes, icc: bytes) -> bytes:
        """Return the file anew, its coded pixels untouched."""
        parts = [SIGNATURE, _chunk(b"IHDR", self.ihdr)]
        if icc:
            parts.append(_chunk(b"iCCP", b"ICC profile\x00\x00" + zlib.compress(icc)))
        parts += [_chunk(kind, content) for kind, content in self.kept]
        if orientation:
            parts.append(_chunk(b"eXIf", orientation))
        return b"".join((*parts, _chunk(b"IDAT", self.pixels), _chunk(b"IEND", b"")))


@dataclass(slots=True)
class _Found:
    """What has been met so far."""

    ihdr: bytes = b""
    exif: bytes = b""
    icc: bytes = b""
    kept: dict[bytes, bytes] = field(default_factory=dict)
    pixels: list[bytes] = field(default_factory=list)


def read(data: bytes) -> Png:
    """Take a PNG apart, and check that its pixels are all there.

    Raises:   TruncatedImage (422).  PixelBomb (413).  UnsupportedImage (415): animated, or of an unknown kind.
    """
    found = _Found()
    for kind, content, end in _chunks(data):
        if kind == b"IEND":
            return _finished(found, end)
        _chunk_met(kind, content, found)
    raise TruncatedImage


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield each chunk's kind and content, and where it ends."""
    at = len(SIGNATURE)
    for _ in range(MAX_PARTS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data) or not kind.isalpha():
            raise TruncatedImage
        content = data[at + 8 : end - 4]
        if kind[:1].isupper() and zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(
            data[end - 4 : end], "big"
        ):
            raise TruncatedImage
        yield kind, content, end
        at = end
    raise TruncatedImage("The picture is cut into too many pieces: save it again and send that")


def _chunk_met(kind: bytes, content: bytes, found: _Found) -> None:
    if kind == b"IHDR":
        _header(content, found)
    elif not found.ihdr:
        raise TruncatedImage
    elif kind == b"IDAT":
        found.pixels.append(content)
    elif kind in ANIMATION:
        raise UnsupportedImage("Moving pictures are not taken: send a still one")
    elif kind[:1].isupper() and kind not in KEPT:
        raise UnsupportedImage("This kind of PNG cannot be shown in browsers: save it as a plain PNG")
    else:
        _hint_met(kind, content, found)


def _hint_met(kind: bytes, content: bytes, found: _Found) -> None:
    """Note what helps to show the picture; comments, times, histograms and private chunks are passed over."""
    if kind == b"iCCP":
        found.icc = found.icc or _profile(content)
    elif kind == b"eXIf":
        found.exif = found.exif or content[:MAX_METADATA]
    elif len(content) <= KEPT.get(kind, -1) and not found.pixels:
        found.kept.setdefault(kind, content)


def _header(content: bytes, found: _Found) -> None:
    if found.ihdr or len(content) != _HEADER_FIELDS:
        raise TruncatedImage
    found.ihdr = content
    check_pixels(*_size(content))
    if content[9] not in _CHANNELS or content[8] not in (1, 2, 4, 8, 16) or content[12] > 1:
        raise TruncatedImage


def _size(ihdr: bytes) -> tuple[int, int]:
    return int.from_bytes(ihdr[:4], "big"), int.from_bytes(ihdr[4:8], "big")


def _profile(content: bytes) -> bytes:
    """Return the colour profile in an iCCP chunk, or nothing when it cannot be read."""
    _, _, packed = content.partition(b"\x00")
    try:
        return zlib.decompressobj().decompress(packed[1:], MAX_METADATA)
    except zlib.error:
        return b""


def _finished(found: _Found, end: int) -> Png:
    if not found.ihdr or not found.pixels:
        raise TruncatedImage
    pixels = _whole(b"".join(found.pixels), _expected(found.ihdr))
    return Png(
        Header(*_size(found.ihdr), found.exif, found.icc, end), found.ihdr, tuple(found.kept.items()), pixels
    )


def _expected(ihdr: bytes) -> int:
    """Return how many bytes the pixels unpack to."""
    width, height = _size(ihdr)
    bits = ihdr[8] * _CHANNELS[ihdr[9]]
    passes = _ADAM7 if ihdr[12] else ((0, 0, 1, 1),)
    total = 0
    for left, top, right, down in passes:
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def _whole(packed: bytes, expected: int) -> bytes:
    """Return the packed pixels, cut where they end: what follows inside the chunks is not picture.

    Raises:   TruncatedImage (422): they unpack to less than the picture needs, or to more.
    """
    unpacker = zlib.decompressobj()
    rest, total = packed, 0
    while not unpacker.eof:
        try:
            piece = unpacker.decompress(rest, _PIECE)
        except zlib.error as error:
            raise TruncatedImage from error
        total, rest = total + len(piece), unpacker.unconsumed_tail
        if total > expected or not (piece or unpacker.eof):
            raise TruncatedImage
    if total != expected:
        raise TruncatedImage
    return packed[: len(packed) - len(unpacker.unused_data)]


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(kind))
    return len(content).to_bytes(4, "big") + kind + content + check.to_bytes(4, "big")
