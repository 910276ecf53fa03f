"""Somebody who writes to us signed out, as the platform sees them: a form, the mails that come, and their links."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import altcha
import httpx

from demo.person import eventually

Json = dict[str, Any]

REQUESTS, IDENTITY = "/api/privacy/v1/requests", "/api/auth/v1/identity"
LINK = re.compile(r"/requests/([0-9a-f-]{36})#([\w-]{43})")
CODE = re.compile(r"^(\d{8})\r?$", re.MULTILINE)


@dataclass
class Writer:
    """Somebody without a session. Args: link: the header of the last link that was mailed."""

    http: httpx.AsyncClient
    email: str
    link: dict[str, str] = field(default_factory=dict)

    async def file(self, kind: str, message: str) -> str:
        """Fill in the contact form, with its work done; return the request's id."""
        challenge = altcha.Challenge.from_dict(await self._said("GET", f"{REQUESTS}/challenge"))
        solution = await asyncio.to_thread(altcha.solve_challenge, challenge)
        assert solution is not None
        work = altcha.Payload(challenge, solution).to_base64()
        form = {"kind": kind, "message": message, "email": self.email, "altcha": work}
        made = await self._said("POST", REQUESTS, json=form)
        request_id = str(made["request_id"])
        token = await eventually("the mail with the link", lambda: self._mailed(LINK, request_id))
        self.link = {"X-Request-Token": token}
        return request_id

    async def read(self, request_id: str) -> Json:
        """Read a request by its mailed link."""
        read: Json = await self._said("GET", f"{REQUESTS}/{request_id}", headers=self.link)
        return read

    async def prove(self, request_id: str) -> Json:
        """Prove by a mailed code that the account of the address is theirs; return what became of the request."""
        asked = await self._said("POST", f"{IDENTITY}/codes", json={"email": self.email})
        code = await eventually("the mail with the code", lambda: self._mailed(CODE))
        given = {"challenge_id": asked["challenge_id"], "code": code}
        proof = await self._said("POST", f"{IDENTITY}/proofs", json=given)
        path = f"{REQUESTS}/{request_id}/identity"
        body = {"identity_proof": proof["identity_proof"]}
        proven: Json = await self._said("POST", path, json=body, headers=self.link)
        return proven

    async def subjects(self) -> list[str]:
        """Return what the mails to the address are about, the newest first."""
        return [mail["subject"] for mail in await self._mails()]

    async def _mailed(self, what: re.Pattern[str], *of: str) -> str | None:
        """Return the last group of what a mail holds, where the groups before it are as given."""
        found = (what.search(mail["text"]) for mail in await self._mails())
        return next((each.groups()[-1] for each in found if each and each.groups()[:-1] == of), None)

    async def _mails(self) -> list[Json]:
        mails: list[Json] = await self._said("GET", "/mail/api/messages", params={"to": self.email})
        return mails

    async def _said(self, method: str, path: str, **how: Any) -> Any:
        answer = await self.http.request(method, path, **how)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()
