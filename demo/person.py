"""A person, as the platform sees one: through the gateway, over HTTP, and nothing else."""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import httpx

Json = dict[str, Any]

PATIENCE_S = 60.0
RENEWED_BEFORE_S = 30.0
"""How long before a session's token ends somebody gets the next one."""
EXPORTS = "/api/privacy/v1/exports"
COPY_READY = "Your data is ready"
FINAL = {"completed", "failed", "cancelled", "declined"}


class NotInTime(AssertionError):
    """Something that should have happened did not, within the time it may take."""


async def eventually(what: str, look: Callable[[], Awaitable[Any]], patience_s: float = PATIENCE_S) -> Any:
    """Return the first truthy answer of `look`; a gateway that is down for a moment is asked again.

    Raises:   NotInTime.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    while asyncio.get_running_loop().time() < deadline:
        with suppress(httpx.TransportError):
            if found := await look():
                return found
        await asyncio.sleep(0.1)
    raise NotInTime(f"{what}: not within {patience_s:.0f} s")


@dataclass
class Person:
    """Somebody with an account: what they typed, what they were given, and their session."""

    http: httpx.AsyncClient
    email: str
    username: str
    password: str
    device: str
    token: str = ""
    refresh_token: str = ""
    renew_at: float = math.inf
    user_id: str = ""
    image_ids: list[str] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the platform, signed in where there is a session; a refused rate waits and tries again."""
        if time.monotonic() > self.renew_at:
            await self._renew()
        headers = {"User-Agent": self.device} | options.pop("headers", {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        while True:
            answer = await self.http.request(method, path, headers=headers, **options)
            if answer.status_code not in (429, 503):
                return answer
            await asyncio.sleep(float(answer.headers.get("Retry-After", 0.5)))

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """Call the platform and return what it answered. Raises where it refused."""
        answer = await self.call(method, path, **options)
        if answer.is_error:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    async def sign_up(self) -> None:
        """Register, follow the mail, and sign in."""
        terms = await self.ask("GET", "/api/auth/v1/terms")
        await self.ask(
            "POST",
            "/api/auth/v1/users",
            json={
                "email": self.email,
                "username": self.username,
                "password": self.password,
                "is_adult": True,
                "accept_terms_version": terms["terms_version"],
                "accept_policy_version": terms["policy_version"],
            },
        )
        token = await eventually("the verification mail", self._mailed_token)
        await self.ask("POST", "/api/auth/v1/users/verify", json={"token": token})
        await self.sign_in()

    async def sign_in(self) -> None:
        """Open a session."""
        session = await self.ask(
            "POST", "/api/auth/v1/sessions", json={"login": self.email, "password": self.password}
        )
        self._keep(session)
        self.user_id = (await self.ask("GET", "/api/auth/v1/me"))["id"]

    async def _renew(self) -> None:
        self.renew_at = math.inf
        refreshing = {"refresh_token": self.refresh_token}
        self._keep(await self.ask("POST", "/api/auth/v1/sessions/refresh", json=refreshing))

    def _keep(self, session: Json) -> None:
        self.token, self.refresh_token = session["access_token"], session["refresh_token"]
        self.renew_at = time.monotonic() + session["expires_in"] - RENEWED_BEFORE_S

    async def _mailed_token(self) -> str | None:
        mails = await self.ask("GET", "/mail/api/messages", params={"to": self.email})
        for mail in mails:
            if found := re.search(r"verify#([\w-]+)", mail["text"]):
                return found[1]
        return None

    async def upload(self, photograph: bytes, caption: str, file_name: str) -> Json:
        """Send a photograph straight to the object store, and have it taken in."""
        asked = {"media_type": "image/jpeg", "size_bytes": len(photograph), "caption": caption}
        form = await self.ask("POST", "/api/gallery/v1/uploads", json=asked)
        sent = await self.http.post(
            form["url"],
            data=form["fields"],
            files={"file": (file_name, photograph, "image/jpeg")},
            headers={"User-Agent": self.device},
        )
        if sent.is_error:
            raise AssertionError(f"the store refused the upload: {sent.status_code} {sent.text[:300]}")
        image: Json = await self.ask("POST", f"/api/gallery/v1/uploads/{form['upload_id']}/complete")
        self.image_ids.append(image["id"])
        self.captions.append(caption)
        return image

    async def edit_caption(self, image_id: str, caption: str) -> None:
        """Write another caption under an image."""
        await self.ask("PATCH", f"/api/gallery/v1/images/{image_id}", json={"caption": caption})
        self.captions.append(caption)

    async def images(self) -> list[Json]:
        """Return every image of the gallery, page by page."""
        return [image async for image in self._pages("/api/gallery/v1/images")]

    async def _pages(self, path: str) -> AsyncIterator[Json]:
        cursor: str | None = None
        while True:
            page = await self.ask("GET", path, params={"limit": 50} | ({"cursor": cursor} if cursor else {}))
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if not cursor:
                return

    async def download(self, image_id: str) -> bytes:
        """Return an image's bytes, by the link the platform gives."""
        link = await self.call("GET", f"/api/gallery/v1/images/{image_id}/download", follow_redirects=False)
        if not link.is_redirect:
            raise AssertionError(f"no download: {link.status_code} {link.text[:300]}")
        target = urljoin(str(link.url), link.headers["Location"])
        return (await self.http.get(target)).raise_for_status().content

    async def generate(self, prompt: str, **how: Any) -> Json:
        """Ask for images."""
        job: Json = await self.ask("POST", "/api/generation/v1/jobs", json={"prompt": prompt} | how)
        self.job_ids.append(job["id"])
        self.prompts.append(prompt)
        return job

    async def finished(self, job_id: str) -> Json:
        """Return a job once it has come to its end."""

        async def look() -> Json | None:
            job: Json = await self.ask("GET", f"/api/generation/v1/jobs/{job_id}")
            return job if job["state"] in FINAL else None

        job: Json = await eventually(f"the end of job {job_id}", look)
        return job

    async def buy(self, package: str) -> Json:
        """Buy credits on the provider's page, and return the payment once it is confirmed."""
        checkout = await self.ask("POST", "/api/billing/v1/checkouts", json={"package": package})
        page = urljoin(str(self.http.base_url), checkout["checkout_url"])
        paid = await self.http.post(page, data={"outcome": "approve"}, headers={"User-Agent": self.device})
        if paid.status_code >= 400:
            raise AssertionError(f"the provider refused: {paid.status_code} {paid.text[:300]}")

        async def look() -> Json | None:
            payment: Json = await self.ask("GET", f"/api/billing/v1/payments/{checkout['payment_id']}")
            return payment if payment["state"] == "completed" else None

        payment: Json = await eventually("the payment's confirmation", look)
        return payment

    async def balance(self) -> Json:
        """Return the credits there are."""
        balance: Json = await self.ask("GET", "/api/billing/v1/balance")
        return balance

    async def decide(self, purpose: str, state: str) -> None:
        """Say yes or no to a purpose."""
        await self.ask("PUT", f"/api/auth/v1/me/consents/{purpose}", json={"state": state})

    async def theme(self, wanted: str | None = None) -> str:
        """Return the theme that the account keeps, set before where one is wanted."""
        how: Json = {"json": {"theme": wanted}} if wanted else {}
        profile: Json = await self.ask("PATCH" if wanted else "GET", "/api/auth/v1/me", **how)
        return str(profile["theme"])

    async def take_along(self) -> bytes:
        """Ask for a copy of everything, wait for the mail that it is there, and return it."""
        export = await self.ask("POST", EXPORTS)
        await eventually("the mail that the copy is ready", lambda: self._mailed(COPY_READY))
        answer = await self.call("GET", f"{EXPORTS}/{export['export_id']}/archive")
        return answer.raise_for_status().content

    async def _mailed(self, subject: str) -> bool:
        mails = await self.ask("GET", "/mail/api/messages", params={"to": self.email})
        return any(subject in mail["subject"] for mail in mails)

    async def delete_account(self) -> Json:
        """Delete the account, the password given again; return the case to follow."""
        case: Json = await self.ask(
            "DELETE", "/api/auth/v1/me", json={"password": self.password, "now": True}
        )
        self.renew_at = math.inf
        return case
