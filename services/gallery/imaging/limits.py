"""How much of a file is looked at before it is refused."""

from typing import Final

from services.gallery.errors import ImageTooLarge, PixelBomb, TruncatedImage

MAX_BYTES: Final = 25 * 1024 * 1024
MAX_PIXELS: Final = 50_000_000
MAX_PARTS: Final = 20_000  # segments or chunks; a real file has dozens, or thousands of small IDATs
MAX_SCANS: Final = (
    64  # of a progressive JPEG; encoders write about ten, and each one costs a pass over all pixels
)
MAX_METADATA: Final = 1024 * 1024  # largest EXIF block or colour profile that is read at all


def check_bytes(data: bytes) -> None:
    """Refuse a file that is larger than gallery takes.

    Raises:   ImageTooLarge (413).
    """
    if len(data) > MAX_BYTES:
        raise ImageTooLarge(limit_bytes=MAX_BYTES)


def check_pixels(width: int, height: int) -> None:
    """Refuse a picture by its header, before anything is decoded.

    Raises:   PixelBomb (413).  TruncatedImage (422): a side of 0.
    """
    if width < 1 or height < 1:
        raise TruncatedImage("The picture's header says that it has no pixels: save it again and send that")
    if width * height > MAX_PIXELS:
        raise PixelBomb(limit_pixels=MAX_PIXELS, pixels=width * height)
