"""What auth holds of people, and that an erasure leaves none of it."""

from uuid import uuid4

from libs.common.bus.outbox import Outbox
from libs.common.document import Document
from libs.common.privacy.annotations import personal_fields
from libs.common.privacy.holder import Holder
from libs.common.privacy.tombstones import Tombstones
from services.auth import agreement_models, models, session_models
from services.auth.privacy import HOLDINGS
from tests.auth.people import Auth, problem

HELD = [each.document for each in HOLDINGS.collections]


def test_every_collection_is_declared_and_can_be_erased() -> None:
    HOLDINGS.check()
    assert HOLDINGS.operational == (agreement_models.PolicyVersion, agreement_models.NoticeRun)


def test_the_fields_that_say_who_a_person_is_are_declared() -> None:
    marks = {path: mark.category for path, mark in personal_fields(models.User).items()}
    assert marks["email"] == marks["email_key"] == "user.contact.email"
    assert marks["username"] == marks["username_key"] == "user.account.username"
    assert marks["password_hash"] == "user.authorization.password"
    technical = personal_fields(session_models.Session)
    assert technical["ip"].retention.period is not None
    assert technical["user_agent"].retention.period is not None


async def test_an_erasure_takes_every_row_of_the_person_and_none_of_another(auth: Auth) -> None:
    person, other = await auth.signed_in(), await auth.signed_in()
    user_id, other_id = await auth.user_id(person), await auth.user_id(other)
    for each in (person, other):
        await auth.post("/sessions", {"login": each.email, "password": "not the password"})
        await auth.post("/users/verify/resend", {"email": each.email})
    before = {each.collection: await rows_of(auth, each, other_id) for each in HELD}
    await auth.delete("/me", person, {"password": person.password, "now": True})
    tombstones, outbox, case_id = Tombstones(auth.mongo), Outbox(auth.mongo, "auth"), uuid4()
    holder = Holder(HOLDINGS, auth.mongo, None, tombstones, outbox, auth.service.settings)
    found = {each.holding: each.found for each in await holder.inventory(user_id, case_id)}
    erased = {each.holding: each.erased for each in await holder.erase(user_id, case_id)}
    assert erased == found
    assert found["auth.users"] == 1
    assert found["auth.acceptances"] == 3
    for document in HELD:
        assert await rows_of(auth, document, user_id) == []
    assert {each.collection: await rows_of(auth, each, other_id) for each in HELD} == before


async def test_a_try_at_an_account_that_is_being_erased_leaves_nothing_of_it(auth: Auth) -> None:
    person = await auth.registered()
    user_id = await auth.user_id(person)
    await Tombstones(auth.mongo).set(user_id, uuid4())
    before = {row["_id"] for row in await auth.rows("throttles")}
    answer = await auth.post("/sessions", {"login": person.email, "password": person.password})
    assert problem(answer, 401) == "wrong-credentials"
    new = [row for row in await auth.rows("throttles") if row["_id"] not in before]
    assert [row["user_id"] for row in new] == [None, None]
    assert not [row for row in new if person.email in str(row)]


async def rows_of(auth: Auth, document: type[Document], user_id: object) -> list[dict[str, object]]:
    subject = {each.document: each.subject for each in HOLDINGS.collections}[document]
    return await auth.rows(document.collection, **{subject: user_id})
