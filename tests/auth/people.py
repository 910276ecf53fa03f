"""People who use auth over HTTP, as the tests play them."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from deploy.local.desk.messages import Message, messages
from libs.common.blind_index import BlindIndexes
from libs.common.mongo import Mongo
from libs.common.testing.waiting import eventually
from services.auth.look_ups import LookUps
from services.auth.models import UsernameClaim
from services.auth.privacy import HOLDINGS
from services.auth.repository import Store
from services.auth.service import AuthService

API = "/api/auth/v1"
PASSWORD = "umbrella-Lantern-42"
TERMS = "2026-11-01"
ADDRESS = "203.0.113.7"
DOCUMENTS = {document.collection: document for document in HOLDINGS.documents}
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass
class Person:
    """Somebody with an account, signed in or not."""

    email: str
    username: str
    password: str = PASSWORD
    tokens: dict[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """The header that signs a request in."""
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    @property
    def session_id(self) -> UUID:
        return UUID(self.tokens["session_id"])


def somebody() -> Person:
    """A person whom nobody has seen before."""
    name = f"p{uuid4().hex[:12]}"
    return Person(email=f"{name}@example.com", username=name)


def form(person: Person, **changes: Any) -> dict[str, Any]:
    """What a person fills in to register."""
    filled = {
        "email": person.email,
        "username": person.username,
        "password": person.password,
        "is_adult": True,
    }
    accepted = {"accept_terms_version": TERMS, "accept_policy_version": TERMS}
    return filled | accepted | {"consents": ["personalisation"]} | changes


@dataclass
class Auth:
    """A running auth process, and ways to look behind it."""

    app: FastAPI
    client: httpx.AsyncClient
    mongo: Mongo
    mail: Path

    @property
    def service(self) -> AuthService:
        service = self.app.state.parts.service
        assert isinstance(service, AuthService)
        return service

    async def post(self, path: str, body: dict[str, Any], person: Person | None = None) -> httpx.Response:
        headers = person.headers if person else {}
        return await self.client.post(API + path, json=body, headers=headers)

    async def get(self, path: str, person: Person) -> httpx.Response:
        return await self.client.get(API + path, headers=person.headers)

    async def patch(self, path: str, body: dict[str, Any], person: Person) -> httpx.Response:
        return await self.client.patch(API + path, json=body, headers=person.headers)

    async def delete(self, path: str, person: Person, body: dict[str, Any] | None = None) -> httpx.Response:
        return await self.client.request("DELETE", API + path, json=body, headers=person.headers)

    async def mails(self, email: str, count: int = 1) -> list[Message]:
        """The mails that a person got, oldest first, once there are so many."""

        async def look() -> list[Message]:
            found = list(messages(self.mail, to=email))[::-1]
            return found if len(found) >= count else []

        return await eventually(look, within_s=30)  # the first of a fresh broker waits for its groups

    async def verification_token(self, email: str, count: int = 1) -> str:
        """The token in a person's latest mail."""
        return token_in((await self.mails(email, count))[-1])

    async def registered(self, **changes: Any) -> Person:
        person = somebody()
        answer = await self.post("/users", form(person, **changes))
        assert answer.status_code == 202, answer.text
        return person

    async def verified(self, **changes: Any) -> Person:
        person = await self.registered(**changes)
        token = await self.verification_token(person.email)
        answer = await self.post("/users/verify", {"token": token})
        assert answer.status_code == 200, answer.text
        return person

    async def sign_in(self, person: Person, **headers: str) -> httpx.Response:
        body = {"login": person.email, "password": person.password}
        answer = await self.client.post(f"{API}/sessions", json=body, headers=headers)
        if answer.status_code == 201:
            person.tokens = answer.json()
        return answer

    async def signed_in(self, **changes: Any) -> Person:
        person = await self.verified(**changes)
        answer = await self.sign_in(person)
        assert answer.status_code == 201, answer.text
        return person

    @property
    def look_ups(self) -> LookUps:
        """The keys that accounts and names are found by."""
        key = self.service.settings.blind_index_key
        assert key is not None
        return LookUps(BlindIndexes(key))

    @property
    def store(self) -> Store:
        return Store.of(self.mongo, self.look_ups)

    async def rows(self, collection: str, **query: Any) -> list[dict[str, Any]]:
        """The rows that match, opened. Args: query: `email` and `username` as they were typed."""
        if "email" in query:
            query["email_key"] = self.look_ups.email(query.pop("email"))
        if "username" in query:
            key = "_id" if collection == UsernameClaim.collection else "username_key"
            query[key] = self.look_ups.username(query.pop("username"))
        return await self.mongo.collection(DOCUMENTS.get(collection, collection)).find(query)

    async def user_id(self, person: Person) -> UUID:
        user_id = (await self.rows("users", email=person.email))[0]["_id"]
        assert isinstance(user_id, UUID)
        return user_id


def token_in(mail: Message) -> str:
    """The token that a mail holds on a line of its own."""
    (token,) = filter(TOKEN.fullmatch, mail.text.splitlines())
    return token


def problem(answer: httpx.Response, status: int) -> str:
    """The code of the problem document that an answer must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    code = answer.json()["code"]
    assert isinstance(code, str)
    return code
