"""What is stored of the policy and the terms: each version, as it was published."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from libs.common.document import Document, Index
from libs.common.privacy.annotations import Operational
from services.privacy.policies.texts import DocumentName, Language


class PolicyPublication(Document):
    """A published version of the policy or the terms, as people were shown it: whatever becomes of its files.

    `texts` are the files by language, byte for byte; `published_by` is an operator's opaque id, or the platform.
    """

    collection: ClassVar[str] = "policy_publications"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("document", 1), ("published_at", -1))),)

    id: Operational[str] = Field(alias="_id")
    document: Operational[DocumentName]
    version: Operational[str]
    date: Operational[str]
    significant: Operational[bool]
    texts: Operational[dict[Language, str]]
    published_at: Operational[datetime]
    published_by: Operational[str]
