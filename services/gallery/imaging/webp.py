"""WebP files, chunk by chunk.

Source:   RFC 9649.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from services.gallery.errors import TruncatedImage, UnsupportedImage
from services.gallery.imaging.container import Header
from services.gallery.imaging.limits import MAX_METADATA, MAX_PARTS

RIFF, WEBP = b"RIFF", b"WEBP"
_HAS_ICC, _HAS_ALPHA, _HAS_EXIF, _IS_ANIMATED = 0x20, 0x10, 0x08, 0x02
_ANIMATION: Final = frozenset({b"ANIM", b"ANMF"})
_START: Final = 12
_EXTENDED_FIELDS: Final = 10
_FRAME_FIELDS: Final = 10
_LOSSLESS_FIELDS: Final = 5
_KEY_FRAME: Final = b"\x9d\x01\x2a"


@dataclass(frozen=True, slots=True)
class Webp:
    """A WebP taken apart: one frame, and its transparency when that is apart."""

    header: Header
    frame: tuple[bytes, bytes]
    alpha: bytes
    transparent: bool
    media_type: Literal["image/webp"] = "image/webp"

    def rebuilt(self, orientation: bytes, icc: bytes) -> bytes:
        """Return the file anew, its coded pixels untouched."""
        parts: list[tuple[bytes, bytes]] = []
        if icc or orientation or self.alpha:
            flags = _HAS_ICC * bool(icc) | _HAS_ALPHA * self.transparent | _HAS_EXIF * bool(orientation)
            sides = (self.header.width - 1).to_bytes(3, "little") + (self.header.height - 1).to_bytes(
                3, "little"
            )
            parts.append((b"VP8X", bytes((flags, 0, 0, 0)) + sides))
        optional = ((b"ICCP", icc), (b"ALPH", self.alpha), self.frame, (b"EXIF", orientation))
        body = b"".join(_chunk(kind, content) for kind, content in (*parts, *optional) if content)
        return RIFF + (len(WEBP) + len(body)).to_bytes(4, "little") + WEBP + body


def read(data: bytes) -> Webp:
    """Take a WebP apart.

    Raises:   TruncatedImage (422).  UnsupportedImage (415): animated.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise TruncatedImage
    chunks: dict[bytes, bytes] = {}
    for kind, content in _chunks(data, end):
        chunks.setdefault(kind, content)
    extended = chunks.get(b"VP8X", b"")
    if chunks.keys() & _ANIMATION or (extended and extended[0] & _IS_ANIMATED):
        raise UnsupportedImage("Moving pictures are not taken: send a still one")
    kind = b"VP8L" if b"VP8L" in chunks else b"VP8 "
    frame = chunks.get(kind, b"")
    width, height, transparent = _lossless(frame) if kind == b"VP8L" else _lossy(frame)
    alpha = chunks.get(b"ALPH", b"") if kind == b"VP8 " and extended else b""
    if extended and _canvas(extended) != (width, height):
        raise TruncatedImage
    exif = chunks.get(b"EXIF", b"")[:MAX_METADATA].removeprefix(b"Exif\x00\x00")
    header = Header(width, height, exif, chunks.get(b"ICCP", b"")[:MAX_METADATA], end)
    return Webp(header, (kind, frame), alpha, transparent or bool(alpha))


def _chunks(data: bytes, end: int) -> Iterator[tuple[bytes, bytes]]:
    at = _START
    for _ in range(MAX_PARTS):
        if at >= end:
            return
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise TruncatedImage
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise TruncatedImage("The picture is cut into too many pieces: save it again and send that")


def _canvas(extended: bytes) -> tuple[int, int]:
    if len(extended) < _EXTENDED_FIELDS:
        raise TruncatedImage
    return int.from_bytes(extended[4:7], "little") + 1, int.from_bytes(extended[7:10], "little") + 1


def _lossy(frame: bytes) -> tuple[int, int, bool]:
    if len(frame) < _FRAME_FIELDS or frame[3:6] != _KEY_FRAME:
        raise TruncatedImage
    fourteen = 0x3FFF
    width, height = int.from_bytes(frame[6:8], "little"), int.from_bytes(frame[8:10], "little")
    return width & fourteen, height & fourteen, False


def _lossless(frame: bytes) -> tuple[int, int, bool]:
    if len(frame) < _LOSSLESS_FIELDS or frame[0] != 0x2F:  # noqa: PLR2004 - VP8L's signature
        raise TruncatedImage
    bits = int.from_bytes(frame[1:5], "little")
    fourteen = 0x3FFF
    return (bits & fourteen) + 1, (bits >> 14 & fourteen) + 1, bool(bits >> 28 & 1)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "little") + content + b"\x00" * (len(content) % 2)
