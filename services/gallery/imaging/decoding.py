"""Pixels, under limits."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from PIL import Image

from services.gallery.errors import TruncatedImage
from services.gallery.imaging.limits import check_pixels

FORMATS: Final = ("JPEG", "PNG", "WEBP")
# What Pillow raises over damaged pixels.
_DAMAGED: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    struct.error,
    Image.DecompressionBombError,
)


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Open a picture of an allowed format; nothing is decoded yet.

    Raises:   TruncatedImage (422): here, or while the picture is decoded inside.  PixelBomb (413).
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check_pixels(*image.size)
            yield image
    except _DAMAGED as error:
        raise TruncatedImage from error


def check_decodes(data: bytes, width: int, height: int) -> None:
    """Decode a whole picture once and throw it away. A JPEG is decoded at an eighth: all its codes, few pixels.

    Raises:   TruncatedImage (422): it does not decode, or has another size than its header says.
    """
    with opened(data) as image:
        if image.size != (width, height):
            raise TruncatedImage
        image.draft(None, (1, 1))
        image.load()
