"""The gallery's listing as what its events say of each image, so that it can be thrown away and rebuilt."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from libs.common.bus.envelope import Received
from libs.common.consents import Consents, Standing, keeps
from libs.common.document import Document
from libs.common.events.base import Event, Sealed
from libs.common.events.gallery import ImageCaptionedV1, ImageDeletedV1, ImageReadyV1, ImageUploadedV1
from libs.common.mongo import Row
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.rebuild.model import Folded
from libs.common.sealing import Sealing
from services.gallery.models import Image, ImageFacts, ImageState
from services.gallery.repository import SHOWN

PLAIN = ("source", "media_type", "size_bytes", "width", "height", "job_id", "index")
SEALED = ("sealed_details", "sealed_placeholder", "sealed_caption")


class Listing:
    """The read model `gallery.images`. What is sealed stays so in the facts, and is opened to be compared only."""

    name: ClassVar[str] = "gallery.images"
    live: ClassVar[type[Document]] = Image
    facts: ClassVar[type[Document]] = ImageFacts
    owner: ClassVar[str] = "user_id"
    shown: ClassVar[dict[str, Any]] = SHOWN
    people_at_once: ClassVar[int] = 20
    events: ClassVar[tuple[type[Event], ...]] = (
        ImageUploadedV1,
        ImageReadyV1,
        ImageCaptionedV1,
        ImageDeletedV1,
    )

    def __init__(self, sealing: Sealing, consents: Consents) -> None:
        self._sealing, self._consents = sealing, consents

    def fold(self, received: Received) -> Folded:
        """Return what one event says of an image; each part of it comes from one topic, so topics need no order."""
        event: Any = received.event
        return Folded(event.image_id, {"$set": {"user_id": event.user_id, **_said(event)}})

    async def rows(self, facts: Sequence[Row]) -> list[Row | None]:
        """Return images as they are stored; None for those that were deleted, or are not known from their upload.

        The log still has what a person objected to since; it does not come back.


        Personal: what is sealed, opened for each person at once.
        """
        mine: dict[UUID, list[Sealed]] = defaultdict(list)
        for each in facts:
            mine[each["user_id"]] += [each[name] for name in SEALED if each.get(name)]
        opened = await asyncio.gather(*(self._opened(user_id, sealed) for user_id, sealed in mine.items()))
        contents = {sealed: value for found in opened for sealed, value in found.items()}
        boards = await self._consents.of(mine)
        return [_row(each, contents, boards.get(each["user_id"], {})) for each in facts]

    def began_at(self, facts: Row) -> datetime | None:
        """Return when the image was uploaded."""
        uploaded_at: datetime | None = facts.get("uploaded", {}).get("created_at")
        return uploaded_at

    async def _opened(self, user_id: UUID, sealed: list[Sealed]) -> dict[Sealed, Any]:
        if not sealed:
            return {}
        return dict(zip(sealed, await self._sealing.opened(user_id, sealed), strict=True))


def _said(event: Any) -> Row:
    match event:
        case ImageUploadedV1():
            plain = {name: getattr(event, name) for name in PLAIN} | {"created_at": event.uploaded_at}
            return {"uploaded": plain, "sealed_details": event.sealed_details}
        case ImageReadyV1():
            return {"ready": True, "sealed_placeholder": event.sealed_placeholder}
        case ImageCaptionedV1():
            return {"captioned": True, "sealed_caption": event.sealed_caption}
        case _:
            return {"deleted": True}


def _row(facts: Row, contents: dict[Sealed, Any], standings: dict[ChosenPurpose, Standing]) -> Row | None:
    if "uploaded" not in facts or facts.get("deleted"):
        return None
    said = {name: contents.get(facts[name]) for name in SEALED if facts.get(name)}
    personal = {"placeholder": said.get("sealed_placeholder"), **(said.get("sealed_details") or {})}
    if facts.get("captioned"):
        personal["caption"] = said.get("sealed_caption")
    if not keeps(standings, ChosenPurpose.PHOTO_DETAILS, facts["uploaded"]["created_at"]):
        personal |= {"taken_at": None, "camera": None}
    state = ImageState.READY if facts.get("ready") else ImageState.PROCESSING
    image = Image(
        id=facts["_id"], user_id=facts["user_id"], state=state, **facts["uploaded"], **personal
    )  # its fields are checked, and are stored in the order of the class
    return image.to_mongo()
