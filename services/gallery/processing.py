"""Images worked on in a bounded set of processes: the one that serves imports and decodes nothing heavy."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from prometheus_client import Histogram

from libs.common.processes import ProcessDied, ProcessPool
from services.gallery.errors import BadImage, ImagingDied
from services.gallery.metrics import CLEAN_SECONDS, THUMBNAIL_SECONDS
from services.gallery.models import MediaType, Size

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured:
    """What an image is. Args: width, height: pixels as shown."""

    media_type: MediaType
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Cleaned(Measured):
    """An image without metadata, and what was kept of when and with what it was taken.

    Personal: all of it.
    """

    data: bytes
    taken_at: datetime | None
    camera: str | None


@dataclass(frozen=True, slots=True)
class Previews:
    """An image made small: WebP files, and a BlurHash."""

    images: dict[Size, bytes]
    placeholder: str


class Processing:
    """Checks, cleans, measures and shrinks images, some at a time.

    Args:     waiting: most images let wait for a process; timeout_s: longest that one may take.
    """

    def __init__(self, processes: int, *, waiting: int, timeout_s: float, nice: int = 0) -> None:
        self._pool = ProcessPool(processes, preload=("services.gallery.imaging",), waiting=waiting, nice=nice)
        self._timeout_s = timeout_s

    async def clean(self, data: bytes, claimed: MediaType) -> Cleaned:
        """Return the same picture with nothing in its file but what shows it.

        Raises:   BadImage (4xx), one of its kinds: its person may try another at once.  Busy (503).
        """
        try:
            return await self._run(clean, data, claimed, seconds=CLEAN_SECONDS)
        except ImagingDied as error:
            raise BadImage("The picture could not be decoded: save it again and send that") from error

    async def measure(self, data: bytes) -> Measured:
        """Return what an image is, by its bytes. Raises: BadImage (4xx); Busy, ImagingDied (503)."""
        return await self._run(measure, data)

    async def thumbnails(self, data: bytes) -> Previews:
        """Return an image's thumbnails and placeholder. Raises: BadImage (4xx); Busy, ImagingDied (503)."""
        return await self._run(shrink, data, seconds=THUMBNAIL_SECONDS)

    async def close(self) -> None:
        """Stop the processes."""
        await self._pool.close()

    async def _run(self, call: Callable[..., T], *args: object, seconds: Histogram | None = None) -> T:
        started = time.perf_counter()
        try:
            done = await self._pool.run(call, *args, timeout_s=self._timeout_s)
        except (ProcessDied, MemoryError) as error:
            raise ImagingDied from error
        if seconds is not None:
            seconds.observe(time.perf_counter() - started)
        return done


# What follows runs in the processes. They have imaging preloaded; this module is imported by the API as well.


def clean(data: bytes, claimed: MediaType) -> Cleaned:
    """Check and clean an uploaded file."""
    from services.gallery.imaging import sanitise  # noqa: PLC0415 - see above

    done = sanitise(data, claimed)
    captured = done.captured
    return Cleaned(done.media_type, done.width, done.height, done.data, captured.taken_at, captured.camera)


def measure(data: bytes) -> Measured:
    """Tell what an image is."""
    from services.gallery.imaging import inspect  # noqa: PLC0415 - see above

    seen = inspect(data)
    return Measured(seen.media_type, seen.width, seen.height)


def shrink(data: bytes) -> Previews:
    """Make thumbnails and placeholder."""
    from services.gallery.imaging import thumbnails  # noqa: PLC0415 - see above

    made = thumbnails(data)
    return Previews({Size.SMALL: made.small, Size.LARGE: made.large}, made.placeholder)
