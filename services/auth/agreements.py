"""What is in force, and what people have accepted of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args
from uuid import UUID

from libs.common.clock import new_id, now
from libs.common.events.privacy import PolicyPublishedV1
from libs.common.work import UnitOfWork
from services.auth.agreement_models import (
    Acceptance,
    AcceptedDocument,
    NoticeRun,
    PolicyNotice,
    PolicyVersion,
)
from services.auth.errors import NoticeNotFound, TermsOutdated
from services.auth.repository import Store
from services.auth.settings import AuthSettings

DOCUMENTS: tuple[AcceptedDocument, ...] = get_args(AcceptedDocument)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class InForce:
    """The versions that a registration accepts."""

    terms: str
    policy: str

    def outdated(self) -> TermsOutdated:
        """Return the problem of somebody who accepts others."""
        return TermsOutdated(terms_version=self.terms, policy_version=self.policy)


@dataclass(frozen=True, slots=True)
class Due:
    """A version that a person has to accept, because it differs significantly from the one they did."""

    document: AcceptedDocument
    version: str


class Agreements:
    """Knows what was published, and keeps what people accept and acknowledge."""

    def __init__(self, settings: AuthSettings, store: Store, work: UnitOfWork) -> None:
        self._settings, self._store, self._work = settings, store, work

    async def in_force(self) -> InForce:
        """Return the latest versions; before auth has heard of any, those of its settings."""
        latest = {each.document: each.version for each in reversed(await self._store.policy_versions.all())}
        return InForce(
            terms=latest.get("terms", self._settings.terms_version),
            policy=latest.get("policy", self._settings.policy_version),
        )

    async def follow(self, event: PolicyPublishedV1) -> None:
        """Take a publication in, in an open transaction; a significant one begins to be told to everybody.

        Effects:  the version; a run of notices.
        """
        name = f"{event.document}:{event.document_version}"
        version = PolicyVersion(
            id=name,
            document=event.document,
            version=event.document_version,
            significant=event.significant,
            published_at=event.published_at,
        )
        await self._store.policy_versions.learn(version)
        if event.significant:
            run = NoticeRun(id=name, document=event.document, version=event.document_version, begun_at=now())
            await self._store.notice_runs.begin(run)

    async def due(self, user_id: UUID) -> list[Due]:
        """Return what a person has to accept anew: the latest, where a significant one came after theirs."""
        published = await self._store.policy_versions.all()
        if not any(each.significant for each in published):
            return []
        accepted = await self._store.acceptances.latest(user_id)
        found = (_due(document, published, accepted.get(document)) for document in DOCUMENTS)
        return [due for due in found if due]

    async def accept(self, user_id: UUID, document: AcceptedDocument, version: str) -> None:
        """Record that a person accepts the version of a document that is in force; a second time changes nothing.

        Raises:   TermsOutdated (409): another one is.
        Effects:  an acceptance; the notice of the version is acknowledged.
        """
        in_force = await self.in_force()
        if version != getattr(in_force, document):
            raise in_force.outdated()
        moment = now()

        async def write() -> None:
            await self._store.notices.acknowledge(user_id, moment, document=document, version=version)
            if (await self._store.acceptances.latest(user_id)).get(document) != version:
                await self._store.acceptances.add(_acceptance(user_id, document, version, moment))

        await self._work.run(write, subject=user_id)

    async def accepted(self, user_id: UUID) -> list[Acceptance]:
        """Return what a person has accepted, the latest first."""
        return await self._store.acceptances.all(user_id)

    async def notices(self, user_id: UUID) -> list[PolicyNotice]:
        """Return what a person was told of and has not acknowledged, the latest first."""
        return await self._store.notices.open_of(user_id)

    async def acknowledge(self, user_id: UUID, notice_id: UUID) -> None:
        """Note that a person has seen a notice. Raises NoticeNotFound (404)."""
        moment = now()
        if not await self._work.run(
            lambda: self._store.notices.acknowledge(user_id, moment, _id=notice_id), subject=user_id
        ):
            raise NoticeNotFound


def _due(document: AcceptedDocument, published: list[PolicyVersion], accepted: str | None) -> Due | None:
    """Return what is due of a document. Args: published: of all documents, the latest first."""
    mine = [each for each in published if each.document == document]
    since = next((each.published_at for each in mine if each.version == accepted), LONG_AGO)
    if any(each.significant and each.published_at > since for each in mine):
        return Due(document, mine[0].version)
    return None


def _acceptance(user_id: UUID, document: AcceptedDocument, version: str, moment: datetime) -> Acceptance:
    return Acceptance(
        id=new_id(),
        user_id=user_id,
        document=document,
        version=version,
        source="account",
        created_at=moment,
    )
