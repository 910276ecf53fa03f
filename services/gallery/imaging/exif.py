"""What a camera wrote beside the picture: which way is up, when, and with what. Where is never read."""

import struct
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from PIL import ExifTags, Image

UPRIGHT: Final = 1
MIRRORED_OR_TURNED: Final = frozenset(range(2, 9))
SIDEWAYS: Final = frozenset({5, 6, 7, 8})
_LONGEST_NAME: Final = 64
# What Pillow raises over a block that is no EXIF: a picture without EXIF is a picture all the same.
_UNREADABLE: Final = (
    struct.error,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OSError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class Captured:
    """When and with what a picture was taken, where its file says so.

    Args:     taken_at: by the camera's clock, as UTC where the file names no zone; camera: make and model.
    Personal: both.
    """

    taken_at: datetime | None = None
    camera: str | None = None


def read(block: bytes) -> tuple[int, Captured]:
    """Return a picture's orientation (1 to 8, EXIF's numbers) and what is kept of its capture."""
    if not block:
        return UPRIGHT, Captured()
    try:
        with warnings.catch_warnings(action="ignore"):
            exif = Image.Exif()
            exif.load(block)
            details = exif.get_ifd(ExifTags.IFD.Exif)
            orientation = exif.get(ExifTags.Base.Orientation)
            camera = _camera(exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model))
        turned = int(orientation) if orientation in MIRRORED_OR_TURNED else UPRIGHT
    except _UNREADABLE:
        return UPRIGHT, Captured()
    zone = details.get(ExifTags.Base.OffsetTimeOriginal)
    return turned, Captured(_moment(details.get(ExifTags.Base.DateTimeOriginal), zone), camera)


def orientation_only(orientation: int) -> bytes:
    """Return an EXIF block that says which way is up and nothing else; empty for a picture that stands upright."""
    if orientation == UPRIGHT:
        return b""
    short_type, one, next_directory = 3, 1, 0
    entry = struct.pack(">HHIHH", ExifTags.Base.Orientation, short_type, one, orientation, 0)
    return b"MM\x00*" + struct.pack(">IH", 8, one) + entry + struct.pack(">I", next_directory)


def _camera(make: object, model: object) -> str | None:
    """Return make and model as one short name."""
    words = [_plain(part) for part in (make, model)]
    if words[0] and words[1].lower().startswith(words[0].lower()):
        words[0] = ""
    return " ".join(word for word in words if word)[:_LONGEST_NAME].strip() or None


def _plain(value: object) -> str:
    return "".join(c for c in str(value) if c.isprintable()).strip() if isinstance(value, str) else ""


def _moment(stamp: object, offset: object) -> datetime | None:
    """Return the time of a stamp such as `2026:05:04 18:30:00`, with its offset such as `+02:00`."""
    text = _plain(stamp)
    for zone in (_plain(offset), "+00:00"):
        try:
            return datetime.strptime(f"{text}{zone}", "%Y:%m:%d %H:%M:%S%z").astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None
