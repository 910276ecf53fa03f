"""A backup under load, a person who leaves, everything lost, a restore: she stays gone, and he is whole."""

import asyncio
import base64
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from rich.console import Console

from demo.cast import Role, role
from demo.person import FINAL, eventually
from demo.story import Story, strays
from demo.timeline import Timeline
from deploy.local.spawn import RunningStack, started
from tests.integration.disaster import (
    PREFIX,
    Json,
    books,
    certificates,
    command,
    database,
    kill_once_it_overwrites,
    pixera,
    wipe,
)

SUSPENDING = ("auth", "billing", "gallery", "generation")
AWAITING = re.compile(r"opaque id \(.+\) in mongo pixera_privacy\.outbox")


def told(stack: RunningStack, folder: Path) -> Story:
    """Return the story on a stack, told to nobody."""
    return Story(stack.gateway, stack.env, folder, Timeline(Console(file=io.StringIO())))


@dataclass
class Told:
    """What is known of the platform before it is lost. Args: kept: all that the one who stays had at the backup."""

    home: Path
    backup: str
    leaving: Role
    staying: Role
    hiding: Role
    kept: Json
    case: Json
    certificate: Json


@asynccontextmanager
async def living(person: Role) -> AsyncIterator[None]:
    """Let somebody upload and generate for the block, one after the other."""

    async def live() -> None:
        for number in count():
            with suppress(AssertionError):  # out of credits
                await person.person.generate(person.prompt(number), seed=number, width=256, height=256)
            await person.person.upload(person.photos[0], person.caption(number), person.file_name(number))
            await asyncio.sleep(0.1)

    task = asyncio.create_task(live())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_all_is_lost(home: Path, folder: Path) -> Told:
    """Let people live, make a backup meanwhile, let one leave, and let life go on."""
    with started(home) as stack:
        async with httpx.AsyncClient(base_url=stack.gateway, timeout=60) as http:
            story = told(stack, folder)
            leaving, staying = (
                role(http, "cordelia", photos=1, jobs=1),
                role(http, "kent", photos=1, jobs=1, first=1),
            )
            busy = role(http, "oswald", photos=1, jobs=0, first=2)
            for each in (leaving, staying, busy):
                await story.move_in(each)
            kept = await story.album(staying)
            await story.seen(leaving)
            async with living(busy):
                made = await pixera(home, "backup", "--json")
            assert made.json["state"] == "done", made
            assert (await pixera(home, "backup", "verify", made.json["id"])).code == 0
            refused = await pixera(home, "restore", made.json["id"], "--yes")
            assert (refused.code, "running" in refused.err) == (1, True)
            case = await story.leave(leaving)
            certificate = await story.follow(leaving, case)
            await after_the_backup(http, story, staying)
            await hide(stack, busy)
    return Told(home, made.json["id"], leaving, staying, busy, kept, case, certificate)


async def restored(told_of: Told, folder: Path) -> None:
    """Lose everything; restore it, also after a restore that was killed; see that nothing of her is there."""
    home, backup = told_of.home, told_of.backup
    with started(home, "--no-services") as servers:
        other_key = base64.b64encode(bytes(32)).decode()
        refused = await pixera(home, "restore", backup, "--yes", PIXERA_BACKUP_KEY=other_key)
        assert (refused.code, "another key" in refused.err or "made with key" in refused.err) == (1, True)
        assert not locked_out(servers)
        wipe(servers.env)
        kill_once_it_overwrites(command(home, "restore", backup, "--yes"), servers.env)
        assert locked_out(servers)
        done = await pixera(home, "restore", backup, "--yes", "--json")
        assert done.code == 0, done.err
        assert (done.json["erased"], done.json["certificates_lost"]) == (1, [1])
        assert (done.json["hidden"], done.json["keyless"], done.json["keys_back"] > 0) == (1, 0, True)
        assert dict(done.json["lost"])["pixera.image.uploaded.v1"] >= 1
        assert not locked_out(servers)
        await nothing_of_her(servers, told_of, folder)


async def nothing_of_her(servers: RunningStack, told_of: Told, folder: Path) -> None:
    """See that nothing of her is stored, but for the line about her key that waits for the audit ledger.

    It is an event like others: an opaque id, in the outbox until the services start.
    """
    left = strays(await told(servers, folder).scan(told_of.leaving), told_of.certificate)
    assert not [each for each in left if not AWAITING.fullmatch(each)]
    with database(servers.env) as client:
        bodies = [row["body"] for row in client[f"{PREFIX}privacy"]["outbox"].find()]
    hers = [json.loads(body) for body in bodies if told_of.leaving.person.user_id.encode() in body]
    assert [each["action"] for each in hers] == ["key.destroyed"] * len(hers)


async def everybody_else_is_whole(told_of: Told, folder: Path) -> list[bytes]:
    """Start the services: he has all he had at the backup, her case comes to its proof again; return the proof."""
    leaving, staying = told_of.leaving, told_of.staying
    with started(told_of.home) as stack:
        async with httpx.AsyncClient(base_url=stack.gateway, timeout=60) as http:
            story = told(stack, folder)
            for each in (leaving, staying):
                each.person.http, each.person.token = http, ""
            await staying.person.sign_in()
            await eventually("what was on its way", lambda: idle(stack))
            assert await story.album(staying) == told_of.kept
            assert await refused_to(leaving)
            await eventually("who wants to leave is hidden", lambda: hidden(stack, told_of.hiding))
            await story.follow(leaving, told_of.case)
            await story.nothing_left(leaving, told_of.certificate)
            total, least = books(stack.env)
            assert (total, least >= 0) == (0, True)
            assert (await pixera(told_of.home, "certificate", "chain")).code == 0
            proof = certificates(stack)
            assert [json.loads(each)["case_id"] for each in proof] == [told_of.case["case_id"]]
            return proof


@pytest.mark.timeout(600)
@pytest.mark.slow
async def test_what_is_restored_has_everybody_but_those_who_left(tmp_path: Path) -> None:
    told_of = await until_all_is_lost(tmp_path / "home", tmp_path)
    await restored(told_of, tmp_path)
    proof = await everybody_else_is_whole(told_of, tmp_path)
    with started(told_of.home, "--no-services") as servers:
        again = await pixera(told_of.home, "restore", told_of.backup, "--yes", "--json")
        assert again.code == 0, again.err
        assert again.json["certificates_lost"] == []
        assert certificates(servers) == proof
        await nothing_of_her(servers, told_of, tmp_path)
    with started(told_of.home) as stack:
        await eventually("both restores in the audit ledger", lambda: told_of_restores(stack, 2))
        entries = audited(stack)
        assert len(set(entries)) == len(entries)


async def hide(stack: RunningStack, person: Role) -> None:
    """Delete an account with time to come back, and wait until everybody has heard of it."""
    await person.person.ask("DELETE", "/api/auth/v1/me", json={"password": person.person.password})
    await eventually("who wants to leave is hidden", lambda: hidden(stack, person))


async def hidden(stack: RunningStack, person: Role) -> bool:
    """Tell whether every service that has somebody's data hides them, and their account says so."""
    user_id = UUID(person.person.user_id)
    mine = {"_id": user_id, "hidden_since": {"$ne": None}}
    with database(stack.env) as client:
        known = [client[f"{PREFIX}{name}"]["suspensions"].count_documents(mine) for name in SUSPENDING]
        account = client[f"{PREFIX}auth"]["users"].find_one({"_id": user_id}) or {}
    return all(known) and account.get("status") == "hidden"


def audited(stack: RunningStack) -> list[tuple[Any, ...]]:
    """Return what the audit ledger says was done: by which stream, what, when, to what."""
    with database(stack.env) as client:
        rows = client[f"{PREFIX}privacy"]["audit_entries"].find()
        said = [(row, json.loads(row["entry"])) for row in rows]
    return [
        (row["stream"], row["action"], row["at"], entry["target"], entry["subject"]) for row, entry in said
    ]


async def told_of_restores(stack: RunningStack, count: int) -> bool:
    """Tell whether the audit ledger has heard of so many restores."""
    return [action for _, action, *_ in audited(stack)].count("backup.restored") >= count


async def after_the_backup(http: httpx.AsyncClient, story: Story, staying: Role) -> None:
    """Let life go on: none of it is in the backup."""
    await staying.person.buy("starter")
    await staying.person.upload(staying.photos[0], "an afterthought", "late.jpg")
    job = await staying.person.generate("a late idea", seed=77, width=256, height=256)
    await staying.person.finished(job["id"])
    staying.person.job_ids.remove(job["id"])  # an album is compared later that cannot have it
    await role(http, "edmund", photos=1, jobs=0, first=3).person.sign_up()


def locked_out(servers: RunningStack) -> bool:
    """Tell whether the mark is there that keeps every service from starting."""
    with database(servers.env) as client:
        return f"{PREFIX}restore" in client.list_database_names()


async def refused_to(leaving: Role) -> bool:
    """Tell whether somebody who left cannot sign in."""
    body = {"login": leaving.person.email, "password": leaving.person.password}
    return (await leaving.person.http.post("/api/auth/v1/sessions", json=body)).status_code in (401, 410)


async def idle(stack: RunningStack) -> bool:
    """Tell whether nothing is on its way: no event to publish, no job under work."""
    with database(stack.env) as client:
        services = [name for name in client.list_database_names() if name.startswith(PREFIX)]
        waiting = sum(client[name]["outbox"].count_documents({}) for name in services)
        jobs = client[f"{PREFIX}generation"]["jobs"].count_documents({"state": {"$nin": list(FINAL)}})
    return waiting == 0 and jobs == 0
