"""JPEG files, segment by segment.

Source:   ITU-T T.81, annex B; T.871 (JFIF); ICC.1:2022, annex B.4 (profiles in APP2).
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from services.gallery.errors import TruncatedImage, UnsupportedImage
from services.gallery.imaging.container import Header
from services.gallery.imaging.limits import MAX_METADATA, MAX_PARTS, MAX_SCANS

SOI, EOI, SOS = b"\xff\xd8", 0xD9, 0xDA
APP0, APP1, APP2, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})  # Huffman, quantisation, restart interval
FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive: what browsers show
DROPPED: Final = frozenset({*range(0xE0, 0xF0), COMMENT})

_EXIF, _ICC, _JFIF, _ADOBE = b"Exif\x00\x00", b"ICC_PROFILE\x00", b"JFIF\x00", b"Adobe"
_FILL = re.compile(rb"\xff+")
_MARKER = re.compile(rb"\xff++[^\x00\xff\xd0-\xd7]")
# A run of fill bytes is tried once, from its start: tried from each byte, a megabyte of them would take minutes.
_NEXT_MARKER = re.compile(rb"(?<!\xff)\xff++[^\x00\xff\xd0-\xd7]")
_FRAME_FIELDS: Final = 8
_JFIF_DENSITY: Final = slice(7, 12)
_ADOBE_LENGTH: Final = 12
_ICC_HEAD: Final = len(_ICC) + 2
_SAMPLE_BITS: Final = 8
_CHANNELS: Final = frozenset({1, 3, 4})
_LARGEST_SEGMENT: Final = 65_533


@dataclass(frozen=True, slots=True)
class Jpeg:
    """A JPEG taken apart: the pixels' segments as they came, and the little that says how to show them."""

    header: Header
    jfif: bytes
    adobe: bytes
    pixels: bytes
    media_type: Literal["image/jpeg"] = "image/jpeg"

    def rebuilt(self, orientation: bytes, icc: bytes) -> bytes:
        """Return the file anew, its coded pixels untouched."""
        parts = [SOI]
        if self.jfif:
            parts.append(_segment(APP0, self.jfif))
        if orientation:
            parts.append(_segment(APP1, _EXIF + orientation))
        step = _LARGEST_SEGMENT - _ICC_HEAD
        pieces = [icc[at : at + step] for at in range(0, len(icc), step)]
        for number, piece in enumerate(pieces, start=1):
            parts.append(_segment(APP2, _ICC + bytes((number, len(pieces))) + piece))
        if self.adobe:
            parts.append(_segment(APP14, self.adobe))
        return b"".join((*parts, self.pixels, bytes((0xFF, EOI))))


@dataclass(slots=True)
class _Found:
    """What has been met so far."""

    width: int = 0
    height: int = 0
    scans: int = 0
    jfif: bytes = b""
    adobe: bytes = b""
    exif: bytes = b""
    icc: dict[int, bytes] = field(default_factory=dict)
    pixels: list[bytes] = field(default_factory=list)


def read(data: bytes) -> Jpeg:
    """Take a JPEG apart.

    Raises:   TruncatedImage (422).  UnsupportedImage (415): arithmetic, lossless, hierarchical or 12-bit.
    """
    found = _Found()
    at = len(SOI)
    for _ in range(MAX_PARTS):
        marker, start = _marker(data, at)
        if marker == EOI:
            return _finished(found, start)
        payload, at = _payload(data, start)
        if marker == SOS:
            at = _scan(data, start, at, found)
        else:
            _segment_met(marker, payload, found)
    raise TruncatedImage("The picture is cut into too many pieces: save it again and send that")


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """Return the marker at this place, and where what follows it starts."""
    fill = _FILL.match(data, at)
    if fill is None or fill.end() >= len(data):
        raise TruncatedImage
    return data[fill.end()], fill.end() + 1


def _payload(data: bytes, start: int) -> tuple[bytes, int]:
    """Return a segment's content, and where the next begins."""
    length = int.from_bytes(data[start : start + 2], "big")
    end = start + length
    if length < len(SOI) or end > len(data):
        raise TruncatedImage
    return data[start + 2 : end], end


def _scan(data: bytes, start: int, at: int, found: _Found) -> int:
    """Keep a scan with its coded pixels; return where they end."""
    found.scans += 1
    if not found.width:
        raise TruncatedImage
    if found.scans > MAX_SCANS:
        raise UnsupportedImage("The JPEG is cut into too many scans: save it as a plain JPEG and send that")
    end = _MARKER.match(data, at) or _NEXT_MARKER.search(data, at)  # the header before may end in a fill byte
    if end is None:
        raise TruncatedImage
    found.pixels.append(b"\xff" + bytes((SOS,)) + data[start : end.start()])
    return end.start()


def _segment_met(marker: int, payload: bytes, found: _Found) -> None:
    if marker in TABLES:
        found.pixels.append(_segment(marker, payload))
    elif marker in FRAMES:
        _frame(marker, payload, found)
    elif marker in DROPPED:
        _application(marker, payload, found)
    else:
        raise UnsupportedImage("This kind of JPEG cannot be shown in browsers: save it as a plain JPEG")


def _frame(marker: int, payload: bytes, found: _Found) -> None:
    """Keep the frame header: the one that says how large the picture is."""
    if found.width or len(payload) < _FRAME_FIELDS:
        raise TruncatedImage
    found.height, found.width = int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
    if payload[0] != _SAMPLE_BITS or payload[5] not in _CHANNELS:
        raise UnsupportedImage("This kind of JPEG cannot be shown in browsers: save it as a plain JPEG")
    if not found.width or not found.height:
        raise TruncatedImage
    found.pixels.append(_segment(marker, payload))


def _application(marker: int, payload: bytes, found: _Found) -> None:
    """Note what helps to show the picture. Nothing of these segments is kept as it came."""
    if marker == APP0 and payload.startswith(_JFIF) and not found.jfif:
        density = payload[_JFIF_DENSITY].ljust(5, b"\x01")
        found.jfif = _JFIF + b"\x01\x02" + density + b"\x00\x00"
    elif marker == APP1 and payload.startswith(_EXIF) and not found.exif:
        found.exif = payload[len(_EXIF) :]
    elif marker == APP2 and payload.startswith(_ICC) and len(payload) > _ICC_HEAD:
        found.icc.setdefault(payload[len(_ICC)], payload[_ICC_HEAD:])
    elif marker == APP14 and payload.startswith(_ADOBE) and len(payload) >= _ADOBE_LENGTH:
        found.adobe = payload[:_ADOBE_LENGTH]


def _finished(found: _Found, end: int) -> Jpeg:
    if not found.scans:
        raise TruncatedImage
    icc = b"".join(found.icc[number] for number in sorted(found.icc))[:MAX_METADATA]
    header = Header(found.width, found.height, found.exif, icc, end)
    return Jpeg(header, found.jfif, found.adobe, b"".join(found.pixels))


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload
