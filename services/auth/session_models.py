"""What auth stores of sign-ins, and of proofs of who asks, each field saying what it is."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from libs.common.document import Document, Index, Restored
from libs.common.privacy.annotations import (
    DAY,
    MONTH,
    QUARTER,
    Basis,
    BlindIndex,
    ChosenPurpose,
    Operational,
    Personal,
    Purpose,
    SealedAtRest,
    SubjectId,
)
from services.auth.models import ZERO

Device = Personal(
    "user.device",
    basis=Basis.LEGITIMATE_INTERESTS,
    retention=QUARTER,
    chosen=ChosenPurpose.SESSION_DEVICES,
)
IpAddress = Personal("user.device.ip_address", Purpose.SECURITY, Basis.LEGITIMATE_INTERESTS, MONTH)
NETWORK_INDEX = BlindIndex("auth.network")


class Session(Document):
    """One sign-in on one device, with its technical data. Its id is the family of its refresh tokens.

    `network` is a blind index of the network part of `ip`, bound to the person: it tells only whether they have been
    there before.
    """

    collection: ClassVar[str] = "sessions"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("created_at", -1))),
        Index((("user_id", 1), ("network", 1))),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    ip: Annotated[str | None, IpAddress, SealedAtRest()] = None
    network: Annotated[str | None, IpAddress, NETWORK_INDEX] = None
    user_agent: Annotated[str | None, Device, SealedAtRest()] = None
    created_at: Annotated[
        datetime, Personal("user.behavior", Purpose.SECURITY, Basis.LEGITIMATE_INTERESTS, QUARTER)
    ]
    last_used_at: Annotated[
        datetime, Personal("user.behavior", Purpose.SECURITY, Basis.LEGITIMATE_INTERESTS, QUARTER)
    ]
    expires_at: Operational[datetime]
    ended_at: Operational[datetime | None] = None
    ended_reason: Operational[str | None] = None


class RefreshToken(Document):
    """The hash of one refresh token. A used one is kept until it expires, so that a second use is noticed."""

    collection: ClassVar[str] = "refresh_tokens"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1), ("session_id", 1))),
        Index((("expires_at", 1),), expire_after=ZERO),
    )

    id: Annotated[str, Personal("user.authorization.credentials", Purpose.SECURITY, retention=MONTH)] = Field(
        alias="_id"
    )
    user_id: SubjectId
    session_id: Operational[UUID]
    created_at: Operational[datetime]
    expires_at: Operational[datetime]
    used_at: Operational[datetime | None] = None


class IdentityCode(Document):
    """A challenge to prove who asks, and the keyed hash of the code that was mailed for it last.

    `tries` counts every one, the right one too. It goes once it is used, or expires.
    """

    collection: ClassVar[str] = "identity_codes"
    restored: ClassVar[Restored] = Restored.ANEW
    indexes: ClassVar[tuple[Index, ...]] = (
        Index((("user_id", 1),)),
        Index((("expires_at", 1),), expire_after=ZERO),
    )

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    code_hash: Annotated[
        str | None, Personal("user.authorization.credentials", Purpose.SECURITY, retention=DAY)
    ] = None
    tries: Operational[int] = 0
    created_at: Operational[datetime]
    expires_at: Operational[datetime]
