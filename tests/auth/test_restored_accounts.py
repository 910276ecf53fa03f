"""Accounts of a restored backup: who asked to be deleted since is hidden again, and who came back is back."""

from libs.common.backup import accounts
from libs.common.backup.accounts import Wish
from libs.common.backup.aftermath import Aftermath
from libs.common.clock import new_id, now
from libs.common.events.auth import UserHiddenV1, UserRestoredV1
from libs.common.mongo import Row
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.vault.keys import DataKeys
from tests.auth.events import events_of
from tests.auth.people import Auth, Person
from tests.auth.test_deletion import left


async def restored(auth: Auth, row: Row) -> None:
    """Have an account be what a backup says of it."""
    await auth.mongo.collection("users").update_one({"_id": row["_id"]}, {"$set": row})


async def as_stored(auth: Auth, person: Person) -> Row:
    """Return an account as it lies in the database, and in a backup."""
    (row,) = await auth.mongo.collection("users").find({"_id": await auth.user_id(person)})
    return row


async def test_who_asked_to_be_deleted_since_is_hidden_again_and_may_come_back(auth: Auth) -> None:
    person = await auth.signed_in()
    before = await as_stored(auth, person)
    user_id, _ = await left(auth, person)
    (hidden,) = await events_of(auth, UserHiddenV1, user_id)
    after = await as_stored(auth, person)
    await restored(auth, before)
    assert await accounts.say_again(auth.mongo, hidden)
    again = await as_stored(auth, person)
    assert {**again, "case_id": after["case_id"]} == after
    assert again["case_id"]
    assert await accounts.hidden(auth.mongo, [user_id]) == 1
    assert (await auth.sign_in(person)).status_code == 201
    assert (await as_stored(auth, person))["status"] == "active"


async def test_of_two_wishes_the_later_one_counts_in_whichever_order_they_come(auth: Auth) -> None:
    person = await auth.signed_in()
    user_id, _ = await left(auth, person)
    hidden = await as_stored(auth, person)
    await auth.sign_in(person)
    wishes: list[Wish] = [
        *await events_of(auth, UserHiddenV1, user_id),
        *await events_of(auth, UserRestoredV1, user_id),
    ]
    for said in (wishes, wishes[::-1]):
        await restored(auth, hidden)
        assert [await accounts.say_again(auth.mongo, wish) for wish in said] == [True, True]
        row = await as_stored(auth, person)
        assert (row["status"], row["erased_from"], row["case_id"]) == ("active", None, None)


async def test_a_wish_of_an_account_that_is_not_there_or_being_erased_is_void(auth: Auth) -> None:
    person = await auth.signed_in()
    row = await as_stored(auth, person)
    wish = UserHiddenV1(
        user_id=row["_id"], reason="asked", erased_from=now(), hidden_at=now(), sequence=row["standings"] + 1
    )
    log = Aftermath("", None, {"auth": auth.mongo}, [])  # type: ignore[arg-type]
    assert not await log._said_again(wish.model_copy(update={"user_id": new_id()}))
    assert await log._said_again(wish)
    assert await log.hidden() == 1
    await restored(auth, row)
    await Tombstones(auth.mongo).set(row["_id"], new_id())
    assert not await log._said_again(wish)
    assert await as_stored(auth, person) == row
    await auth.mongo.collection(Tombstone).delete_many({"_id": row["_id"]})


async def test_an_account_without_its_key_is_counted(auth: Auth) -> None:
    person, keys = await auth.signed_in(), DataKeys(auth.mongo, auth.service.settings)
    before = await accounts.keyless(auth.mongo, keys)
    await keys.destroy(await auth.user_id(person))
    assert await accounts.keyless(auth.mongo, keys) == before + 1
