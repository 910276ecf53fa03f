"""Documents: what is in force, what has to be accepted anew, and that everybody is told once of what matters."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from libs.common.blind_index import BlindIndexes
from libs.common.bus.lease import Lease
from libs.common.bus.outbox import Outbox, OutboxRow
from libs.common.bus.process import BUS_DOCUMENTS
from libs.common.clock import new_id, now
from libs.common.events.auth import MailRequestedV2
from libs.common.events.privacy import PolicyPublishedV1
from libs.common.mongo import Mongo
from libs.common.privacy.holder import Holder
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.sealing import Sealing
from libs.common.testing.tokens import bearer
from libs.common.testing.waiting import eventually
from libs.common.vault.keys import DataKeys
from libs.common.work import UnitOfWork
from services.auth.agreement_models import Acceptance, NoticeRun, PolicyNotice
from services.auth.agreements import Agreements
from services.auth.look_ups import LookUps
from services.auth.models import Status, User
from services.auth.notifying import Notifying
from services.auth.privacy import HOLDINGS
from services.auth.repository import Store
from services.auth.settings import AuthSettings
from tests.auth.people import API, TERMS, Auth, Person, form, problem, somebody

PLAIN, WEIGHTY = "2026-12-01", "2027-01-01"
MAILS_PER_S = 10


def published(
    version: str, document: Literal["policy", "terms"] = "terms", *, significant: bool = True
) -> PolicyPublishedV1:
    return PolicyPublishedV1(
        document=document, document_version=version, significant=significant, published_at=now()
    )


async def say(auth: Auth, *events: PolicyPublishedV1) -> None:
    """Publish over Kafka, as privacy does; return once auth has taken it in."""
    work = auth.service.agreements._work
    await work.run(lambda: work.outbox.add(*events))
    for event in events:
        name = f"{event.document}:{event.document_version}"
        await eventually(lambda: auth.rows("policy_versions", _id=name))  # noqa: B023 - awaited here


async def due(auth: Auth, person: Person) -> list[str]:
    signed = (await auth.sign_in(person)).json()
    return [f"{each['document']}:{each['version']}" for each in signed["accept_anew"]]


async def test_a_significant_version_is_told_accepted_and_over_and_another_one_only_replaces(
    auth: Auth,
) -> None:
    person, silent = await auth.signed_in(language="de"), await auth.registered()
    gone = await auth.signed_in()
    await auth.delete("/me", gone, {"password": gone.password, "now": True})
    away = await auth.signed_in()
    await auth.delete("/me", away, {"password": away.password})

    await say(auth, published(PLAIN, "policy", significant=False))
    assert await due(auth, person) == []
    await say(auth, published(WEIGHTY))
    assert (await auth.client.get(f"{API}/terms")).json() == {
        "terms_version": WEIGHTY,
        "policy_version": PLAIN,
    }

    mail = (await auth.mails(person.email, 2))[-1]
    assert mail.subject == "Pixera: Unsere Nutzungsbedingungen haben sich geändert"
    assert f"/api/privacy/v1/policies/terms/{WEIGHTY}/de" in mail.text
    assert await due(auth, person) == [f"terms:{WEIGHTY}"]
    (notice,) = (await auth.get("/me/notices", person)).json()["notices"]
    assert (notice["document"], notice["version"]) == ("terms", WEIGHTY)

    old = await auth.post("/me/acceptances", {"document": "terms", "version": TERMS}, person)
    assert problem(old, 409) == "terms-outdated"
    for _ in range(2):
        answer = await auth.post("/me/acceptances", {"document": "terms", "version": WEIGHTY}, person)
        assert answer.status_code == 204
    assert await due(auth, person) == []
    assert (await auth.get("/me/notices", person)).json()["notices"] == []
    accepted = (await auth.get("/me/acceptances", person)).json()["accepted"]
    mine = [(each["version"], each["source"]) for each in accepted if each["document"] == "terms"]
    assert mine == [(WEIGHTY, "account"), (TERMS, "registration")]

    run = await eventually(lambda: finished_run(auth))
    assert (run["told"], run["mailed"], run["acknowledged"]) == (1, 1, 1)
    assert len(await auth.mails(silent.email)) == 1
    assert len(await auth.mails(gone.email)) == 1
    await who_comes_back_is_told_then(auth, away)
    await who_verifies_later_is_told_then(auth, silent)
    await a_registration_accepts_what_is_in_force(auth)
    await another_persons_notice_cannot_be_acknowledged(auth, notice["id"])


async def who_verifies_later_is_told_then(auth: Auth, person: Person) -> None:
    token = await auth.verification_token(person.email)
    assert (await auth.post("/users/verify", {"token": token})).status_code == 200
    assert (await auth.mails(person.email, 2))[-1].subject == "Pixera: Our terms of use have changed"
    assert await due(auth, person) == [f"terms:{WEIGHTY}"]
    (notice,) = (await auth.get("/me/notices", person)).json()["notices"]
    assert notice["version"] == WEIGHTY


async def who_comes_back_is_told_then(auth: Auth, person: Person) -> None:
    before = await auth.mails(person.email, 2)
    assert "Pixera: Our terms of use have changed" not in {mail.subject for mail in before}
    assert await due(auth, person) == [f"terms:{WEIGHTY}"]
    subjects = [mail.subject for mail in await auth.mails(person.email, 4)]
    assert subjects.count("Pixera: Our terms of use have changed") == 1
    (notice,) = (await auth.get("/me/notices", person)).json()["notices"]
    assert notice["version"] == WEIGHTY


async def finished_run(auth: Auth) -> dict[str, Any]:
    answer = await auth.client.get(f"{API}/staff/policy-notices", headers=await operator(auth))
    run: dict[str, Any]
    (run,) = answer.json()["runs"]
    return run if run["done_at"] else {}


async def operator(auth: Auth) -> dict[str, str]:
    password = auth.service.settings.staff_password
    assert password is not None
    body = {"name": "operator", "password": password.get_secret_value()}
    signed = (await auth.post("/staff/sessions", body)).json()
    return {"Authorization": f"Bearer {signed['access_token']}"}


async def a_registration_accepts_what_is_in_force(auth: Auth) -> None:
    refused = await auth.post("/users", form(somebody()))
    assert problem(refused, 409) == "terms-outdated"
    assert (refused.json()["terms_version"], refused.json()["policy_version"]) == (WEIGHTY, PLAIN)
    newcomer = await auth.signed_in(accept_terms_version=WEIGHTY, accept_policy_version=PLAIN)
    assert newcomer.tokens["accept_anew"] == []
    assert (await auth.get("/me/notices", newcomer)).json()["notices"] == []


async def another_persons_notice_cannot_be_acknowledged(auth: Auth, notice_id: str) -> None:
    other = await auth.signed_in(accept_terms_version=WEIGHTY, accept_policy_version=PLAIN)
    for path in (notice_id, uuid4()):
        answer = await auth.post(f"/me/notices/{path}/acknowledge", {}, other)
        assert problem(answer, 404) == "notice-not-found"
    assert (await auth.client.get(f"{API}/staff/policy-notices", headers=bearer(uuid4()))).status_code in (
        401,
        403,
    )


@dataclass
class Town:
    """A database of accounts without a process: who lives there, and what was said to them."""

    settings: AuthSettings
    mongo: Mongo
    store: Store
    work: UnitOfWork
    tombstones: Tombstones
    paused: list[float] = field(default_factory=list)

    async def settle(self, count: int, status: Status = Status.ACTIVE) -> list[UUID]:
        """Let so many people have accounts."""
        ids = [new_id() for _ in range(count)]
        await self.mongo.collection(User).insert_many([account(each, status).to_mongo() for each in ids])
        return ids

    async def begin(self, version: str) -> NoticeRun:
        """Publish a significant version; return its run."""
        await self.work.run(lambda: self.agree(published(version)))
        run = await self.store.notice_runs.unfinished()
        assert run is not None
        return run

    async def agree(self, event: PolicyPublishedV1) -> None:
        name = f"{event.document}:{event.document_version}"
        run = NoticeRun(
            id=name, document=event.document, version=event.document_version, begun_at=event.published_at
        )
        await self.store.notice_runs.begin(run)

    def teller(self, name: str = "tests-notices") -> Notifying:
        """A process that tells; instead of waiting it notes how long it would have."""

        async def pause(seconds: float) -> None:
            self.paused.append(seconds)
            await asyncio.sleep(0)

        return Notifying(
            self.store,
            self.work,
            Agreements(self.settings, self.store, self.work),
            Lease(self.mongo, name, 10.0),
            mails_per_s=MAILS_PER_S,
            pause=pause,
        )

    async def told(self, version: str) -> Counter[UUID]:
        rows = await self.mongo.collection(PolicyNotice).find({"version": version})
        return Counter(row["user_id"] for row in rows)

    async def mails(self, version: str) -> Counter[UUID]:
        rows = await self.mongo.collection(OutboxRow).find({"topic": MailRequestedV2.topic})
        due = [MailRequestedV2.model_validate_json(row["body"]) for row in rows]
        return Counter(each.user_id for each in due if each.document_version == version)


def account(user_id: UUID, status: Status) -> User:
    name = f"p{user_id.hex}"
    return User(
        id=user_id,
        email=f"{name}@example.com",
        email_key=f"{name}@example.com",
        username=name,
        username_key=name,
        password_hash="-",
        status=status,
        created_at=now() - timedelta(days=1),
    )


@pytest.fixture(scope="module")
async def town(mongo: Mongo, settings: AuthSettings) -> AsyncIterator[Town]:
    keys = DataKeys(mongo, settings)
    await keys.prepare()
    mongo.seals = sealing = Sealing(settings, keys)
    await mongo.prepare([*BUS_DOCUMENTS, Tombstone, *HOLDINGS.documents])
    tombstones, outbox = Tombstones(mongo), Outbox(mongo, "auth")
    Holder(HOLDINGS, mongo, None, tombstones, outbox, settings)
    store = Store.of(mongo, LookUps(BlindIndexes(SecretStr("a key of these tests"))))
    yield Town(settings, mongo, store, UnitOfWork(mongo, outbox, tombstones), tombstones)
    await sealing.close()


async def run_to_the_end(town: Town, teller: Notifying) -> None:
    async with teller._lease.held():
        await teller.tell_all()
    assert await town.store.notice_runs.unfinished() is None


async def test_everybody_is_told_once_also_when_who_tells_is_killed_again_and_again(town: Town) -> None:
    people = await town.settle(57)
    await town.settle(5, Status.UNVERIFIED)
    await town.settle(5, Status.DELETED)
    run = await town.begin("killed")
    for _ in range(4):
        teller = town.teller()
        async with teller._lease.held():
            telling = asyncio.create_task(teller.tell_all())
            before = (await town.told("killed")).total()
            await eventually(lambda: more_than(town, "killed", before))  # noqa: B023 - awaited here
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
    await run_to_the_end(town, town.teller())
    assert await town.told("killed") == await town.mails("killed") == Counter(people)
    (row,) = await town.mongo.collection(NoticeRun).find({"_id": run.id})
    assert row["told"] == len(people)


async def more_than(town: Town, version: str, count: int) -> bool:
    return (await town.told(version)).total() > count or await town.store.notice_runs.unfinished() is None


async def test_two_who_both_believe_to_have_the_lease_tell_nobody_twice(town: Town) -> None:
    await town.settle(30)
    run = await town.begin("twice")
    await asyncio.gather(*(town.teller().tell_some(run) for _ in range(5)))
    assert set((await town.told("twice")).values()) == {1}
    assert (await town.told("twice")).total() == MAILS_PER_S
    await run_to_the_end(town, town.teller())
    assert set((await town.mails("twice")).values()) == {1}


async def test_no_more_are_told_in_a_second_than_the_setting_says(town: Town) -> None:
    await town.settle(25)
    await town.begin("paced")
    town.paused.clear()
    await run_to_the_end(town, town.teller())
    told = (await town.told("paced")).total()
    assert told > 2 * MAILS_PER_S
    assert sum(town.paused) >= told / MAILS_PER_S


async def test_who_has_accepted_it_or_heard_of_it_or_is_being_erased_is_not_told(town: Town) -> None:
    knows, leaves, heard, other = await town.settle(4)
    await town.store.notices.add([heard], "terms", "known", now())
    await town.store.acceptances.add(
        Acceptance(
            id=new_id(),
            user_id=knows,
            document="terms",
            version="known",
            source="registration",
            created_at=now(),
        )
    )
    await town.tombstones.set(leaves, uuid4())
    await town.begin("known")
    await run_to_the_end(town, town.teller())
    told = await town.told("known")
    assert told[other] == told[heard] == 1
    assert not {knows, leaves} & set(told)
    assert set(await town.mails("known")) == set(told) - {heard}
