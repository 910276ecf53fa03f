"""Accounts, their names, what their people accepted, and the tokens that verify their addresses."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.mongo import DuplicateKeyError, Mongo
from services.auth.agreement_models import Acceptance, AcceptedDocument
from services.auth.errors import AddressTaken, UsernameTaken
from services.auth.look_ups import LookUps
from services.auth.models import PendingRegistration, Status, User, UsernameClaim, VerificationToken

MOST_AT_ONCE = 100
KNOWN = dict.fromkeys(("status", "username_key", "password_hash"), 1)


@dataclass(frozen=True, slots=True)
class Known:
    """What an address or a username is looked up for.

    Nothing of it is sealed: the look-up takes no longer where there is an account, and less time for everybody.
    """

    id: UUID
    status: Status
    username_key: str
    password_hash: str


@dataclass(frozen=True, slots=True)
class Due:
    """An account that is due to be closed.

    Nothing of it is sealed: one whose address nobody can open is closed like any other.
    """

    id: UUID
    status: Status
    case_id: UUID | None


class Users:
    """The collection `users`. The owner is the row itself."""

    def __init__(self, mongo: Mongo, look_ups: LookUps) -> None:
        self._rows, self._look_ups = mongo.collection(User), look_ups

    async def add(self, user: User) -> None:
        """Store a new account.

        Raises:   AddressTaken: another one has the address.
        """
        try:
            await self._rows.insert_one(user.to_mongo())
        except DuplicateKeyError as error:
            raise AddressTaken from error

    async def get(self, user_id: UUID) -> User | None:
        """Return an account that is not deleted."""
        return _user(await self._rows.find_one({"_id": user_id, "status": {"$ne": Status.DELETED}}))

    async def by_email(self, email: str) -> Known | None:
        """Return what is known of the account that has an address."""
        return await self._known({"email_key": self._look_ups.email(email)})

    async def by_username(self, username: str) -> Known | None:
        """Return what is known of the account that has a username."""
        return await self._known({"username_key": self._look_ups.username(username)})

    def unverified_since(self, before: datetime) -> AsyncIterator[Due]:
        """Yield the accounts that were opened before a moment and never verified, oldest first."""
        return self._due({"status": Status.UNVERIFIED, "created_at": {"$lt": before}}, by="created_at")

    def due(self, at: datetime) -> AsyncIterator[Due]:
        """Yield the hidden accounts whose time to come back has ended, the longest ago first."""
        return self._due({"status": Status.HIDDEN, "erased_from": {"$lte": at}}, by="erased_from")

    async def turn(
        self, user_id: UUID, *, only: Status, having: dict[str, Any] | None = None, **fields: Any
    ) -> User | None:
        """Change an account's standing and count it; return the account, None where it was not as expected."""
        query = {**(having or {}), "_id": user_id, "status": only}
        return _user(await self._rows.find_one_and_update(query, {"$set": fields, "$inc": {"standings": 1}}))

    async def change(
        self,
        user_id: UUID,
        *,
        only: Status = Status.ACTIVE,
        having: dict[str, Any] | None = None,
        **fields: Any,
    ) -> bool:
        """Set fields of an account that has a status, and what else is expected; tell whether there is one.

        Raises:   UsernameTaken: the fields hold a username that another account has.
        """
        query = {**(having or {}), "_id": user_id, "status": only}
        try:
            return bool(await self._rows.update_one(query, {"$set": fields}))
        except DuplicateKeyError as error:
            raise UsernameTaken from error

    async def _due(self, query: dict[str, Any], *, by: str) -> AsyncIterator[Due]:
        wanted = dict.fromkeys(("status", "case_id", by), 1)
        async for page in self._rows.pages(query, by=by, size=MOST_AT_ONCE, projection=wanted):
            for row in page:
                yield Due(row["_id"], Status(row["status"]), row.get("case_id"))

    async def _known(self, query: dict[str, Any]) -> Known | None:
        row = await self._rows.find_one(query, projection=KNOWN)
        if row is None:
            return None
        return Known(row["_id"], Status(row["status"]), row["username_key"], row["password_hash"])


class Usernames:
    """The collection `usernames`: who may call themselves what."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(UsernameClaim)

    async def claim(self, claim: UsernameClaim, *, at_most: int = 0) -> None:
        """Take a name for an account, in an open transaction. An unfirm claim of its own is renewed.

        Args:     at_most: an account that holds so many names unfirmly gets no further one, without a word; 0: any.
        Raises:   UsernameTaken: it is another's, or this account's for good.
        """
        mine = {"_id": claim.id, "user_id": claim.user_id, "firm": False}
        renewed = {"firm": claim.firm, "held_until": claim.held_until}
        if await self._rows.update_one(mine, {"$set": renewed}):
            return
        if await self._rows.find_one({"_id": claim.id}, projection={"_id": 1}):
            raise UsernameTaken
        unfirm = {"user_id": claim.user_id, "firm": False}
        if at_most and await self._rows.count(unfirm, limit=at_most) == at_most:
            return
        try:
            await self._rows.insert_one(claim.to_mongo())
        except DuplicateKeyError as error:
            raise UsernameTaken from error

    async def hold_others(self, user_id: UUID, keep: str, until: datetime) -> None:
        """Let an account's unfirm claims run out, except one."""
        others = {"user_id": user_id, "firm": False, "_id": {"$ne": keep}, "held_until": None}
        await self._rows.update_many(others, {"$set": {"held_until": until}})

    async def release(self, user_id: UUID, username_key: str | None = None) -> None:
        """Give a name of an account free, or all of them."""
        name = {} if username_key is None else {"_id": username_key}
        await self._rows.delete_many({"user_id": user_id, **name})


class Acceptances:
    """The collection `acceptances`: written once, never changed."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(Acceptance)

    async def add(self, *acceptances: Acceptance) -> None:
        """Record what a person stated or accepted."""
        await self._rows.insert_many([acceptance.to_mongo() for acceptance in acceptances])

    async def all(self, user_id: UUID) -> list[Acceptance]:
        """Return what a person stated or accepted, the latest first."""
        rows = await self._rows.find({"user_id": user_id}, sort=[("created_at", -1)])
        return [Acceptance.from_mongo(row) for row in rows]

    async def latest(self, user_id: UUID) -> dict[str, str]:
        """Return the version that a person accepted last, by document."""
        return {each.document: each.version for each in reversed(await self.all(user_id))}

    async def among(self, people: Iterable[UUID], document: AcceptedDocument, version: str) -> set[UUID]:
        """Return those people who accepted a version."""
        query = {"user_id": {"$in": list(people)}, "document": document, "version": version}
        return set(await self._rows.distinct("user_id", query))


class PendingRegistrations:
    """The collection `registrations`: what people typed who have not verified their address yet."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(PendingRegistration)

    async def add(self, registration: PendingRegistration) -> None:
        """Store a registration that a mail is sent for."""
        await self._rows.insert_one(registration.to_mongo())

    async def get(self, user_id: UUID, registration_id: UUID) -> PendingRegistration | None:
        """Return a registration of an account."""
        row = await self._rows.find_one({"_id": registration_id, "user_id": user_id})
        return PendingRegistration.from_mongo(row) if row else None

    async def only_one(self, user_id: UUID) -> PendingRegistration | None:
        """Return the registration of an account where there is exactly one."""
        rows = await self._rows.find({"user_id": user_id}, limit=2)
        return PendingRegistration.from_mongo(rows[0]) if len(rows) == 1 else None

    async def remove_all(self, user_id: UUID) -> None:
        """Make every registration of an account void."""
        await self._rows.delete_many({"user_id": user_id})


class VerificationTokens:
    """The collection `verification_tokens`. Whoever has the token is its owner: it is found by its hash."""

    def __init__(self, mongo: Mongo) -> None:
        self._rows = mongo.collection(VerificationToken)

    async def add(self, token: VerificationToken) -> None:
        """Store the hash of a token that is about to be mailed."""
        await self._rows.insert_one(token.to_mongo())

    async def find(self, token_hash: str, now: datetime) -> VerificationToken | None:
        """Return a token that has not expired."""
        row = await self._rows.find_one({"_id": token_hash, "expires_at": {"$gt": now}})
        return VerificationToken.from_mongo(row) if row else None

    async def mark_sent(self, user_id: UUID, token_hash: str, at: datetime) -> None:
        """Note that the mail server took the mail."""
        await self._rows.update_one({"_id": token_hash, "user_id": user_id}, {"$set": {"sent_at": at}})

    async def remove_all(self, user_id: UUID) -> None:
        """Make every token of an account void."""
        await self._rows.delete_many({"user_id": user_id})


def _user(row: dict[str, Any] | None) -> User | None:
    return User.from_mongo(row) if row else None
