"""When and with which camera photographs were taken: kept beside them unless their person objects."""

from uuid import UUID

from libs.common.bus.consumes import Once
from libs.common.consents import Consents, keeps
from libs.common.events.auth import ConsentChangedV1
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.work import UnitOfWork
from services.gallery.models import Image
from services.gallery.repository import ImageRepository

PURPOSE = ChosenPurpose.PHOTO_DETAILS


class PhotoDetails:
    """Asks at the time of processing, and removes what was objected to.

    An objection that is taken in while an upload is under way sweeps before or after the image is there. So the
    upload looks again when it is, as the fence does (ADR 0006): one of the two removes it.
    """

    def __init__(self, images: ImageRepository, work: UnitOfWork, consents: Consents) -> None:
        self._images, self._work, self._consents = images, work, consents

    async def wanted(self, user_id: UUID) -> bool:
        """Tell whether a person's photographs keep their details, now."""
        return await self._consents.allows(user_id, PURPOSE)

    async def look_again(self, image: Image) -> None:
        """Remove a new image's details where its person has objected since they were asked about."""
        if image.taken_at is None and image.camera is None:
            return
        if not keeps(await self._consents.standings(image.user_id), PURPOSE, image.created_at):
            await self._images.forget_details(image.user_id, image.created_at)

    async def follow(self, event: ConsentChangedV1, once: Once) -> None:
        """Take a decision in, then remove what may not be kept any more, in batches: it may be a whole gallery.

        Effects:  the person's switchboard, in a transaction of its own that may be repeated; their images.
        """
        if event.purpose is not PURPOSE:
            return
        await self._work.run(lambda: self._consents.note(event), subject=event.user_id)
        standing = (await self._consents.standings(event.user_id)).get(PURPOSE)
        if standing is not None:
            until = None if standing.refuses else standing.kept_since
            await self._images.forget_details(event.user_id, until)
        await once(_noted)


async def _noted() -> None:
    """What there was to write is written; that it was done is remembered."""
