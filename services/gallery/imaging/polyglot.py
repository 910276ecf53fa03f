"""Files that are a picture and something else at once."""

import re
from typing import Final

from services.gallery.errors import PolyglotImage

# Files that start behind the picture, after any padding. What phones append (a second picture, a short film, a
# depth map, a maker's block) is none of these; it is cut off without a word.
_FOREIGN: Final = re.compile(
    rb"(?i:PK\x03\x04|PK\x05\x06|Rar!|7z\xbc\xaf|\x1f\x8b\x08|BZh|\xfd7zXZ|%PDF|MZ|\x7fELF|\xca\xfe\xba\xbe|"
    rb"\xcf\xfa\xed\xfe|#!|<[a-z!?])"
)
_PADDING: Final = b"\x00\t\n\x0c\r \xff"
# Markup anywhere behind the picture: browsers that guess look for it far into a file.
_MARKUP: Final = re.compile(rb"(?i)<(?:!doctype|html|head|body|script|iframe|svg|object|embed|\?php)[\s>/]")
_ZIP_END, _ZIP_ENTRY = b"PK\x05\x06", b"PK\x01\x02"
_ZIP_REACH: Final = 22 + 65_535  # a ZIP's end record may be this far from the file's end


def check_tail(tail: bytes) -> None:
    """Refuse a file that goes on as another after its picture.

    Raises:   PolyglotImage (422).
    """
    start = tail.lstrip(_PADDING)
    if _FOREIGN.match(start) or _MARKUP.search(tail) or _holds_zip(tail):
        raise PolyglotImage


def check_rebuilt(data: bytes) -> None:
    """Refuse a picture whose own coded pixels still hold an archive that unpackers would find.

    Raises:   PolyglotImage (422).
    """
    if _holds_zip(data):
        raise PolyglotImage


def _holds_zip(data: bytes) -> bool:
    """Return whether an unpacker would find a ZIP's directory from the end of these bytes."""
    end = data.rfind(_ZIP_END, max(0, len(data) - _ZIP_REACH))
    if end < 0:
        return False
    comment = int.from_bytes(data[end + 20 : end + 22], "little")
    empty = data[end + 4 : end + 20] == bytes(16)
    return end + 22 + comment <= len(data) and (empty or data.rfind(_ZIP_ENTRY, 0, end) >= 0)
