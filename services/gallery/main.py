"""Gallery's composition root."""

from datetime import timedelta

from fastapi import FastAPI

from libs.common.app import Parts, Platform, create_process
from libs.common.bus.consumes import subscriptions
from libs.common.consents import Consents
from libs.common.privacy.removals import Removals
from libs.common.rebuild.rebuilds import Rebuilds
from libs.common.rebuild.routes import rebuild_routes
from services.gallery import handlers, privacy, routes
from services.gallery.announcing import Seals
from services.gallery.details import PhotoDetails
from services.gallery.images import Images
from services.gallery.imports import Imports
from services.gallery.listing import Listing
from services.gallery.objects import ImageObjects
from services.gallery.processing import Processing
from services.gallery.removal import Removal
from services.gallery.repository import ImageRepository, UploadRepository
from services.gallery.service import GalleryService
from services.gallery.settings import GallerySettings
from services.gallery.thumbnails import Thumbnails
from services.gallery.uploads import Uploads


def create_app(role: str = "all", given: GallerySettings | None = None) -> FastAPI:
    """Build one process of gallery. Args: given: settings, if not those of the environment."""
    settings = given or GallerySettings()

    def compose(platform: Platform) -> Parts:
        return parts_of(platform, settings)

    return create_process(
        name="gallery",
        role=role,
        settings=settings,
        holdings=privacy.HOLDINGS,
        routers=[routes.router, rebuild_routes("gallery")],
        compose=compose,
    )


def parts_of(platform: Platform, settings: GallerySettings) -> Parts:
    """Put the service together."""
    images, uploads = ImageRepository(platform.mongo), UploadRepository(platform.mongo)
    removals = Removals(
        privacy.HOLDINGS, privacy.OBJECTS, platform.mongo, platform.storage, platform.tombstones
    )
    objects, work = (
        ImageObjects(platform.storage, removals, platform.writes, settings.pseudonym_key),
        platform.work,
    )
    processing = Processing(
        settings.gallery_imaging_processes,
        waiting=settings.gallery_imaging_waiting,
        timeout_s=settings.gallery_imaging_timeout_s,
        nice=settings.gallery_imaging_nice,
    )
    seals = Seals(platform.sealing)
    consents = Consents(platform.mongo)
    details = PhotoDetails(images, work, consents)
    service = GalleryService(
        images=Images(images, work, objects, seals),
        uploads=Uploads(
            images,
            uploads,
            work,
            objects,
            processing,
            details,
            seals=seals,
            in_hand=settings.gallery_uploads_in_hand,
            open_per_person=settings.gallery_open_uploads_per_person,
        ),
        thumbnails=Thumbnails(images, work, objects, processing, details, seals=seals),
        imports=Imports(images, work, objects, processing, platform.tombstones),
        removal=Removal(
            images,
            uploads,
            work,
            objects,
            expires_after=timedelta(seconds=settings.gallery_upload_expires_s),
            sweep_every_s=settings.gallery_sweep_every_s,
            orphans_every_s=settings.gallery_orphans_every_s,
        ),
        details=details,
        suspensions=platform.suspensions,
    )
    rebuilds = Rebuilds(
        settings.kafka_bootstrap, platform.mongo, work, platform.audit, [Listing(platform.sealing, consents)]
    )
    return Parts(
        service=service,
        starting=[rebuilds.prepare],
        subscriptions=subscriptions(handlers, service),
        background=[
            service.removal.expire_for_ever,
            service.removal.remove_orphans_for_ever,
            rebuilds.work_for_ever,
        ],
        rebuilds=rebuilds,
        closing=[processing.close],
    )
