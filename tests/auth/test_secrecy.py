"""What auth must not say: to its log, to Kafka, to its metrics, or in an answer."""

import logging
from collections.abc import Iterator
from io import StringIO

import pytest
from structlog.stdlib import ProcessorFormatter

from libs.common.events import auth as produced
from libs.common.events.base import Event
from libs.common.testing.kafka import records_of
from tests.auth.events import events_of
from tests.auth.people import ADDRESS, API, Auth, Person, form, somebody

AGENT = "Unmistakable-Agent/7.7"


async def a_whole_life(auth: Auth) -> tuple[Person, list[str]]:
    """Everything that can be done with an account; return the person and all that must stay secret."""
    person = somebody()
    await auth.post("/users", form(person))
    await auth.post("/users", form(person))
    token = await auth.verification_token(person.email, 2)
    await auth.post("/users/verify", {"token": token})
    await auth.post("/users", form(somebody(), email=person.email))
    await auth.post("/users/verify/resend", {"email": person.email})
    await auth.post("/sessions", {"login": person.email, "password": "not the password"})
    await auth.sign_in(person, **{"User-Agent": AGENT})
    refreshed = await auth.post("/sessions/refresh", {"refresh_token": person.tokens["refresh_token"]})
    secrets = [person.tokens["refresh_token"], person.tokens["access_token"], token]
    person.tokens = refreshed.json()
    await auth.get("/sessions", person)
    await auth.patch("/me", {"preferences": {"motto": "unmistakable-motto"}}, person)
    await auth.patch("/me", {"username": "a b"}, person)
    new = "another-Harbour-77"
    await auth.post("/me/password", {"current_password": person.password, "new_password": new}, person)
    secrets += [person.email, person.username, person.password, new, ADDRESS, AGENT, "unmistakable-motto"]
    for method in ("PUT", "DELETE"):
        await auth.client.request(method, f"{API}/me/restriction", headers=person.headers)
    person.password = new
    await auth.delete("/me", person, {"password": new})
    await auth.sign_in(person)
    return person, secrets


@pytest.fixture
def log() -> Iterator[StringIO]:
    """All that the process logs, at the most talkative level."""
    root, written = logging.getLogger(), StringIO()
    level = root.level
    handlers = [each for each in root.handlers if isinstance(each.formatter, ProcessorFormatter)]
    streams = [each.setStream(written) for each in handlers if isinstance(each, logging.StreamHandler)]
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(level)
    for handler, stream in zip(handlers, streams, strict=True):
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


async def test_nothing_personal_or_secret_reaches_the_log(auth: Auth, log: StringIO) -> None:
    person, secrets = await a_whole_life(auth)
    user_id = await auth.user_id(person)
    answer = await auth.delete("/me", person, {"password": "another-Harbour-77", "now": True})
    assert answer.status_code == 202
    await events_of(auth, produced.UserDeletedV1, user_id)
    written = log.getvalue()
    assert "http.answered" in written
    assert not [secret for secret in [*secrets, answer.json()["case_token"]] if secret in written]


async def test_nothing_personal_or_secret_reaches_kafka(auth: Auth) -> None:
    person, secrets = await a_whole_life(auth)
    user_id = await auth.user_id(person)
    await auth.delete("/me", person, {"password": "another-Harbour-77", "now": True})
    await events_of(auth, produced.UserDeletedV1, user_id)
    kinds = [kind for kind in vars(produced).values() if isinstance(kind, type) and issubclass(kind, Event)]
    topics = sorted({kind.topic for kind in kinds if kind is not Event})
    bootstrap = auth.service.settings.kafka_bootstrap
    published = [record for topic in topics for record in await records_of(bootstrap, topic)]
    about = [each for each in published if str(user_id).encode() in (each.value or b"")]
    assert {each.topic for each in about} == set(topics)
    for each in about:
        text = f"{each.key!r} {each.value!r} {each.headers!r}"
        assert not [secret for secret in secrets if secret in text]


async def test_nothing_personal_reaches_the_metrics(auth: Auth) -> None:
    person, secrets = await a_whole_life(auth)
    written = (await auth.client.get("/metrics")).text
    assert 'pixera_auth_sign_ins_total{outcome="signed_in"}' in written
    assert "pixera_auth_argon2_seconds_bucket" in written
    assert not [secret for secret in [*secrets, str(await auth.user_id(person))] if secret in written]


async def test_a_password_in_the_wrong_place_is_not_echoed(auth: Auth) -> None:
    secret = "unmistakable-Secret-99"
    for path, body in (
        ("/users", form(somebody(), email=secret)),
        ("/users", form(somebody(), password=[secret])),
        ("/sessions", {"login": "ada", "password": {"value": secret}}),
        ("/sessions/refresh", {"refresh_token": secret * 10}),
    ):
        answer = await auth.client.post(API + path, json=body)
        assert answer.status_code == 422
        assert secret not in answer.text
