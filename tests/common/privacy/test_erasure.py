"""Erasure: everything of one person goes, nothing of another, and the counts are exact."""

from datetime import timedelta
from uuid import uuid4

import pytest

from libs.common.bus.outbox import OutboxRow
from libs.common.errors import Unavailable
from libs.common.events.privacy import ActionRecordedV1, HoldingErasure
from libs.common.mongo import Mongo
from libs.common.privacy import rows
from libs.common.privacy.annotations import TAX
from libs.common.privacy.holder import Holder
from libs.common.privacy.progress import Progress
from libs.common.privacy.rows import GROUND, UNTIL
from libs.common.storage import Storage
from libs.common.vault.keys import DataKey, DataKeys, vault_database
from tests.common.privacy.studio import BUCKET, EPOCH, Picture, Receipt, Studio

ROWS = {
    "gallery.accounts": 1,
    "gallery.pictures": 5,
    "gallery.receipts": 3,
    "gallery.visits": 1,
    "gallery.codes": 1,
}
FOUND = {**ROWS, "gallery.files": 5, "vault.keys": 1}
ERASED = {**FOUND, "gallery.receipts": 0}


def erased(outcome: list[HoldingErasure]) -> dict[str, int]:
    return {each.holding: each.erased for each in outcome}


async def test_the_inventory_counts_every_holding_and_says_where_objects_are(studio: Studio) -> None:
    person = await studio.settle()
    inventory = {each.holding: each for each in await studio.holder.inventory(person, uuid4())}
    assert {name: each.found for name, each in inventory.items()} == FOUND
    files = inventory["gallery.files"]
    assert (files.kind, files.bucket, f"{files.locator}/") == ("objects", BUCKET, studio.prefix(person))


async def test_the_inventory_does_not_change_once_it_was_taken(studio: Studio) -> None:
    person, case = await studio.settle(), uuid4()
    first = await studio.holder.inventory(person, case)
    await studio.mongo.collection(Picture).insert_one(studio.picture(person).to_mongo())
    assert await studio.holder.inventory(person, case) == first


async def test_of_two_inventories_at_once_the_first_is_kept(studio: Studio) -> None:
    person, progress = uuid4(), Progress(studio.mongo)
    await studio.tombstones.set(person, uuid4())
    assert await progress.freeze_counts(person, {"gallery.codes": 3}) == {"gallery.codes": 3}
    assert await progress.freeze_counts(person, {"gallery.codes": 4}) == {"gallery.codes": 3}


async def test_everything_of_the_person_goes_and_nothing_of_another(studio: Studio) -> None:
    person, other, case = await studio.settle(), await studio.settle(), uuid4()
    before = await studio.rows(other), await studio.objects(other)
    await studio.holder.inventory(person, case)
    outcome = await studio.holder.erase(person, case)
    assert erased(outcome) == ERASED
    assert await studio.rows(person) == {}
    assert await studio.objects(person) == 0
    assert not any((await studio.holder.verify(person)).values())
    assert (await studio.rows(other), await studio.objects(other)) == before


async def test_what_went_another_way_after_the_count_is_told_as_such(studio: Studio) -> None:
    """A person deletes a picture and then the account: its row may go between the inventory and the erasure."""
    person, case = await studio.settle(), uuid4()
    await studio.holder.inventory(person, case)
    await studio.mongo.collection(Picture).delete_one({"user_id": person})
    outcome = {each.holding: each for each in await studio.holder.erase(person, case)}
    pictures = outcome["gallery.pictures"]
    assert (pictures.erased, pictures.already_gone) == (FOUND["gallery.pictures"] - 1, 1)
    assert sum(each.already_gone for each in outcome.values()) == 1


async def test_older_versions_and_delete_markers_go_too(studio: Studio) -> None:
    person = await studio.settle(pictures=2)
    await studio.put(person, ["picture-0", "picture-0"])
    hidden = studio.storage._client.remove_object
    await studio.storage._run("test", lambda: hidden(BUCKET, studio.prefix(person) + "picture-1"))
    assert await studio.objects(person) == 5
    outcome = await studio.holder.erase(person, uuid4())
    assert erased(outcome)["gallery.files"] == 5
    assert await studio.objects(person) == 0


async def test_payments_stay_under_a_pseudonym_with_ground_and_date(studio: Studio) -> None:
    person = await studio.settle(receipts=3)
    ids = await studio.mongo.collection(Receipt).distinct("_id", {"user_id": person})
    outcome = {each.holding: each for each in await studio.holder.erase(person, uuid4())}
    await studio.holder.complete(person)
    latest = TAX.end_of(EPOCH + timedelta(days=2))
    kept = HoldingErasure(
        holding="gallery.receipts", erased=0, retained=3, ground="tax-law", retained_until=latest.date()
    )
    assert outcome["gallery.receipts"] == kept
    receipts = await studio.mongo.collection(Receipt).find({"_id": {"$in": ids}})
    (pseudonym,) = {row["user_id"] for row in receipts}
    assert pseudonym != person
    assert [row[UNTIL] for row in receipts] == [TAX.end_of(row["created_at"]) for row in receipts]
    assert {row[GROUND] for row in receipts} == {"tax-law"}
    assert all("name" not in row and row["amount"] == 500 for row in receipts)
    assert pseudonym not in (await studio.tombstone(person)).values(), (
        "the pseudonym leads back to the person"
    )


async def test_two_people_and_two_cases_get_pseudonyms_of_their_own(studio: Studio) -> None:
    people = [await studio.settle(receipts=2) for _ in range(2)]
    before = set(await studio.mongo.collection(Receipt).distinct("user_id", {}))
    for person in people:
        await studio.holder.erase(person, uuid4())
    after = set(await studio.mongo.collection(Receipt).distinct("user_id", {}))
    assert len(after - before) == 2
    assert not after & set(people)


async def test_a_repeated_request_answers_the_same_counts(studio: Studio) -> None:
    person, case = await studio.settle(), uuid4()
    first = await studio.holder.erase(person, case)
    await studio.holder.complete(person)
    assert await studio.holder.erase(person, case) == first


async def test_without_a_tombstone_one_is_written_first(studio: Studio) -> None:
    """As after a restored backup, or where the inventory's request was lost."""
    person = await studio.settle()
    assert erased(await studio.holder.erase(person, uuid4())) == ERASED
    assert (await studio.tombstone(person))["inventory"] == {
        name.replace(".", "/"): found for name, found in FOUND.items()
    }


async def test_nothing_held_is_counted_as_nothing(studio: Studio) -> None:
    outcome = await studio.holder.erase(uuid4(), uuid4())
    assert set(erased(outcome).values()) == {0}
    assert {each.retained for each in outcome} == {0}


async def test_more_rows_than_fit_one_transaction(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 4)
    person = await studio.settle(pictures=11, receipts=9)
    ids = await studio.mongo.collection(Receipt).distinct("_id", {"user_id": person})
    outcome = {each.holding: each for each in await studio.holder.erase(person, uuid4())}
    latest = TAX.end_of(EPOCH + timedelta(days=8))
    assert outcome["gallery.pictures"].erased == 11
    assert outcome["gallery.receipts"].retained == 9
    assert outcome["gallery.receipts"].retained_until == latest.date()
    assert len(await studio.mongo.collection(Receipt).distinct("user_id", {"_id": {"$in": ids}})) == 1
    assert await studio.rows(person) == {}


async def test_rows_stay_until_the_objects_are_gone(studio: Studio) -> None:
    """A row that went before its bytes would leave bytes that nobody knows of."""
    person, case, held = await studio.settle(), uuid4(), studio.holder
    await held.inventory(person, case)
    settings = studio.settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    down = Storage(settings)
    cut_off = Holder(held.holdings, studio.mongo, down, studio.tombstones, held.outbox, settings)
    with pytest.raises(Unavailable):
        await cut_off.erase(person, case)
    assert sum((await studio.rows(person)).values()) == sum(ROWS.values())
    assert erased(await held.erase(person, case)) == ERASED
    await down.close()


async def test_the_key_goes_after_everything_else_and_the_audit_is_told_once(studio: Studio) -> None:
    person, case = await studio.settle(), uuid4()
    (sealed,) = await studio.sealing.seal(person, ["words"])
    await studio.holder.inventory(person, case)
    assert erased(await studio.holder.erase(person, case))["vault.keys"] == 1
    assert erased(await studio.holder.erase(person, case))["vault.keys"] == 1
    studio.sealing.forget(person)
    assert await studio.sealing.opened(person, [sealed]) == [None]
    rows = await studio.mongo.collection(OutboxRow).find({"topic": ActionRecordedV1.topic})
    told = [ActionRecordedV1.model_validate_json(row["body"]) for row in rows]
    (of_person,) = [each for each in told if each.user_id == person]
    assert (of_person.action, of_person.ground, of_person.count) == ("key.destroyed", "erasure", 1)


async def test_the_key_stays_while_an_object_cannot_be_deleted(studio: Studio) -> None:
    person, held = await studio.settle(), studio.holder
    down = Storage(studio.settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:1"}))
    broken = Holder(held.holdings, studio.mongo, down, studio.tombstones, held.outbox, studio.settings)
    with pytest.raises(Unavailable):
        await broken.erase(person, uuid4())
    studio.tombstones.on_sweep(held.sweep)
    await down.close()
    (sealed,) = await studio.sealing.seal(person, ["words"])
    assert await studio.sealing.opened(person, [sealed]) == ["words"]


async def test_a_key_that_a_restored_vault_brought_back_is_swept(studio: Studio) -> None:
    person, case = await studio.settle(), uuid4()
    keys = Mongo(studio.mongo.client, vault_database(studio.settings)).collection(DataKey)
    mine = {"keyAltNames": DataKeys(studio.mongo, studio.settings).name_of(person)}
    backup = await keys.find_one(mine)
    assert backup is not None
    await studio.holder.erase(person, case)
    await studio.holder.complete(person)
    await keys.delete_one(mine)
    await keys.insert_one(backup)
    assert (await studio.holder.verify(person))["vault.keys"] == 1
    await studio.holder.sweep_late()
    assert (await studio.holder.verify(person))["vault.keys"] == 0
