"""From an uploaded file to a picture that can be kept: known, whole, and silent about its person."""

import hashlib
from dataclasses import dataclass
from typing import Final

from services.gallery.errors import TruncatedImage, TypeMismatch, UnsupportedImage
from services.gallery.imaging import exif, icc, jpeg, png, webp
from services.gallery.imaging.container import Container, MediaType
from services.gallery.imaging.decoding import check_decodes
from services.gallery.imaging.exif import Captured
from services.gallery.imaging.limits import check_bytes, check_pixels
from services.gallery.imaging.polyglot import check_rebuilt, check_tail

# Well-known files that people send by mistake, by what they begin with at an offset.
_OTHERS: Final = (
    (0, b"GIF8", "GIF"), (0, b"BM", "BMP"), (0, b"II*\x00", "TIFF or raw"), (0, b"MM\x00*", "TIFF or raw"),
    (4, b"ftypheic", "HEIC"), (4, b"ftypheix", "HEIC"), (4, b"ftypmif1", "HEIC"), (4, b"ftypavif", "AVIF"),
    (4, b"ftyp", "video"), (4, b"JXL ", "JPEG XL"), (0, b"\xff\x0a", "JPEG XL"), (0, b"%PDF", "PDF"),
    (0, b"8BPS", "Photoshop"), (0, b"PK\x03\x04", "ZIP"), (0, b"<", "SVG or HTML"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file is. Args: width, height: pixels as shown, the right way up; orientation: EXIF's number."""

    media_type: MediaType
    width: int
    height: int
    orientation: int


@dataclass(frozen=True, slots=True)
class Sanitised:
    """A picture without metadata. Args: width, height: pixels as shown; sha256: of `data`, in hexadecimal."""

    data: bytes
    media_type: MediaType
    width: int
    height: int
    sha256: str
    captured: Captured


def inspect(data: bytes, claimed: str | None = None) -> Probe:
    """Return what a file is, by its bytes, after decoding it once.

    Args:     claimed: the media type it was announced with, if any.
    Raises:   BadImage (4xx), as its subclasses say.
    """
    _, probe, _ = _cleaned(data, claimed)
    return probe


def sanitise(data: bytes, claimed: str | None = None) -> Sanitised:
    """Return the same picture with nothing in its file but what is needed to show it.

    The coded pixels are kept bit for bit. Kept beside them: orientation, density, and the colour profile's
    numbers. Gone: EXIF with GPS and maker notes, XMP, IPTC, comments, embedded previews, names in colour profiles,
    text chunks, and all that follows the picture. Moving pictures are refused, rather than cut to a first frame
    that their owner did not choose.

    Args:     claimed: the media type it was announced with, if any.
    Raises:   BadImage (4xx), as its subclasses say.
    Personal: the picture, and `captured`.
    """
    clean, probe, captured = _cleaned(data, claimed)
    digest = hashlib.sha256(clean).hexdigest()
    return Sanitised(clean, probe.media_type, probe.width, probe.height, digest, captured)


def _cleaned(data: bytes, claimed: str | None) -> tuple[bytes, Probe, Captured]:
    """Check a file and build it anew. Pillow sees the new file only, never what was in the old one."""
    check_bytes(data)
    container = _read(data, claimed)
    header = container.header
    check_pixels(header.width, header.height)
    check_tail(data[header.end :])
    orientation, captured = exif.read(header.exif)
    clean = container.rebuilt(exif.orientation_only(orientation), icc.reduced(header.icc))
    check_rebuilt(clean)
    check_decodes(clean, header.width, header.height)
    sides = (header.width, header.height)
    width, height = reversed(sides) if orientation in exif.SIDEWAYS else sides
    return clean, Probe(container.media_type, width, height, orientation), captured


def _read(data: bytes, claimed: str | None) -> Container:
    """Take a file apart by the type that its first bytes show."""
    found = _sniffed(data)
    if claimed is not None and claimed != found:
        raise TypeMismatch(f"The file is {found} and was announced as {claimed}: announce it as what it is")
    if found == "image/jpeg":
        return jpeg.read(data)
    return png.read(data) if found == "image/png" else webp.read(data)


def _sniffed(data: bytes) -> MediaType:
    """Return a file's type by its first bytes, whatever its name or sender says."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(png.SIGNATURE):
        return "image/png"
    if data.startswith(webp.RIFF) and data[8:12] == webp.WEBP:
        return "image/webp"
    if not data:
        raise TruncatedImage("The file is empty: send the picture itself")
    for offset, start, name in _OTHERS:
        if data.startswith(start, offset):
            raise UnsupportedImage(f"This looks like a {name} file: send a JPEG, PNG or WebP picture")
    raise UnsupportedImage
