"""What is sent and answered about requests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from libs.common.clock import now
from libs.common.mailing.address import EmailAddress
from services.privacy.policies.texts import Language
from services.privacy.requests.desk import Ending, Ground
from services.privacy.requests.intake import Form
from services.privacy.requests.kinds import Kind
from services.privacy.requests.models import Author, PersonRequest, ProvenBy, RequestMessage, State

LONGEST_PROOF = 4_096


class Input(BaseModel):
    """What a client sends: nothing but what is named."""

    model_config = ConfigDict(extra="forbid")


class RequestIn(Input):
    """The contact form."""

    kind: Kind
    message: str = Field(min_length=1, description="10,000 characters at most")
    language: Language = "en"
    email: EmailAddress | None = Field(
        None, description="where the answer goes, of who is not signed in or asks for somebody else"
    )
    for_another: bool = Field(
        False, description="it is about somebody else's account: staff check it by hand"
    )
    altcha: str | None = Field(
        None,
        max_length=LONGEST_PROOF,
        description="the solved challenge of GET /api/privacy/v1/requests/challenge, of who is not signed in",
    )
    identity_proof: str | None = Field(
        None, max_length=LONGEST_PROOF, description="from POST /api/auth/v1/identity/proofs"
    )

    def form(self) -> Form:
        """Return it in domain words."""
        return Form(self.kind, self.message, self.language, self.email, self.for_another, self.altcha)


class MessageIn(Input):
    """Something more."""

    message: str = Field(min_length=1, description="10,000 characters at most")


class ProofIn(Input):
    """A proof of who asks; without one, a session that was signed in a moment ago proves it."""

    identity_proof: str | None = Field(None, max_length=LONGEST_PROOF)


class ChallengeOut(BaseModel):
    """A challenge, as ALTCHA's widget takes it. Args: signature: without it, it is none of ours."""

    model_config = ConfigDict(extra="allow")

    parameters: dict[str, Any]
    signature: str


class FiledOut(BaseModel):
    """A request was received. A mail with a link follows."""

    request_id: UUID
    reference: str
    state: State
    due_at: datetime

    @classmethod
    def of(cls, case: PersonRequest) -> "FiledOut":
        """Return what whoever filed a request is told; of one that was joined, that it was."""
        return cls(request_id=case.id, reference=case.reference, state=case.state, due_at=case.due_at)


class LinkSentOut(BaseModel):
    """The same answer whether or not there is such a request."""

    status: Literal["check-your-mail"] = "check-your-mail"


class MessageOut(BaseModel):
    """Something that was written. Which operator it was, people are not told."""

    author: Author
    text: str
    created_at: datetime

    @classmethod
    def of(cls, message: RequestMessage) -> "MessageOut":
        """Return a message as its person sees it."""
        return cls.model_validate(message, from_attributes=True)


class RequestSummaryOut(BaseModel):
    """A request in a list. `outcome` says what came of it, `joined_to` which other one it became part of."""

    id: UUID
    reference: str
    kind: Kind
    state: State
    outcome: str | None
    for_another: bool
    created_at: datetime
    due_at: datetime
    extended_at: datetime | None
    closed_at: datetime | None
    joined_to: UUID | None

    @classmethod
    def of(cls, case: PersonRequest) -> "RequestSummaryOut":
        """Return a request as its person sees it in a list."""
        return cls.model_validate(case, from_attributes=True)


class RequestsOut(BaseModel):
    """A person's requests, the newest first."""

    requests: list[RequestSummaryOut]


class RequestOut(RequestSummaryOut):
    """A request with what was written in it."""

    messages: list[MessageOut]

    @classmethod
    def told(cls, case: PersonRequest, messages: Sequence[RequestMessage]) -> "RequestOut":
        """Return a request as its person sees it."""
        summary = RequestSummaryOut.of(case).model_dump()
        return cls(**summary, messages=[MessageOut.of(each) for each in messages])


class StaffSummaryOut(BaseModel):
    """A request in the operators' queue: nothing that says who. `due_soon`: people were reminded of it."""

    id: UUID
    reference: str
    kind: Kind
    state: State
    open: bool
    urgent: bool
    overdue: bool
    due_soon: bool
    outcome: str | None
    has_account: bool
    for_another: bool
    proven_by: ProvenBy | None
    created_at: datetime
    due_at: datetime
    extended_at: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "StaffSummaryOut":
        """Return a row as operators see it."""
        overdue = row["open"] and row["due_at"] <= now()
        due_soon = row["open"] and row["remind_at"] is None and not overdue
        told = {"urgent": Kind(row["kind"]).is_urgent, "overdue": overdue, "due_soon": due_soon}
        return cls(**{**row, **told, "id": row["_id"]})


class StaffMessageOut(MessageOut):
    """Something that was written. Args: by: the operator's id."""

    by: str | None


class StaffRequestOut(RequestSummaryOut):
    """A request as operators see it, with the address that was typed; `user_id` is of who has an account."""

    user_id: UUID | None
    email: str | None
    language: Language
    proven_by: ProvenBy | None
    proven_at: datetime | None
    messages: list[StaffMessageOut]

    @classmethod
    def told(cls, case: PersonRequest, messages: Sequence[RequestMessage]) -> "StaffRequestOut":
        """Return a request as operators see it."""
        shown = {name: getattr(case, name) for name in cls.model_fields if name != "messages"}
        shown["user_id"] = case.user_id if case.has_account else None
        written = [StaffMessageOut.model_validate(each, from_attributes=True) for each in messages]
        return cls(**shown, messages=written)


class AnswerIn(Input):
    """What the person is told. Args: ends_as: how the request ends with it, if it does."""

    message: str = Field(min_length=1, description="10,000 characters at most")
    ends_as: Ending | None = None


class ExtensionIn(Input):
    """Why it takes longer, as the person is told."""

    reason: str = Field(min_length=1)


class IdentityIn(Input):
    """Whose account a request is about, and how that was found out."""

    user_id: UUID
    ground: Ground


class MinorIn(Input):
    """Whose account it is, of whom staff found that they are under 18."""

    user_id: UUID
