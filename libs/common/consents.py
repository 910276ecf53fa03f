"""What people said about the purposes they decide about, as processing asks at the time of processing.

Auth is where they say it. Every other service that needs to know keeps a copy, by consuming `consent.changed`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from libs.common.clock import now
from libs.common.document import Document
from libs.common.events.auth import ConsentChangedV1
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Basis, ChosenPurpose, Operational, Personal, Purpose, SubjectId
from libs.common.privacy.holdings import CollectionHolding
from libs.common.privacy.purposes import DECLARED, Decision

NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Said = Personal("user.privacy_preferences", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION)
"""That it has to be known at the time of processing follows from GDPR Art. 7(1), 7(3) and 21(3)."""


class Standing(BaseModel):
    """A person's last word about one purpose.

    Args:     sequence: counts the person's decisions about it, so that an older one does not undo a newer one;
              kept_since: what was kept for the purpose before this moment had to go, and does not come back.
    """

    decision: Annotated[Decision, Said]
    sequence: Operational[int]
    changed_at: Annotated[datetime, Said]
    kept_since: Operational[datetime] = NEVER

    @property
    def refuses(self) -> bool:
        """Tell whether it is a no."""
        return self.decision is not Decision.GIVEN


class Switchboard(Document):
    """A person's last word about each purpose; what they said nothing about is not in it."""

    collection: ClassVar[str] = "switchboards"

    id: SubjectId = Field(alias="_id")
    standings: dict[ChosenPurpose, Standing] = Field(default_factory=dict)


SWITCHBOARDS = CollectionHolding(Switchboard, subject="_id")
"""The holding of every service that asks."""


class Consents:
    """One service's copy of the switchboards."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Switchboard)

    async def allows(self, user_id: UUID, purpose: ChosenPurpose) -> bool:
        """Tell whether a person's data may be used for a purpose, now.

        Whoever keeps something for it asks once more after the commit: a no that came meanwhile has swept already.
        """
        return allowed(await self.standings(user_id), purpose)

    async def standings(self, user_id: UUID) -> dict[ChosenPurpose, Standing]:
        """Return a person's last word about each purpose that they said something about."""
        return (await self.of([user_id])).get(user_id, {})

    async def of(self, people: Iterable[UUID]) -> dict[UUID, dict[ChosenPurpose, Standing]]:
        """Return the last words of people, of those who said any."""
        wanted = list(people)
        rows = await self._rows.find({"_id": {"$in": wanted}}, limit=len(wanted) or 1)
        boards = [Switchboard.from_mongo(row) for row in rows]
        return {board.id: board.standings for board in boards}

    async def note(self, event: ConsentChangedV1) -> None:
        """Take a decision in, in one step: twice changes nothing, and an older one does not undo a newer one.

        Effects:  the person's switchboard.
        """
        await self._rows.update_one({"_id": event.user_id}, _taken_in(event, now()), upsert=True)


def allowed(standings: dict[ChosenPurpose, Standing], purpose: ChosenPurpose) -> bool:
    """Tell whether a purpose may be followed, by what its person said: consent is asked for, an objection is made."""
    standing = standings.get(purpose)
    return DECLARED[purpose].unasked if standing is None else not standing.refuses


def keeps(standings: dict[ChosenPurpose, Standing], purpose: ChosenPurpose, made_at: datetime) -> bool:
    """Tell whether what was made at a moment is kept for a purpose: a later yes does not undo a no."""
    standing = standings.get(purpose)
    return allowed(standings, purpose) and (standing is None or made_at > standing.kept_since)


def _taken_in(event: ConsentChangedV1, moment: datetime) -> list[dict[str, Any]]:
    """Return the change of a switchboard that a decision makes.

    What is kept must be younger than the last no: for one that is news, than this moment, since until now more may
    have been kept; a yes after a no begins at this moment too.
    """
    path = f"$standings.{event.purpose}"
    newer = {"$lt": [{"$ifNull": [f"{path}.sequence", 0]}, event.sequence]}
    refuses = event.state is not Decision.GIVEN
    refused_before = {"$ne": [{"$ifNull": [f"{path}.decision", Decision.GIVEN.value]}, Decision.GIVEN.value]}
    begun = {"$ifNull": [f"{path}.kept_since", NEVER]}
    anew = {"$cond": [{"$and": [newer, refuses or refused_before]}, moment, begun]}
    late = {"$max": [begun, event.changed_at]} if refuses else begun
    said = {
        "decision": {"$cond": [newer, event.state.value, f"{path}.decision"]},
        "sequence": {"$cond": [newer, event.sequence, f"{path}.sequence"]},
        "changed_at": {"$cond": [newer, event.changed_at, f"{path}.changed_at"]},
        "kept_since": {"$cond": [newer, anew, late]},
    }
    return [{"$set": {f"standings.{event.purpose}": said}}]
