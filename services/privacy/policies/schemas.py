"""What privacy answers about policies. Nothing of it is about a person."""

import hashlib
from dataclasses import asdict
from datetime import datetime
from html import escape
from typing import Self

from pydantic import BaseModel, Field

from libs.common.device_storage import ON_THE_DEVICE, Store
from services.privacy.policies.models import PolicyPublication
from services.privacy.policies.publishing import Standing
from services.privacy.policies.reading import as_html
from services.privacy.policies.texts import ORIGINAL, DocumentName, Language, Text


class PolicyOut(BaseModel):
    """A published version of a document."""

    document: DocumentName
    version: str
    date: str
    significant: bool = Field(description="people were told of it, and asked to accept it")
    published_at: datetime
    languages: list[Language]
    original: Language = Field(ORIGINAL, description="the language that counts where a translation differs")
    sha256: dict[Language, str] = Field(description="of each language's file, as it was published")

    @classmethod
    def of(cls, publication: PolicyPublication) -> Self:
        """Return it as everybody sees it."""
        return cls(
            document=publication.document,
            version=publication.version,
            date=publication.date,
            significant=publication.significant,
            published_at=publication.published_at,
            languages=list(publication.texts),
            sha256={
                name: hashlib.sha256(text.encode()).hexdigest() for name, text in publication.texts.items()
            },
        )


class PoliciesOut(BaseModel):
    """The version of each document that is in force."""

    current: list[PolicyOut]


class PolicyVersionsOut(BaseModel):
    """All published versions of a document; the first one is in force."""

    versions: list[PolicyOut]


class PolicyTextOut(BaseModel):
    """A published version in one language."""

    document: DocumentName
    version: str
    language: Language
    date: str
    published_at: datetime
    title: str
    markdown: str
    html: str = Field(description="the same, for a page; it holds headings, paragraphs, lists and links")

    @classmethod
    def of(cls, publication: PolicyPublication, text: Text) -> Self:
        """Return it as everybody reads it."""
        return cls(
            document=publication.document,
            version=publication.version,
            language=text.front.language,
            date=publication.date,
            published_at=publication.published_at,
            title=text.sections[0].heading,
            markdown=text.body,
            html=as_html(text.body),
        )

    @property
    def page(self) -> str:
        """Return it as a page by itself, for whoever follows the link in a mail."""
        head = f'<meta charset="utf-8"><title>Pixera: {escape(self.title)}</title>'
        return f'<!doctype html>\n<html lang="{self.language}"><head>{head}</head><body>\n{self.html}</body></html>\n'


class KeptOut(BaseModel):
    """Something that is kept on a person's device."""

    name: str = Field(description="of the cookie, or the key in the local storage")
    store: Store
    about: str = Field(description="the policy's word for it")
    what: str
    lasts: str


class DeviceStorageOut(BaseModel):
    """All that is kept on a person's device."""

    kept: list[KeptOut]

    @classmethod
    def all(cls) -> Self:
        """Return what is declared."""
        return cls(kept=[KeptOut(**asdict(each)) for each in ON_THE_DEVICE])


class PolicyStandingOut(BaseModel):
    """How a version stands, for operators."""

    document: DocumentName
    version: str
    date: str
    significant: bool
    state: str = Field(description="draft, current or superseded")
    altered: bool = Field(description="its files are not what was published: people see what was published")
    published_at: datetime | None
    published_by: str | None

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """Return it as operators see it."""
        published = standing.publication
        return cls(
            document=standing.document,
            version=standing.version,
            date=standing.date,
            significant=standing.significant,
            state="current" if standing.current else "superseded" if published else "draft",
            altered=standing.altered,
            published_at=published.published_at if published else None,
            published_by=published.published_by if published else None,
        )


class PolicyStandingsOut(BaseModel):
    """Every version that is written or published."""

    versions: list[PolicyStandingOut]
