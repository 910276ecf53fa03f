"""Whose data is not used for now: who deleted their account and may come back, and who restricted processing.

Auth says so by events. Every service that has people's data keeps a copy, and asks it in one place for all of its
routes (`libs.common.identity`). Nothing of a hidden person is shown to anybody; a restricted person sees and takes
what is theirs, and nothing is made of it (ADR 0031, ADR 0032).
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeAlias
from uuid import UUID

from pydantic import Field

from libs.common.document import Document
from libs.common.errors import AccountHidden, ProcessingRestricted
from libs.common.events.auth import UserHiddenV1, UserRestoredV1, UserRestrictedV1, UserUnrestrictedV1
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Basis, Operational, Personal, Purpose, SubjectId
from libs.common.privacy.holdings import CollectionHolding

Changed: TypeAlias = UserHiddenV1 | UserRestoredV1 | UserRestrictedV1 | UserUnrestrictedV1

Said = Personal("user.privacy_preferences", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION)
"""That it has to be followed comes from GDPR Art. 17 and 18."""


class Suspension(Document):
    """What may not be done with a person's data for now. Who never deleted or restricted anything has none.

    The sequences are those of the last events that were taken in: an older one that comes late changes nothing.
    """

    collection: ClassVar[str] = "suspensions"

    id: SubjectId = Field(alias="_id")
    hidden_since: Annotated[datetime | None, Said] = None
    hidden_sequence: Operational[int] = 0
    restricted: Annotated[bool, Said] = False
    restricted_sequence: Operational[int] = 0

    @property
    def stops(self) -> bool:
        """Tell whether nothing is to be made of the person's data."""
        return self.restricted or self.hidden_since is not None

    def hides_from(self, signed_at: datetime) -> bool:
        """Tell whether the person is hidden from who signed in at a moment: who did later has come back."""
        return self.hidden_since is not None and signed_at < self.hidden_since


SUSPENSIONS = CollectionHolding(Suspension, subject="_id")
"""The holding of every service that follows."""


class Suspensions:
    """One service's copy of who is suspended. A question is one look-up by id, of a row that few people have."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Suspension)

    async def of(self, user_id: UUID) -> Suspension | None:
        """Return what is suspended of a person, None for almost everybody."""
        row = await self._rows.find_one({"_id": user_id})
        return Suspension.from_mongo(row) if row else None

    async def refuse_hidden(self, user_id: UUID, signed_at: datetime) -> None:
        """Refuse to do anything for a hidden person. Raises AccountHidden (410)."""
        suspension = await self.of(user_id)
        if suspension and suspension.hides_from(signed_at):
            raise AccountHidden

    async def refuse_use(self, user_id: UUID) -> None:
        """Refuse to make anything of a restricted person's data. Raises ProcessingRestricted (409)."""
        suspension = await self.of(user_id)
        if suspension and suspension.restricted:
            raise ProcessingRestricted

    async def note(self, event: Changed) -> None:
        """Take a change in, in one step: twice changes nothing, and an older one does not undo a newer one.

        Effects:  the person's suspension.
        """
        await self._rows.update_one({"_id": event.user_id}, _taken_in(event), upsert=True)


def _taken_in(event: Changed) -> list[dict[str, Any]]:
    """Return the change of a suspension that an event makes where it is the last word."""
    if isinstance(event, UserHiddenV1 | UserRestoredV1):
        field, sequence = "hidden_since", "hidden_sequence"
        value: datetime | bool | None = event.hidden_at if isinstance(event, UserHiddenV1) else None
    else:
        field, sequence = "restricted", "restricted_sequence"
        value = isinstance(event, UserRestrictedV1)
    newer = {"$lt": [{"$ifNull": [f"${sequence}", 0]}, event.sequence]}
    said = {
        field: {"$cond": [newer, value, f"${field}"]},
        sequence: {"$max": [f"${sequence}", event.sequence]},
    }
    return [{"$set": said}]
