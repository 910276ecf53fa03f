"""Real photographs with the traces that cameras and phones leave: where, when, with what, by whom."""

import io
from dataclasses import dataclass
from pathlib import Path

import piexif
import skimage.data
from PIL import Image

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "moon.png",
    "ihc.png",
    "rocket.jpg",
)
CROPS = ((0.0, 0.0, 0.8, 0.8), (0.2, 0.2, 1.0, 1.0), (0.0, 0.2, 0.8, 1.0), (0.2, 0.0, 1.0, 0.8))
NUDGES = ((0, 0), (3, 5), (6, 2), (1, 7))
"""Pixels by which each crop is off the grid of eight: JPEG writes the same block of two crops in the same bytes."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What a person's camera writes into each photograph."""

    artist: str
    device: str
    serial: str
    comment: str
    latitude: float
    longitude: float


def photographs(count: int, traces: Traces, first: int = 0) -> list[bytes]:
    """Return JPEG photographs with EXIF and GPS; `first` chooses crops, so that people share no picture."""
    folder = Path(skimage.data.__file__).parent
    chosen = [divmod(i, len(PHOTOGRAPHS)) for i in range(first, first + count)]
    return [
        _taken(folder / PHOTOGRAPHS[scene], crop, traces, number)
        for number, (crop, scene) in enumerate(chosen)
    ]


def _taken(path: Path, crop: int, traces: Traces, number: int) -> bytes:
    with Image.open(path) as picture:
        cut = picture.convert("RGB").crop(_frame(picture.size, crop))
    data = io.BytesIO()
    cut.save(data, "JPEG", quality=90, exif=_exif(traces, number))
    return data.getvalue()


def _frame(size: tuple[int, int], crop: int) -> tuple[int, int, int, int]:
    """Return a crop's left, top, right and bottom in pixels."""
    left, top, right, bottom = (
        int(part * side) for part, side in zip(CROPS[crop], (*size, *size), strict=True)
    )
    right_by, down_by = NUDGES[crop]
    return left - left % 8 + 8 + right_by, top - top % 8 + 8 + down_by, right, bottom


def _exif(traces: Traces, number: int) -> bytes:
    moment = f"2025:07:{1 + number % 28:02d} 1{number % 10}:30:00"
    image = {piexif.ImageIFD.Make: traces.device, piexif.ImageIFD.Model: traces.device}
    image |= {piexif.ImageIFD.Artist: traces.artist, piexif.ImageIFD.DateTime: moment}
    exif = {piexif.ExifIFD.DateTimeOriginal: moment, piexif.ExifIFD.BodySerialNumber: traces.serial}
    exif |= {piexif.ExifIFD.UserComment: b"ASCII\0\0\0" + traces.comment.encode()}
    gps = {
        piexif.GPSIFD.GPSLatitudeRef: "N",
        piexif.GPSIFD.GPSLatitude: _degrees(traces.latitude),
        piexif.GPSIFD.GPSLongitudeRef: "E",
        piexif.GPSIFD.GPSLongitude: _degrees(traces.longitude),
    }
    written: bytes = piexif.dump({"0th": image, "Exif": exif, "GPS": gps})
    return written


def _degrees(value: float) -> tuple[tuple[int, int], ...]:
    whole, minutes = divmod(round(value * 3600 * 100), 3600 * 100)
    return (whole, 1), (minutes // 6000, 1), (minutes % 6000, 100)
