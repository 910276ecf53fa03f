"""What auth stores of operators, who have nothing to do with people."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.document import Document, Index, Restored
from libs.common.privacy.annotations import (
    Basis,
    Ends,
    Operational,
    Personal,
    Purpose,
    Retention,
    SubjectId,
)
from services.auth.models import ZERO, Account, PasswordHash

Operator = Personal(
    "user.account.username",
    Purpose.SECURITY,
    Basis.LEGITIMATE_INTERESTS,
    Retention("as long as the audit ledger names the operator by their id", ends=Ends.PROOF),
)


class StaffAccount(Document):
    """An operator's account, which has nothing to do with people's: neither can become the other.

    A disabled one stays, so that the audit ledger's ids keep meaning somebody.
    """

    collection: ClassVar[str] = "staff"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("name_key", 1),), unique=True),)

    id: SubjectId = Field(alias="_id")
    name: Annotated[str, Operator]
    name_key: Annotated[str, Operator]
    password_hash: Annotated[str, PasswordHash]
    created_at: Annotated[datetime, Account]
    signed_in_at: Annotated[datetime | None, Account] = None
    disabled_at: Operational[datetime | None] = None


class StaffSession(Document):
    """One sign-in of an operator: as long as its only access token, so that it can be ended before."""

    collection: ClassVar[str] = "staff_sessions"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("expires_at", 1),), expire_after=ZERO),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    expires_at: Operational[datetime]
