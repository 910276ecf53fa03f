"""Photographs as people's phones write them, and what hides in files: the samples of the imaging tests."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import piexif
import skimage
from PIL import Image, PngImagePlugin

PHOTOS = Path(skimage.__file__).parent / "data"
SECRETS = (
    b"Jane Doe",
    b"jane@example.org",
    b"SN-4711",
    b"PixelCam",
    b"52.52",
    b"Berlin",
    b"GPSLatitude",
    b"GPS",
)


def photo(name: str = "rocket.jpg") -> Image.Image:
    """Return a real photograph, opened."""
    return Image.open(PHOTOS / name)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def personal_exif(orientation: int = 1) -> bytes:
    """Return EXIF as a phone writes it: who, where, when, with what, and a preview."""
    zeroth = {
        piexif.ImageIFD.Make: b"PixelCam",
        piexif.ImageIFD.Model: b"PixelCam Model 7",
        piexif.ImageIFD.Artist: b"Jane Doe",
        piexif.ImageIFD.ImageDescription: b"at home in Berlin",
        piexif.ImageIFD.Orientation: orientation,
    }
    details = {
        piexif.ExifIFD.DateTimeOriginal: b"2026:05:04 18:30:00",
        piexif.ExifIFD.OffsetTimeOriginal: b"+02:00",
        piexif.ExifIFD.BodySerialNumber: b"SN-4711",
        piexif.ExifIFD.UserComment: b"ASCII\x00\x00\x00jane@example.org",
    }
    gps = {
        piexif.GPSIFD.GPSLatitudeRef: b"N",
        piexif.GPSIFD.GPSLatitude: ((52, 1), (31, 1), (0, 1)),
        piexif.GPSIFD.GPSAreaInformation: b"Berlin 52.52 GPS",
    }
    preview = encoded(photo().resize((64, 42)))
    block: bytes = piexif.dump({"0th": zeroth, "Exif": details, "GPS": gps, "1st": {}, "thumbnail": preview})
    return block


def xmp() -> bytes:
    """Return an XMP packet that names a person."""
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>Jane Doe</dc:creator>GPSLatitude</x:xmpmeta>'


def phone_jpeg(orientation: int = 1) -> bytes:
    """Return a photograph with EXIF, GPS, XMP, a comment and IPTC."""
    file = encoded(photo(), quality=90, exif=personal_exif(orientation), xmp=xmp(), comment=b"for Jane Doe")
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x08Jane Doe"
    return file[:2] + b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc + file[2:]


def phone_png() -> bytes:
    """Return a PNG with text chunks, EXIF, a date and a private chunk."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Jane Doe")
    info.add_itxt("Comment", "jane@example.org", zip=True)
    info.add_itxt("XML:com.adobe.xmp", xmp().decode())
    info.add(b"prVt", b"SN-4711")
    return encoded(photo("chelsea.png"), "PNG", pnginfo=info, exif=personal_exif())


def phone_webp(**options: object) -> bytes:
    """Return a WebP with EXIF and XMP."""
    return encoded(photo("coffee.png"), "WEBP", exif=personal_exif(), xmp=xmp(), **options)


SAMPLES: dict[str, Callable[[], bytes]] = {
    "jpeg": phone_jpeg,
    "progressive": lambda: encoded(
        photo("retina.jpg"), progressive=True, exif=personal_exif(), comment=b"Jane Doe"
    ),
    "png": phone_png,
    "webp": phone_webp,
    "lossless": lambda: phone_webp(lossless=True),
}


def pixels(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    """Return what a file decodes to."""
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, image.size, image.tobytes()


def archive() -> bytes:
    """Return a small ZIP."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("evil.html", "<script>alert(1)</script>")
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
