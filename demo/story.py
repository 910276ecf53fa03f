"""The story: two people, one leaves, and it is shown that she is gone and that he has lost nothing."""

import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from demo.archive import digest, has, opened, rows_of
from demo.cast import Role
from demo.person import eventually
from demo.scanner import Scan, Scanner
from demo.timeline import Timeline

Json = dict[str, Any]

PACKAGE = "starter"
LATE_JOBS = 4
"""Generations still running when the account is deleted."""
ERASURE_PATIENCE_S = 120.0
MUST_BE_SEEN = {"e-mail", "username", "device", "prompt", "caption", "camera", "image bytes", "opaque id"}
"""What the scanner must find before the deletion, so that it is known to see."""


def require(held: bool, what: str) -> None:
    """Raise where something that was promised does not hold."""
    if not held:
        raise AssertionError(what)


KEPT = {
    "tombstones of every service": re.compile(r"mongo \w+\.tombstones"),
    "privacy.holds": re.compile(r"mongo \w+\.holds"),
    "item_holds of every service for 60 days after a hold's end": re.compile(r"mongo \w+\.item_holds"),
    "events and dead letters until their topics' retention ends": re.compile(r"kafka (?!__)[a-z.-]+"),
    "replication log of the database, volumes of the object store": re.compile(r"mongo local\.oplog\.rs"),
}
"""Where a certificate's words allow an opaque id to be; nothing else may be anywhere."""


def strays(scan: Scan, certificate: Json) -> list[str]:
    """Return the traces that the certificate does not account for."""
    allowed = [KEPT[entry["where"]] for entry in certificate["kept_as_proof"] if entry["where"] in KEPT]
    return sorted(
        {
            f"{finding.kind} ({finding.encoding}) in {finding.where}"
            for finding in scan.findings
            if finding.kind != "opaque id" or not any(place.fullmatch(finding.where) for place in allowed)
        }
    )


@dataclass
class Story:
    """The scenario on a running platform. Args: env: how its servers are reached, for the scanner alone."""

    gateway: str
    env: Mapping[str, str]
    folder: Path
    timeline: Timeline
    took: dict[str, float] = field(default_factory=dict)
    _downloaded: dict[str, bytes] = field(default_factory=dict)
    _left_at: float = 0.0
    _paper: bytes = b""

    async def play(self, leaving: Role, staying: Role) -> None:
        """Play all acts. Raises AssertionError at the first step that does not hold."""
        await self._live(leaving, staying)
        kept = await self.album(staying)
        await self.seen(leaving)
        await self.take_along(leaving, staying)
        case = await self.leave(leaving)
        certificate = await self.follow(leaving, case)
        await self.nothing_left(leaving, certificate)
        await self.nothing_lost(staying, kept)
        self.proof()

    async def _live(self, *roles: Role) -> None:
        self.timeline.act("Two people")
        for role in roles:
            await self.move_in(role)

    async def move_in(self, role: Role) -> None:
        """Let a person sign up, pay, upload, caption and generate."""
        person, name = role.person, role.person.username
        with self.timeline.step(f"{name} signs up, follows the mail, signs in"):
            await person.sign_up()
        with self.timeline.step(f"{name} consents to personalisation, takes it back, and it is gone"):
            await self.yes_and_no(role)
        with self.timeline.step(f"{name} buys credits twice on the provider's page"):
            await person.buy(PACKAGE)
            await person.buy(PACKAGE)
        with self.timeline.step(f"{name} uploads {len(role.photos)} photographs with EXIF and GPS"):
            for number, photo in enumerate(role.photos):
                await person.upload(photo, role.caption(number), role.file_name(number))
        with self.timeline.step(f"{name} edits captions"):
            for image_id in person.image_ids[:3]:
                await person.edit_caption(image_id, f"renamed by {name}: {image_id[-6:]}")
        with self.timeline.step(f"{name} generates {role.jobs} images"):
            jobs = [
                await person.generate(role.prompt(n), seed=n, width=512, height=512) for n in range(role.jobs)
            ]
            ends = [await person.finished(job["id"]) for job in jobs]
            require(
                all(job["state"] == "completed" for job in ends), f"{name}'s generations did not all complete"
            )
        with self.timeline.step(f"{name} finds all of them in the gallery"):
            await eventually("the generated images in the gallery", lambda: self._complete(role))

    async def yes_and_no(self, role: Role) -> None:
        """Consent, have a theme kept, and withdraw."""
        await role.person.decide("personalisation", "given")
        require(await role.person.theme("dark") == "dark", "what was consented to is not kept")
        await role.person.decide("personalisation", "withdrawn")
        require(await role.person.theme() == "system", "what was kept by consent outlived it")

    async def _complete(self, role: Role) -> bool:
        images = await role.person.images()
        return len(images) == len(role.photos) + role.jobs and all(
            image["state"] == "ready" for image in images
        )

    async def album(self, role: Role) -> Json:
        """Return all that a person has, byte for byte."""
        images = await role.person.images()
        bytes_by_id = await self.bytes_of(role)
        jobs = [await role.person.ask("GET", f"/api/generation/v1/jobs/{job}") for job in role.person.job_ids]
        return {
            "images": {image["id"]: image["caption"] for image in images},
            "bytes": {key: hashlib.sha256(data).hexdigest() for key, data in bytes_by_id.items()},
            "prompts": [job["prompt"] for job in jobs],
            "balance": await role.person.balance(),
        }

    async def bytes_of(self, role: Role) -> dict[str, bytes]:
        images = await role.person.images()
        return {image["id"]: await role.person.download(image["id"]) for image in images}

    async def scan(self, role: Role) -> Scan:
        needles = [*role.words(), *role.pictures(self._downloaded), *role.identifiers()]
        return await Scanner(self.env, needles).run()

    async def seen(self, role: Role) -> None:
        """Remember a person's bytes, and see that the scanner finds all kinds of her traces."""
        self._downloaded = await self.bytes_of(role)
        self.timeline.act("Before: the scanner sees her")
        with self.timeline.step("every database, object version and record is read"):
            scan = await self.scan(role)
            missing = MUST_BE_SEEN - scan.kinds.keys()
            require(not missing, f"the scanner does not see {sorted(missing)}: it would prove nothing")
            hidden = {"exif", "password", "image name"} & scan.kinds.keys()
            require(not hidden, f"{sorted(hidden)} must never have been stored")
        self._show(scan)

    async def take_along(self, role: Role, other: Role) -> None:
        """See that a person gets a copy of all that is theirs, and of nothing that is another's."""
        self.timeline.act("She takes her data along")
        with self.timeline.step(
            "a copy of everything is asked for, the mail comes, the archive is downloaded"
        ):
            files = opened(await role.person.take_along())
        with self.timeline.step("it is what its manifest says, every image, caption and prompt is in it"):
            kept = {digest(data) for data in files.values()}
            lost = [name for name, data in self._downloaded.items() if digest(data) not in kept]
            require(not lost, f"images are missing in the archive: {lost}")
            captions = {row.get("caption") for row in rows_of(files, "gallery.images")}
            prompts = {row["order"]["prompt"] for row in rows_of(files, "generation.jobs")}
            missing = {image["caption"] for image in await role.person.images()} - captions
            missing |= {*role.person.prompts} - prompts
            require(not missing, f"the archive lacks {missing}")
        with self.timeline.step("and nothing of anybody else"):
            foreign = has(files, [*other.words(), *other.identifiers()])
            require(not foreign, f"the archive has somebody else's {sorted(foreign)}")

    async def leave(self, role: Role) -> Json:
        """Let a person delete the account while generations are running; return the case."""
        self.timeline.act("She leaves")
        with self.timeline.step(f"{LATE_JOBS} more generations are started, and not waited for"):
            for number in range(LATE_JOBS):
                await role.person.generate(role.prompt(role.jobs + number), count=4, width=1024, height=1024)
        self._left_at = time.monotonic()
        with self.timeline.step("the account is deleted, password asked again"):
            case = await role.person.delete_account()
        with self.timeline.step("her session is worth nothing any more"):
            await eventually("the end of the session", lambda: self._signed_out(role), 5)
        return case

    async def _signed_out(self, role: Role) -> bool:
        answer = await role.person.http.get(
            "/api/gallery/v1/images", headers={"Authorization": f"Bearer {role.person.token}"}
        )
        return answer.status_code in (401, 410)

    async def follow(self, role: Role, case: Json) -> Json:
        """Follow a case by its token until it is VERIFIED; return its certificate."""
        headers = {"X-Case-Token": case["case_token"]}
        path = f"/api/privacy/v1/cases/{case['case_id']}"

        async def look() -> Json | None:
            answer = await role.person.http.get(path, headers=headers)
            return answer.json() if answer.is_success and answer.json()["state"] == "VERIFIED" else None

        with self.timeline.step("the case goes through to VERIFIED, followed by case token"):
            closed = await eventually("VERIFIED", look, ERASURE_PATIENCE_S)
            self.took["DELETE to VERIFIED"] = time.monotonic() - self._left_at
        for moment in closed["timeline"]:
            self.timeline.note(f"{moment['at']}  {moment['what']}")
        given = await role.person.http.get(f"{path}/certificate", headers=headers)
        self._paper = given.raise_for_status().content
        certificate: Json = given.json()
        return certificate

    async def nothing_left(self, role: Role, certificate: Json) -> None:
        """See that the scanner finds nothing that the certificate does not account for."""
        self.timeline.act("After: the scanner finds nothing")
        with self.timeline.step("every database, object version and record is read again"):
            scan = await self.scan(role)
            self._show(scan)
            left = strays(scan, certificate)
            require(not left, f"traces are left: {left}")
        self._show_certificate(certificate)

    async def nothing_lost(self, role: Role, kept: Json) -> None:
        """See that a person has all that they had."""
        self.timeline.act("He has lost nothing")
        with self.timeline.step("every image, caption, prompt and credit is what it was, byte for byte"):
            require(await self.album(role) == kept, f"{role.person.username} has lost something")

    def proof(self) -> None:
        """See that the operators' command accepts the certificate, and refuses a forged one."""
        self.timeline.act("The proof")
        keys = httpx.get(f"{self.gateway}/api/privacy/v1/keys").raise_for_status()
        paper, key = self.folder / "certificate.json", self.folder / "keys.json"
        paper.write_bytes(self._paper)
        key.write_text(keys.text)
        with self.timeline.step("`pixera certificate verify` accepts the certificate"):
            require(_verdict(paper, key) == 0, "the certificate does not verify")
        with self.timeline.step("and refuses it with one byte changed"):
            forged = self.folder / "forged.json"
            forged.write_bytes(_one_byte_changed(self._paper))
            require(_verdict(forged, key) == 1, "a forged certificate was not refused")
        self.timeline.table(
            "How long it took", ["", "s"], [[what, f"{s:.2f}"] for what, s in self.took.items()]
        )

    def _show(self, scan: Scan) -> None:
        rows = [[unit, f"{count:,}"] for unit, count in sorted(scan.read.items())]
        rows += [["MB", f"{scan.size / 1e6:,.1f}"], ["traces found", f"{len(scan.findings):,}"]]
        self.timeline.table("What the scanner read", ["", ""], rows)
        if scan.findings:
            self.timeline.table(
                "Traces", ["kind", "times"], [[k, f"{n:,}"] for k, n in scan.kinds.most_common()]
            )

    def _show_certificate(self, certificate: Json) -> None:
        rows = [
            [
                entry["holding"],
                str(entry["found"]),
                str(entry["erased"]),
                str(entry["retained"]),
                entry.get("ground") or "",
            ]
            for holder in certificate["holders"]
            for entry in holder["holdings"]
        ]
        self.timeline.table("The certificate", ["holding", "found", "erased", "retained", "ground"], rows)


def _verdict(paper: Path, key: Path) -> int:
    command = [sys.executable, "-m", "cli", "certificate", "verify", str(paper), "--key", str(key)]
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode


def _one_byte_changed(paper: bytes) -> bytes:
    """Return the certificate with one digit of its first count turned into another."""
    place = re.search(rb'"erased":(\d)', paper)
    require(place is not None, "the certificate counts nothing")
    at = place.start(1) if place else 0
    return paper[:at] + (b"7" if paper[at : at + 1] != b"7" else b"3") + paper[at + 1 :]
