"""What the readers of the three formats have in common."""

from dataclasses import dataclass
from typing import Literal, Protocol

MediaType = Literal["image/jpeg", "image/png", "image/webp"]


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about its picture.

    Args:     width, height: pixels as stored, before any orientation; exif: a TIFF block or empty; icc: a colour
              profile or empty; end: where the picture ends in the file.
    """

    width: int
    height: int
    exif: bytes
    icc: bytes
    end: int


class Container(Protocol):
    """A picture's file, taken apart."""

    @property
    def media_type(self) -> MediaType:
        """Return what the file is."""
        ...

    @property
    def header(self) -> Header:
        """Return what it says about its picture."""
        ...

    def rebuilt(self, orientation: bytes, icc: bytes) -> bytes:
        """Return the file anew, its coded pixels untouched, with only what is needed to show them.

        Args:     orientation: a TIFF block or empty; icc: a colour profile or empty.
        """
        ...
