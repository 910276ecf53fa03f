"""What gallery does: images, uploads, thumbnails, imports, removal, photographs' details, and who is suspended."""

from dataclasses import dataclass

from libs.common.suspensions import Suspensions
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
    suspensions: Suspensions
