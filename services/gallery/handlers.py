"""The events that gallery consumes; the group of each names it."""

from libs.common.bus.consumes import Once, consumes
from libs.common.events.auth import (
    ConsentChangedV1,
    UserHiddenV1,
    UserRestoredV1,
    UserRestrictedV1,
    UserUnrestrictedV1,
)
from libs.common.events.gallery import ImageDeletedV1, ImageUploadedV1
from libs.common.events.generation import GenerationCompletedV1
from libs.common.processes import cores
from services.gallery.service import GalleryService


@consumes(ImageUploadedV1, group="gallery.make-thumbnails", batch=64, concurrency=cores() + 2)
async def make_thumbnails(event: ImageUploadedV1, service: GalleryService, once: Once) -> None:
    """Make an image's thumbnails and placeholder.

    Effects:  objects; the image; publishes image.ready.
    """
    await service.thumbnails.make(event, once)


@consumes(GenerationCompletedV1, group="gallery.import-images", batch=64, concurrency=4)
async def import_images(event: GenerationCompletedV1, service: GalleryService, once: Once) -> None:
    """Bring a job's images into its person's gallery.

    Raises:   ObjectMissing: dead letter.
    Effects:  objects; images; publishes image.uploaded.
    """
    await service.imports.fetch(event, once)


@consumes(ImageDeletedV1, group="gallery.remove-objects", batch=64, concurrency=8)
async def remove_objects(event: ImageDeletedV1, service: GalleryService, once: Once) -> None:
    """Delete what a deleted image consisted of.

    Effects:  objects, every version; then the image's row.
    """
    await service.removal.remove_image(event.user_id, event.image_id, once)


@consumes(ConsentChangedV1, group="gallery.follow-consents", concurrency=4)
async def follow_consents(event: ConsentChangedV1, service: GalleryService, once: Once) -> None:
    """Keep what a person decided about photographs' details, and remove those that they object to.

    Effects:  the person's switchboard; their images.
    """
    await service.details.follow(event, once)


@consumes(
    UserHiddenV1, UserRestoredV1, UserRestrictedV1, UserUnrestrictedV1, group="gallery.follow-suspensions"
)
async def follow_suspensions(
    event: UserHiddenV1 | UserRestoredV1 | UserRestrictedV1 | UserUnrestrictedV1, service: GalleryService
) -> None:
    """Keep whose images are shown to nobody for now, and of whose nothing new is made.

    Effects:  the person's suspension.
    """
    await service.suspensions.note(event)
