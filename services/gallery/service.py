"""What gallery does, in six parts: images, uploads, thumbnails, imports, removal, and photographs' details."""

from dataclasses import dataclass

from services.gallery.details import PhotoDetails
from services.gallery.images import Images
from services.gallery.imports import Imports
from services.gallery.removal import Removal
from services.gallery.thumbnails import Thumbnails
from services.gallery.uploads import Uploads


@dataclass(frozen=True, slots=True)
class GalleryService:
    """What routes and handlers call."""

    images: Images
    uploads: Uploads
    thumbnails: Thumbnails
    imports: Imports
    removal: Removal
    details: PhotoDetails
