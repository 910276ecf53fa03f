"""The only access to the published versions. Nothing here changes or removes one."""

from libs.common.mongo import DuplicateKeyError, Mongo
from services.privacy.errors import PolicyPublished
from services.privacy.policies.models import PolicyPublication
from services.privacy.policies.texts import DocumentName

LATEST_FIRST = (("published_at", -1), ("version", -1))


class PolicyRows:
    """The collection `policy_publications`."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(PolicyPublication)

    async def add(self, publication: PolicyPublication) -> None:
        """Store a publication. Raises PolicyPublished (409): there is one of this version."""
        try:
            await self._rows.insert_one(publication.to_mongo())
        except DuplicateKeyError as error:
            raise PolicyPublished from error

    async def get(self, publication_id: str) -> PolicyPublication | None:
        """Return a publication by its document and version."""
        row = await self._rows.find_one({"_id": publication_id})
        return PolicyPublication.from_mongo(row) if row else None

    async def of(self, document: DocumentName) -> list[PolicyPublication]:
        """Return a document's publications, the latest first."""
        rows = await self._rows.find({"document": document}, sort=LATEST_FIRST)
        return [PolicyPublication.from_mongo(row) for row in rows]

    async def current(self, document: DocumentName) -> PolicyPublication | None:
        """Return the version of a document that is in force."""
        row = await self._rows.find_one({"document": document}, sort=LATEST_FIRST)
        return PolicyPublication.from_mongo(row) if row else None
