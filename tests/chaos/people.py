"""What a person does: through the gateway as everybody, and not put off by what breaks on the way."""

import asyncio
import io
import json
import random
import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

from PIL import Image

from tests.chaos.client import POLL_S, Client, Json, subject_of
from tests.chaos.history import Cast, Operation, Outcome, began, digest

TINY = 24
"""Pixels of an uploaded picture's side."""


def cast(name: str) -> Cast:
    """Return somebody of that name whose words are like nobody else's."""
    return Cast(
        name=name,
        email=f"{name}.mail@example.org",
        username=f"{name}-at-pixera",
        password=f"correct-horse-7-{name[::-1]}",
        device=f"{name}Phone/9.81 (personal OS 4)",
    )


@dataclass
class Purchase:
    """A payment that the provider has said is made, and where it was paid."""

    package: str
    checkout_id: str
    refunded: bool = False


@dataclass
class Person(Client):
    """Somebody with an account, and what they were given."""

    refresh_token: str = ""
    deleted: bool = False
    image_ids: list[str] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)
    purchases: dict[str, Purchase] = field(default_factory=dict)

    async def sign_up(self) -> bool:
        """Register, follow the mail, sign in; tell whether that came to a session."""
        terms = await self.retried("terms", "GET", "/api/auth/v1/terms", tries=20)
        if terms is None:
            return False
        who = self.cast
        body = {"email": who.email, "username": who.username, "password": who.password, "is_adult": True}
        body |= {f"accept_{name}": terms[name] for name in ("terms_version", "policy_version")}
        registered = await self.retried("register", "POST", "/api/auth/v1/users", json=body)
        while registered is not None and not self.over:
            if await self._verify():
                return await self.sign_in(tries=5)
            await asyncio.sleep(POLL_S)
        return False

    async def sign_in(self, tries: int = 1) -> bool:
        """Open a session."""
        self.token = ""
        body = {"login": self.cast.email, "password": self.cast.password}
        return self._signed(
            await self.retried("sign-in", "POST", "/api/auth/v1/sessions", tries=tries, json=body)
        )

    async def refresh(self) -> bool:
        """Exchange the refresh token; a lost answer ends the session, and the person signs in again."""
        body = {"refresh_token": self.refresh_token}
        if self._signed(await self.call("refresh", "POST", "/api/auth/v1/sessions/refresh", json=body)):
            return True
        return not self.deleted and await self.sign_in(tries=3)

    async def upload(self, rng: random.Random) -> None:
        """Send a tiny picture straight to the store, and have it taken in."""
        picture, pixels = tiny_picture(rng)
        caption = f"{self.cast.username}'s leaf {rng.getrandbits(48):012x}"
        self.cast.captions.append(caption)
        self.cast.pictures.append(picture)
        asked = {"media_type": "image/png", "size_bytes": len(picture), "caption": caption}
        takes = {"image_id": "upload_id"}
        form = await self.call("begin-upload", "POST", "/api/gallery/v1/uploads", json=asked, takes=takes)
        if form is None or not await self._post(form, picture):
            return
        path = f"/api/gallery/v1/uploads/{form['upload_id']}/complete"
        given = {"image_id": form["upload_id"], "caption": digest(caption)}
        if await self.retried("upload", "POST", path, arguments=pixels, given=given):
            self.image_ids.append(form["upload_id"])

    async def download(self, image_id: str) -> None:
        """Fetch an image's own bytes by the link the platform gives."""
        link = await self.answer("GET", f"/api/gallery/v1/images/{image_id}/download")
        if link is None or not link.is_redirect:
            return
        invoked, at = began()
        file = await self.answer("GET", urljoin(str(link.url), link.headers["Location"]))
        if file is not None and file.is_success:
            self.cast.pictures.append(file.content)
            told = Operation(
                self.cast.name,
                "download",
                Outcome.OK,
                arguments=digest(file.content),
                given={"image_id": image_id},
                invoked=invoked,
                returned=began()[0],
                at=at,
            )
            self.history.note(told)

    async def edit_caption(self, image_id: str, caption: str) -> None:
        """Write another caption under an image."""
        self.cast.captions.append(caption)
        given = {"image_id": image_id, "caption": digest(caption)}
        await self.call(
            "caption", "PATCH", f"/api/gallery/v1/images/{image_id}", given=given, json={"caption": caption}
        )

    async def delete_image(self, image_id: str) -> None:
        """Delete an image for good."""
        self.image_ids.remove(image_id)
        path = f"/api/gallery/v1/images/{image_id}"
        await self.call("delete-image", "DELETE", path, given={"image_id": image_id})

    async def list_images(self) -> None:
        """Look what is in the gallery: generated images have come into it."""
        found = await self.call("list-images", "GET", "/api/gallery/v1/images", params={"limit": 100})
        if found is not None:
            deleted = {each.given["image_id"] for each in self.history.of("delete-image")}
            self.image_ids = [image["id"] for image in found["items"] if image["id"] not in deleted]

    async def generate(self, rng: random.Random) -> None:
        """Ask for images, the smallest there are."""
        key = f"key-{rng.getrandbits(64):016x}"
        prompt = f"{self.cast.username} dreams no. {rng.getrandbits(48):012x}"
        self.cast.prompts.append(prompt)
        wish = {"prompt": prompt, "width": 256, "height": 256, "count": rng.randint(1, 4)}
        wish |= {"style": rng.choice(("bauhaus", "landscape", "aurora")), "seed": rng.getrandbits(32)}
        job = await self.retried(
            "generate",
            "POST",
            "/api/generation/v1/jobs",
            json=wish,
            headers={"Idempotency-Key": key},
            arguments=digest(json.dumps(wish)),
            given={"key": key, "count": str(wish["count"])},
            takes={"job_id": "id"},
        )
        if job:
            self.job_ids.append(job["id"])

    async def cancel(self, job_id: str) -> None:
        """Cancel a job."""
        await self.call(
            "cancel", "POST", f"/api/generation/v1/jobs/{job_id}/cancel", given={"job_id": job_id}
        )

    async def retry(self, job_id: str) -> None:
        """Try again a job that came to nothing."""
        path, given = f"/api/generation/v1/jobs/{job_id}/retry", {"job_id": job_id}
        job = await self.call("retry", "POST", path, given=given, takes={"new_job_id": "id"})
        if job and job["id"] not in self.job_ids:
            self.job_ids.append(job["id"])

    async def buy(self, package: str, choice: str, key: str) -> None:
        """Begin a purchase, and choose on the provider's page."""
        checkout = await self.retried(
            "check-out",
            "POST",
            "/api/billing/v1/checkouts",
            json={"package": package},
            headers={"Idempotency-Key": key},
            given={"key": key},
            takes={"payment_id": "payment_id"},
        )
        if checkout is None:
            return
        payment_id = str(checkout["payment_id"])
        page = urljoin(str(self.http.base_url), checkout["checkout_url"])
        chosen = await self.call(
            f"pay-{choice}",
            "POST",
            page,
            data={"outcome": choice},
            given={"payment_id": payment_id},
        )
        if chosen is not None and choice.startswith("approve"):
            self.purchases[payment_id] = Purchase(package, page.rpartition("/")[2])

    async def delete_account(self) -> None:
        """Delete the account; asked again where the answer was lost."""
        takes = {"case_id": "case_id"}
        body = {"password": self.cast.password, "now": True}
        for _ in range(3):
            case = await self.call("delete-account", "DELETE", "/api/auth/v1/me", json=body, takes=takes)
            self.deleted = self.deleted or self.last.possible or self.last.code.startswith("401")
            if case is not None or self.last.outcome is Outcome.REFUSED:
                return
            await asyncio.sleep(POLL_S)

    async def use_old_token(self, token: str) -> None:
        """Try to write with a token of an account that was deleted."""
        wish = {"prompt": f"{self.cast.username} is back", "width": 256, "height": 256}
        self.cast.prompts.append(wish["prompt"])  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {token}"}
        await self.call("old-token", "POST", "/api/generation/v1/jobs", json=wish, headers=headers)

    async def _verify(self) -> bool:
        """Follow the link of the mail, once it has come."""
        answer = await self.answer("GET", "/mail/api/messages", params={"to": self.cast.email})
        if answer is None or not answer.is_success:
            return False
        tokens = [
            found[1] for mail in answer.json() if (found := re.search(r"verify#([\w-]+)", mail["text"]))
        ]
        for token in tokens:
            await self.call("verify", "POST", "/api/auth/v1/users/verify", json={"token": token})
            if self.last.outcome is not Outcome.UNKNOWN:
                return True  # refused: an answer was lost, and the token is used
        return False

    async def _post(self, form: Json, picture: bytes) -> bool:
        """Post a file with the form that the platform gave out."""
        files = {"file": (f"{self.cast.username}.png", picture, "image/png")}
        given = {"image_id": form["upload_id"]}
        sent = await self.retried(
            "post-file", "POST", form["url"], data=form["fields"], files=files, given=given
        )
        return sent is not None

    def _signed(self, session: Json | None) -> bool:
        if session is None:
            return False
        self.token, self.refresh_token = session["access_token"], session["refresh_token"]
        self.cast.user_id = self.cast.user_id or subject_of(self.token)
        return True


def tiny_picture(rng: random.Random) -> tuple[bytes, str]:
    """Return a picture like no other, and the digest of its pixels."""
    pixels = rng.randbytes(TINY * TINY * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (TINY, TINY), pixels).save(file, "PNG")
    return file.getvalue(), digest(pixels)
