"""What is stored of requests, each field saying what it is."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from libs.common.document import Document, Index, Restored
from libs.common.privacy.annotations import (
    MONTH,
    Basis,
    Operational,
    Personal,
    Purpose,
    Retention,
    SealedAtRest,
    SubjectId,
)
from services.privacy.policies.texts import Language
from services.privacy.requests.kinds import Kind

ZERO = timedelta(0)
ProvenBy = Literal["session", "code", "staff"]
Author = Literal["person", "staff"]

KEPT = Retention("3 years, as long as somebody may ask what was answered", timedelta(days=3 * 365))
"""Source:   GDPR Art. 5(2); § 31(2) OWiG and § 195 BGB: three years."""
Written = Personal("user.content.private", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION, KEPT)
Address = Personal("user.contact.email", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION, KEPT, anothers=True)
"""Of whoever wrote, who may have asked for somebody else: that one's copy does not tell."""
Tongue = Personal("user.demographic.language", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION, KEPT)
Asked = Personal("user.privacy_preferences", Purpose.ACCOUNTABILITY, Basis.LEGAL_OBLIGATION, KEPT)
"""That a request has to be answered, and that we can show it was: GDPR Art. 12, 5(2)."""


class State(StrEnum):
    """Where a request is."""

    UNPROVEN = "unproven"
    """It is about an account, and whose it is is not proven: nothing is disclosed or done."""
    OPEN = "open"
    ACCEPTED = "accepted"
    CLOSED = "closed"


class PersonRequest(Document):
    """One request, from the form to its end.

    `user_id` is the person whose account it is about, and whose key seals it; of who wrote without an account, or has
    not proven whose it is, an id that is nobody else's. `writer_id` is that former id once it is proven, until its
    key is destroyed. `email` was typed; without one auth mails to the account.

    Args:     outcome: what came of it, as a code.
    """

    collection: ClassVar[str] = "requests"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("created_at", -1))),
        Index((("open", -1), ("due_at", 1), ("_id", 1))),
        Index((("remind_at", 1),), partial={"remind_at": {"$type": "date"}}),
        Index((("writer_id", 1),), partial={"writer_id": {"$type": "binData"}}),
        Index((("reference", 1),)),
        Index((("created_at", 1),)),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    writer_id: Operational[UUID | None] = None
    reference: Operational[str]
    kind: Annotated[Kind, Asked]
    state: Operational[State]
    open: Operational[bool] = True
    outcome: Annotated[str | None, Asked] = None
    language: Annotated[Language, Tongue]
    email: Annotated[str | None, Address, SealedAtRest()] = None
    has_account: Operational[bool]
    for_another: Annotated[bool, Asked] = False
    proven_by: Operational[ProvenBy | None] = None
    proven_at: Annotated[datetime | None, Asked] = None
    joined_to: Operational[UUID | None] = None
    created_at: Annotated[datetime, Asked]
    due_at: Operational[datetime]
    extended_at: Operational[datetime | None] = None
    remind_at: Operational[datetime | None] = None
    closed_at: Annotated[datetime | None, Asked] = None


class RequestMessage(Document):
    """Something that was written in a request. Args: by: the operator's id, of what staff wrote."""

    collection: ClassVar[str] = "request_messages"
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("request_id", 1), ("created_at", 1))),
        Index((("user_id", 1),)),
        Index((("created_at", 1),)),
    )

    id: Operational[UUID] = Field(alias="_id")
    request_id: Operational[UUID]
    user_id: SubjectId
    author: Operational[Author]
    by: Operational[str | None] = None
    text: Annotated[str, Written, SealedAtRest(erased="")]
    created_at: Annotated[datetime, Asked]


class RequestLink(Document):
    """The hash of a link's token that was mailed to the address of a request. An expired one is kept to say so."""

    collection: ClassVar[str] = "request_links"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("request_id", 1),)),
        Index((("forgotten_at", 1),), expire_after=ZERO),
    )

    id: Annotated[str, Personal("user.authorization.credentials", Purpose.SECURITY, retention=MONTH)] = Field(
        alias="_id"
    )
    request_id: Operational[UUID]
    user_id: SubjectId
    created_at: Operational[datetime]
    expires_at: Operational[datetime]
    forgotten_at: Operational[datetime]
    sent_at: Operational[datetime | None] = None


class SpentChallenge(Document):
    """A challenge whose work was used: it is not used twice."""

    collection: ClassVar[str] = "spent_challenges"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (Index((("expires_at", 1),), expire_after=ZERO),)

    id: Operational[str] = Field(alias="_id")
    expires_at: Operational[datetime]
