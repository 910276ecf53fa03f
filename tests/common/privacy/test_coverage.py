"""A service that stores something nobody answers for does not start."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

import pytest
from pydantic import Field

from libs.common.bus.outbox import Outbox
from libs.common.document import Document, Index
from libs.common.privacy.annotations import (
    ACCOUNT,
    DAY,
    MONTH,
    QUARTER,
    TAX,
    EndlessRetention,
    Ends,
    Operational,
    Personal,
    Retention,
    SubjectId,
    UndeclaredField,
)
from libs.common.privacy.holder import Holder
from libs.common.privacy.holdings import (
    OF_THE_BUS,
    CollectionHolding,
    Holdings,
    ObjectsHolding,
    Pseudonymise,
    UndeclaredHolding,
)
from tests.common.privacy.studio import HOLDINGS, Account, Counter, Picture, Receipt, Studio


class Unindexed(Document):
    """A person's rows that only a scan of the collection finds."""

    collection: ClassVar[str] = "unindexed"

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    other_id: Operational[UUID]


class Undated(Document):
    """Rows that are kept for a time, from no time on."""

    collection: ClassVar[str] = "undated"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("user_id", 1),)),)

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
    ip: Annotated[str, Personal("user.device.ip_address", retention=DAY)]
    name: Annotated[str, Personal("user.name")]


def refusal(
    *collections: CollectionHolding, operational: tuple[type[Document], ...] = (), **more: Any
) -> str:
    documents = [*(held.document for held in collections), *operational]
    with pytest.raises(UndeclaredHolding) as refused:
        Holdings("studio", collections=collections, operational=operational, **more).check(documents)
    return str(refused.value)


def test_a_field_that_is_silent_about_itself_is_refused() -> None:
    with pytest.raises(UndeclaredField, match=r"Silent\.nickname"):

        class Silent(Document):
            collection: ClassVar[str] = "silent"
            id: Operational[UUID] = Field(alias="_id")
            nickname: str


def test_a_complete_declaration_passes() -> None:
    HOLDINGS.check()


def test_a_document_in_no_holding_is_refused_by_name() -> None:
    with pytest.raises(UndeclaredHolding, match=r"Picture .*add CollectionHolding\(Picture\)"):
        Holdings("studio", operational=(Counter,)).check([Counter, Picture])


def test_the_documents_of_the_services_own_modules_are_found() -> None:
    made = type("Stray", (Counter,), {"__module__": "services.nowhere.models", "collection": "strays"})
    assert Holdings("nowhere").stored_documents() == [made, *(held.document for held in OF_THE_BUS)]
    with pytest.raises(UndeclaredHolding, match="Stray"):
        Holdings("nowhere").check()


async def test_a_holder_of_undeclared_documents_is_not_made(studio: Studio) -> None:
    holdings = replace(HOLDINGS, operational=())
    outbox = Outbox(studio.mongo, "gallery")
    with pytest.raises(UndeclaredHolding, match="Counter"):
        Holder(holdings, studio.mongo, studio.storage, studio.tombstones, outbox, studio.settings)


def test_personal_fields_are_never_operational() -> None:
    assert "personal fields (_id, email, password_hash)" in refusal(operational=(Account,))


def test_the_subject_is_an_indexed_id_of_a_person() -> None:
    assert "`caption` is no field that is declared SubjectId" in refusal(
        CollectionHolding(Picture, "caption")
    )
    assert "`other_id` is no field" in refusal(CollectionHolding(Unindexed, "other_id"))
    assert "no index starts with `user_id`" in refusal(CollectionHolding(Unindexed))


def test_what_is_kept_for_a_time_has_a_time_and_can_lose_it() -> None:
    said = refusal(CollectionHolding(Undated))
    assert "`created_at` is no datetime field" in said
    assert "`ip` goes before its row does" in said


def test_what_the_law_keeps_is_dated_and_nothing_more_than_it_asks() -> None:
    assert "`name` is personal and no law asks for it" in refusal(
        CollectionHolding(Receipt, erase=Pseudonymise(TAX, "tax-law"))
    )
    assert "give keep_until a period" in refusal(
        CollectionHolding(Receipt, erase=Pseudonymise(ACCOUNT, "tax-law", drop=("name",)))
    )
    assert "key of their own" in refusal(
        CollectionHolding(Account, "_id", erase=Pseudonymise(TAX, "tax-law"))
    )


def test_two_holdings_of_one_name_are_refused() -> None:
    assert "two holdings are called studio.pictures" in refusal(
        CollectionHolding(Picture), CollectionHolding(Picture)
    )
    parts = CollectionHolding(Picture, label="old"), CollectionHolding(Picture, label="new")
    Holdings("studio", collections=parts, objects=(ObjectsHolding("bucket", "files"),)).check([Picture])


def test_every_fault_is_told_at_once() -> None:
    assert refusal(CollectionHolding(Unindexed), CollectionHolding(Undated)).count("\n- ") == 3


async def test_collections_that_nobody_declared_are_found(studio: Studio) -> None:
    assert await HOLDINGS.undeclared_collections(studio.mongo) == []
    await studio.mongo.collection("forgotten").insert_one({"_id": uuid4()})
    assert await HOLDINGS.undeclared_collections(studio.mongo) == ["forgotten"]
    await studio.mongo.collection("forgotten").raw.drop()


def test_rows_and_fields_live_as_long_as_they_say() -> None:
    by_name = {held.document.collection: held for held in HOLDINGS.collections}
    assert by_name["visits"].row_retention == QUARTER
    assert by_name["visits"].field_retentions == {"ip": MONTH}
    assert by_name["codes"].row_retention == DAY
    assert by_name["accounts"].row_retention is None
    assert replace(by_name["accounts"], kept=MONTH).row_retention == MONTH


def test_a_time_that_nobody_ends_is_refused() -> None:
    for period, ends in ((None, Ends.TIME), (DAY.period, Ends.ACCOUNT)):
        with pytest.raises(EndlessRetention, match="say with ends="):
            Retention("for a while", period, ends=ends)
    expires = Retention("until it expires", ends=Ends.EXPIRY)
    assert "add an Index with expire_after" in refusal(CollectionHolding(Picture, kept=expires))
    done = Retention("until it is done", ends=Ends.DONE)
    assert "nobody enforces" in refusal(CollectionHolding(Picture, kept=done))


def test_tax_law_counts_whole_years_from_the_end_of_the_first() -> None:
    """§ 147(4) AO: the time begins with the end of the calendar year."""
    for made_at in (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, tzinfo=UTC)):
        assert TAX.end_of(made_at) == datetime(2035, 1, 1, tzinfo=UTC)
    assert TAX.over_before(datetime(2034, 12, 31, tzinfo=UTC)) == datetime(2026, 1, 1, tzinfo=UTC)
    assert TAX.over_before(datetime(2035, 1, 1, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
