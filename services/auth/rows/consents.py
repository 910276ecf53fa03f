"""What people decided about the purposes that they are asked about."""

from uuid import UUID

from libs.common.mongo import Mongo
from services.auth.agreement_models import ConsentDecision


class ConsentDecisions:
    """The collection `consent_decisions`: written once each, never changed."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(ConsentDecision)

    async def add(self, decision: ConsentDecision) -> None:
        """Record a decision, in an open transaction."""
        await self._rows.insert_one(decision.to_mongo())

    async def page(self, user_id: UUID, after: UUID | None, limit: int) -> list[ConsentDecision]:
        """Return a person's decisions, the latest first, behind one."""
        behind = {} if after is None else {"_id": {"$lt": after}}
        rows = await self._rows.find({"user_id": user_id, **behind}, sort=[("_id", -1)], limit=limit)
        return [ConsentDecision.from_mongo(row) for row in rows]
