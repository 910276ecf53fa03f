"""Publication: a version takes effect at once, is recorded in the audit ledger, and announced."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import get_args

from libs.common.audit import SYSTEM, Audit
from libs.common.clock import now
from libs.common.events.privacy import PolicyPublishedV1
from libs.common.work import UnitOfWork
from services.privacy.errors import PolicyOutdated, PolicyPublished, PolicyUnknown
from services.privacy.policies.models import PolicyPublication
from services.privacy.policies.rows import PolicyRows
from services.privacy.policies.texts import DocumentName, Language, Text, Version, parse, versions

DOCUMENTS: tuple[DocumentName, ...] = get_args(DocumentName)
BY_STAFF, FIRST = "by-staff", "first-version"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a version stands. Args: written: there are files of it; altered: they are not what was published."""

    document: DocumentName
    version: str
    date: str
    significant: bool
    written: bool
    publication: PolicyPublication | None
    altered: bool
    current: bool


class Policies:
    """The versions: which there are, which are in force, and publishing one."""

    def __init__(self, rows: PolicyRows, work: UnitOfWork, audit: Audit) -> None:
        self._rows, self._work, self._audit = rows, work, audit

    async def publish(self, document: DocumentName, version: str, actor: str) -> PolicyPublication:
        """Publish a version that there are files of.

        Raises:   PolicyUnknown (404); PolicyPublished (409); PolicyOutdated (409): it is older than the one in force.
        Effects:  policy.published; policy.published in the audit ledger.
        """
        written = _written(document, version)
        if written is None:
            raise PolicyUnknown

        async def write() -> PolicyPublication:
            current = await self._rows.current(document)
            if current is not None and current.version != version and current.date > written.date.isoformat():
                raise PolicyOutdated(
                    f"{current.version} is in force, of {current.date}", current=current.version
                )
            return await self._publish(written, actor, BY_STAFF)

        return await self._work.run(write)

    async def ensure_first(self) -> None:
        """Publish the oldest version of each document that has none in force; nobody is told of a first one."""
        for document in DOCUMENTS:
            oldest = next(each for each in versions() if each.document == document)
            if await self._rows.current(document) is None:
                with suppress(PolicyPublished):  # another process was faster
                    await self._work.run(lambda: self._publish(oldest, SYSTEM, FIRST))  # noqa: B023 - awaited here

    async def current(self) -> list[PolicyPublication]:
        """Return the version of each document that is in force."""
        found = [await self._rows.current(document) for document in DOCUMENTS]
        return [each for each in found if each is not None]

    async def published(self, document: DocumentName) -> list[PolicyPublication]:
        """Return a document's published versions, the latest, which is in force, first."""
        return await self._rows.of(document)

    async def text(
        self, document: DocumentName, version: str, language: Language
    ) -> tuple[PolicyPublication, Text]:
        """Return a published version in a language. Raises PolicyUnknown (404)."""
        publication = await self._rows.get(f"{document}:{version}")
        if publication is None:
            raise PolicyUnknown
        return publication, parse(publication.texts[language])

    async def in_force(self, document: DocumentName) -> tuple[PolicyPublication, dict[Language, Text]]:
        """Return the version in force, in all its languages. Raises PolicyUnknown (404): none was published yet."""
        publication = await self._rows.current(document)
        if publication is None:
            raise PolicyUnknown
        return publication, {name: parse(text) for name, text in publication.texts.items()}

    async def standings(self) -> list[Standing]:
        """Return how every version stands, published or only written, by document and date."""
        return [standing for document in DOCUMENTS for standing in await self._standings(document)]

    async def _publish(self, written: Version, actor: str, ground: str) -> PolicyPublication:
        """Store and announce a version, in an open transaction."""
        publication = PolicyPublication(
            id=written.id,
            document=written.document,
            version=written.version,
            date=written.date.isoformat(),
            significant=written.significant and ground != FIRST,
            texts={language: text.source for language, text in written.texts.items()},
            published_at=now(),
            published_by=actor,
        )
        await self._rows.add(publication)
        await self._audit.record("policy.published", actor=actor, ground=ground, target=written.id)
        await self._work.outbox.add(
            PolicyPublishedV1(
                document=written.document,
                document_version=written.version,
                significant=publication.significant,
                published_at=publication.published_at,
            )
        )
        return publication

    async def _standings(self, document: DocumentName) -> list[Standing]:
        published = await self._rows.of(document)
        written = {each.version: each for each in versions() if each.document == document}
        current = published[0].version if published else None
        by_version = {each.version: each for each in published}
        found = [
            _standing(document, name, written.get(name), by_version.get(name), current=name == current)
            for name in written.keys() | by_version.keys()
        ]
        return sorted(found, key=lambda standing: (standing.date, standing.version))


def _written(document: DocumentName, version: str) -> Version | None:
    return next((each for each in versions() if each.id == f"{document}:{version}"), None)


def _standing(
    document: DocumentName,
    version: str,
    written: Version | None,
    publication: PolicyPublication | None,
    *,
    current: bool,
) -> Standing:
    said = publication or written
    if said is None:
        raise TypeError("a version is written or published")
    return Standing(
        document=document,
        version=version,
        date=str(said.date),
        significant=said.significant,
        written=written is not None,
        publication=publication,
        altered=bool(written and publication and dict(_sources(written)) != publication.texts),
        current=current,
    )


def _sources(written: Version) -> Iterator[tuple[Language, str]]:
    return ((language, text.source) for language, text in written.texts.items())
