"""When and with which camera photographs were taken: kept beside them unless their person objects."""

from datetime import datetime
from uuid import UUID

from libs.common.bus.consumes import Once
from libs.common.consents import Consents, keeps
from libs.common.events.auth import ConsentChangedV1
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.work import UnitOfWork
from services.gallery.repository import ImageRepository

PURPOSE = ChosenPurpose.PHOTO_DETAILS


class PhotoDetails:
    """Asks at the time of processing, and removes what was objected to.

    An objection that is taken in while an upload is under way sweeps before or after the image is there. So the
    upload looks again when it is, as the fence does (ADR 0006): one of the two removes it. Where its process died
    before it could, whoever makes the thumbnails looks: that comes after every commit.
    """

    def __init__(self, images: ImageRepository, work: UnitOfWork, consents: Consents) -> None:
        self._images, self._work, self._consents = images, work, consents

    async def wanted(self, user_id: UUID) -> bool:
        """Tell whether a person's photographs keep their details, now."""
        return await self._consents.allows(user_id, PURPOSE)

    async def look_again(self, user_id: UUID, made_at: datetime) -> None:
        """Remove a new image's details where its person has objected since they were asked about."""
        if not keeps(await self._consents.standings(user_id), PURPOSE, made_at):
            await self._images.forget_details(user_id, made_at)

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
