"""The two people of the story, and all that would give them away."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import httpx

from demo.needles import Needle, of_image, of_text
from demo.person import Person
from demo.photos import Traces, photographs

PHOTOS_EACH = 20
JOBS_EACH = 10
SCENES = (
    "a lighthouse above a violet sea at dusk",
    "snow mountains under a green aurora",
    "an old harbour in morning fog",
    "a red desert with two moons",
    "a quiet forest lake at sunrise",
    "a city of glass in the rain",
    "sunflowers on a windy hill",
    "a paper boat on a golden river",
    "a night train through blue hills",
    "an island with one crooked pine",
)


@dataclass(frozen=True)
class Role:
    """A person with what they bring: photographs, and what their camera wrote into them."""

    person: Person
    traces: Traces
    photos: list[bytes]
    jobs: int

    def prompt(self, number: int) -> str:
        """Return the person's own wording of a scene."""
        return f"{SCENES[number % len(SCENES)]}, as {self.person.username} dreams it no. {number}"

    def caption(self, number: int) -> str:
        """Return what the person writes under a photograph."""
        return f"{self.person.username}'s album, leaf {number}: grüße & <love>"

    def file_name(self, number: int) -> str:
        """Return what the person's own machine calls a photograph."""
        return f"{self.person.username}_holiday_{number:03d}.jpg"

    def words(self) -> Iterator[Needle]:
        """Yield what the person typed, and what their machines sent along."""
        person, traces = self.person, self.traces
        yield from of_text("e-mail", person.email)
        yield from of_text("username", person.username)
        yield from of_text("password", person.password)
        yield from of_text("device", person.device)
        for prompt in person.prompts:
            yield from of_text("prompt", prompt)
        for caption in person.captions:
            yield from of_text("caption", caption)
        yield from of_text("camera", traces.device)
        for trace in (traces.artist, traces.serial, traces.comment):
            yield from of_text("exif", trace)

    def pictures(self, downloaded: dict[str, bytes]) -> Iterator[Needle]:
        """Yield the bytes of the photographs as sent, and of every image as the gallery gives it."""
        for photo in self.photos:
            yield from of_image("uploaded bytes", photo)
        for data in downloaded.values():
            yield from of_image("image bytes", data)
        for number in range(len(self.photos)):
            yield from of_text("image name", self.file_name(number))

    def identifiers(self) -> Iterator[Needle]:
        """Yield the opaque ids: they say nothing by themselves, and may only be where the certificate says."""
        person = self.person
        for identifier in (person.user_id, *person.image_ids, *person.job_ids):
            yield from of_text("opaque id", identifier)
            yield Needle("opaque id", "binary", UUID(identifier).bytes)


def role(http: httpx.AsyncClient, name: str, *, photos: int, jobs: int, first: int = 0) -> Role:
    """Return somebody of that name, whose traces are like nobody else's.

    Args:     first: the first photograph; people with other numbers share no picture.
    """
    person = Person(
        http,
        email=f"{name}.mail@example.org",
        username=f"{name}-at-pixera",
        password=f"correct-horse-7-{name[::-1]}",
        device=f"{name}Phone/9.81 (personal OS 4)",
    )
    traces = Traces(
        artist=f"{name} van der Kamera",
        device=f"{name}Cam X100",
        serial=f"SN-{name}-774411",
        comment=f"kitchen at {name}'s grandmother",
        latitude=52.516275,
        longitude=13.377704,
    )
    return Role(person, traces, photographs(photos, traces, first), jobs)


def ada(http: httpx.AsyncClient) -> Role:
    """Return the one who leaves."""
    return role(http, "adaquill", photos=PHOTOS_EACH, jobs=JOBS_EACH)


def bob(http: httpx.AsyncClient) -> Role:
    """Return the one who stays."""
    return role(http, "bobmarlowe", photos=PHOTOS_EACH, jobs=JOBS_EACH, first=PHOTOS_EACH)
