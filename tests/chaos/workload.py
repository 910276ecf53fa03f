"""What the people of one seed do: drawn before anything begins, so that a seed draws the same whatever breaks."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx

from tests.chaos.client import TIMEOUT_S
from tests.chaos.history import Record
from tests.chaos.model import Rig
from tests.chaos.people import Person, cast
from tests.chaos.provider import Provider
from tests.chaos.reading import ends

PEOPLE = (3, 5)
STEPS = (14, 30)
LONGEST_PAUSE_S = 0.25
LEAVING = 0.45
"""The share of people who delete their account in the middle of things."""

WEIGHTS: Mapping[str, int] = {
    "upload": 22,
    "generate": 16,
    "caption": 12,
    "buy": 10,
    "look": 8,
    "delete-image": 7,
    "cancel": 6,
    "retry": 6,
    "download": 6,
    "notice": 5,
    "refund": 4,
    "refresh": 5,
    "sign-in": 3,
}
AFTERWARDS = ("old-token", "sign-in-again", "old-token", "refresh-again")
CHOICES = ("approve",) * 6 + ("approve-later", "decline")


@dataclass(frozen=True)
class Step:
    """One thing to do. Args: pause_s: before it. pick: which of what is there, from 0 to 1. seed: of its content."""

    what: str
    pause_s: float
    pick: float
    seed: int


@dataclass(frozen=True)
class Part:
    """One person's part in the seed: who, and what they do in order."""

    name: str
    steps: tuple[Step, ...]


def draw(rng: random.Random) -> tuple[Part, ...]:
    """Return the parts of a seed."""
    return tuple(_part(rng, number) for number in range(rng.randint(*PEOPLE)))


async def live(rig: Rig, rng: random.Random, history: Record, until_s: float) -> None:
    """Let all people act at once, until they are done or `time.monotonic()` is past `until_s`."""
    parts = draw(rng)
    history.starts = await ends(rig.env)
    await asyncio.gather(*(_play(rig, part, history, until_s) for part in parts))


def _part(rng: random.Random, number: int) -> Part:
    name = f"p{number}{rng.getrandbits(48):012x}"
    kinds = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=rng.randint(*STEPS))
    if rng.random() < LEAVING:
        stays = rng.randint(2, 10)
        kinds = [*kinds[:stays], "delete-account", *AFTERWARDS]
    return Part(name, tuple(_step(rng, what) for what in kinds))


def _step(rng: random.Random, what: str) -> Step:
    return Step(what, rng.uniform(0, LONGEST_PAUSE_S), rng.random(), rng.getrandbits(64))


async def _play(rig: Rig, part: Part, history: Record, until_s: float) -> None:
    who = history.people.setdefault(part.name, cast(part.name))
    async with (
        httpx.AsyncClient(base_url=rig.gateway, timeout=TIMEOUT_S) as http,
        Provider(rig) as provider,
    ):
        person = Person(http, who, history, until_s)
        if not await person.sign_up():
            return
        for step in part.steps:
            await asyncio.sleep(max(0.0, min(step.pause_s, until_s - time.monotonic())))
            if person.over:
                return
            await ACTS[step.what](person, provider, step)


Act = Callable[[Person, Provider, Step], Awaitable[None]]


async def _upload(person: Person, provider: Provider, step: Step) -> None:
    await person.upload(random.Random(step.seed))


async def _generate(person: Person, provider: Provider, step: Step) -> None:
    await person.generate(random.Random(step.seed))


async def _caption(person: Person, provider: Provider, step: Step) -> None:
    if image_id := _picked(person.image_ids, step):
        await person.edit_caption(image_id, f"renamed by {person.cast.username}: {step.seed:016x}")


async def _download(person: Person, provider: Provider, step: Step) -> None:
    if image_id := _picked(person.image_ids, step):
        await person.download(image_id)


async def _delete_image(person: Person, provider: Provider, step: Step) -> None:
    if image_id := _picked(person.image_ids, step):
        await person.delete_image(image_id)


async def _look(person: Person, provider: Provider, step: Step) -> None:
    await person.list_images()


async def _cancel(person: Person, provider: Provider, step: Step) -> None:
    """Cancel one of the last jobs, which have the best chance to be under way still."""
    if job_id := _picked(person.job_ids[-2:], step):
        await person.cancel(job_id)


async def _retry(person: Person, provider: Provider, step: Step) -> None:
    if job_id := _picked(person.job_ids, step):
        await person.retry(job_id)


async def _buy(person: Person, provider: Provider, step: Step) -> None:
    rng = random.Random(step.seed)
    await person.buy(rng.choice(("starter", "creator")), rng.choice(CHOICES), f"buy-{step.seed:016x}")


async def _notice(person: Person, provider: Provider, step: Step) -> None:
    """The provider tells once more, under an id of its own and twice at once, what it told already."""
    if payment_id := _picked(_paid(person), step):
        await provider.tell_again(person, payment_id, f"msg_{step.seed:016x}")


async def _refund(person: Person, provider: Provider, step: Step) -> None:
    if payment_id := _picked(_paid(person), step):
        await provider.refund(person, payment_id)


async def _refresh(person: Person, provider: Provider, step: Step) -> None:
    await person.refresh()


async def _sign_in(person: Person, provider: Provider, step: Step) -> None:
    await person.sign_in(tries=3)


async def _delete_account(person: Person, provider: Provider, step: Step) -> None:
    await person.delete_account()


async def _use_old_token(person: Person, provider: Provider, step: Step) -> None:
    if person.deleted and person.token:
        await person.use_old_token(person.token)


async def _sign_in_again(person: Person, provider: Provider, step: Step) -> None:
    """Try to sign in to an account that was deleted; the old token is kept for what comes after."""
    if person.deleted:
        token = person.token
        await person.sign_in()
        person.token = person.token or token


async def _refresh_again(person: Person, provider: Provider, step: Step) -> None:
    if person.deleted:
        await person.refresh()


ACTS: Mapping[str, Act] = {
    "upload": _upload,
    "generate": _generate,
    "caption": _caption,
    "buy": _buy,
    "look": _look,
    "delete-image": _delete_image,
    "cancel": _cancel,
    "retry": _retry,
    "download": _download,
    "notice": _notice,
    "refund": _refund,
    "refresh": _refresh,
    "sign-in": _sign_in,
    "delete-account": _delete_account,
    "old-token": _use_old_token,
    "sign-in-again": _sign_in_again,
    "refresh-again": _refresh_again,
}


def _picked(among: list[str], step: Step) -> str:
    """Return one of what is there now, by the step's draw; nothing where nothing is."""
    return among[int(step.pick * len(among))] if among else ""


def _paid(person: Person) -> list[str]:
    return [payment_id for payment_id, purchase in person.purchases.items() if not purchase.refunded]
