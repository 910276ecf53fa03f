"""Images as bytes: what a file really is, the same picture without what it tells about a person, thumbnails.

Pure and blocking: bytes in, bytes out, no I/O. Call it in a process, not on the event loop.
"""

from services.gallery.imaging.cleaning import Probe, Sanitised, inspect, sanitise
from services.gallery.imaging.exif import Captured
from services.gallery.imaging.limits import MAX_BYTES, MAX_PIXELS
from services.gallery.imaging.previews import Thumbnails, thumbnails

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "Captured",
    "Probe",
    "Sanitised",
    "Thumbnails",
    "inspect",
    "sanitise",
    "thumbnails",
]
