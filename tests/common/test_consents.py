"""A copy of the switchboards: the last word counts, however often and in whatever order words come."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar
from uuid import UUID, uuid4

import pytest
from pydantic import Field

from contracts.data_map import all_holdings
from libs.common.clock import now
from libs.common.consents import Consents, Switchboard, keeps
from libs.common.document import Document
from libs.common.events.auth import ConsentChangedV1
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import Basis, ChosenPurpose, Personal, SubjectId
from libs.common.privacy.holdings import CollectionHolding, Holdings, UndeclaredHolding
from libs.common.privacy.purposes import DECLARED, Decision

PHOTO, TASTE = ChosenPurpose.PHOTO_DETAILS, ChosenPurpose.PERSONALISATION
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
async def consents(mongo: Mongo) -> Consents:
    await mongo.prepare([Switchboard])
    return Consents(mongo)


def word(user_id: UUID, sequence: int, state: Decision, purpose: ChosenPurpose = PHOTO) -> ConsentChangedV1:
    return ConsentChangedV1(
        user_id=user_id,
        purpose=purpose,
        state=state,
        policy_version="1",
        sequence=sequence,
        changed_at=LONG_AGO + timedelta(days=sequence),
    )


async def test_who_said_nothing_consented_to_nothing_and_objected_to_nothing(consents: Consents) -> None:
    nobody = uuid4()
    assert not await consents.allows(nobody, TASTE)
    assert await consents.allows(nobody, PHOTO)


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
async def test_the_last_word_counts_whatever_comes_first_or_twice(
    consents: Consents, order: Sequence[int]
) -> None:
    for last in (Decision.GIVEN, Decision.OBJECTED):
        user_id = uuid4()
        other = Decision.OBJECTED if last is Decision.GIVEN else Decision.GIVEN
        words = {1: word(user_id, 1, last), 2: word(user_id, 2, other), 3: word(user_id, 3, last)}
        for number in (*order, *order):
            await consents.note(words[number])
        standing = (await consents.standings(user_id))[PHOTO]
        assert (standing.decision, standing.sequence) == (last, 3)
        assert standing.changed_at == words[3].changed_at
        assert await consents.allows(user_id, PHOTO) == (last is Decision.GIVEN)


async def test_one_purpose_says_nothing_about_another(consents: Consents) -> None:
    user_id = uuid4()
    await consents.note(word(user_id, 1, Decision.OBJECTED))
    await consents.note(word(user_id, 1, Decision.GIVEN, TASTE))
    assert not await consents.allows(user_id, PHOTO)
    assert await consents.allows(user_id, TASTE)


async def test_what_was_made_before_a_no_is_not_kept_after_a_later_yes(consents: Consents) -> None:
    user_id, before = uuid4(), now()
    await consents.note(word(user_id, 1, Decision.OBJECTED))
    between = now()
    assert not keeps(await consents.standings(user_id), PHOTO, between + timedelta(days=1))
    await consents.note(word(user_id, 2, Decision.GIVEN))
    standings = await consents.standings(user_id)
    assert not keeps(standings, PHOTO, before)
    assert not keeps(standings, PHOTO, between)
    assert keeps(standings, PHOTO, now() + timedelta(milliseconds=1))
    await consents.note(word(user_id, 1, Decision.OBJECTED))
    assert await consents.standings(user_id) == standings


async def test_a_no_that_comes_after_the_yes_that_followed_it_still_ends_what_was_before_it(
    consents: Consents,
) -> None:
    user_id = uuid4()
    await consents.note(word(user_id, 2, Decision.GIVEN))
    await consents.note(word(user_id, 1, Decision.OBJECTED))
    standings = await consents.standings(user_id)
    assert not keeps(standings, PHOTO, LONG_AGO)
    assert keeps(standings, PHOTO, now())


def test_what_is_kept_by_consent_names_what_is_consented_to() -> None:
    class Wish(Document):
        collection: ClassVar[str] = "wishes"
        id: SubjectId = Field(alias="_id")
        taste: Annotated[str, Personal("user.account.settings", basis=Basis.CONSENT)]
        camera: Annotated[str, Personal("user.device", basis=Basis.CONSENT, chosen=PHOTO)]

    holdings = Holdings("tests", collections=(CollectionHolding(Wish, subject="_id"),))
    with pytest.raises(UndeclaredHolding) as refused:
        holdings.check([Wish])
    assert "`taste` is kept by consent: name the purpose" in str(refused.value)
    assert "`camera` is kept for `photo-details`, whose basis is legitimate_interests" in str(refused.value)


def test_no_purpose_is_asked_about_that_nothing_is_kept_for() -> None:
    kept = {
        mark.chosen
        for holdings in all_holdings()
        for holding in holdings.collections
        for mark in holding.personal.values()
    }
    assert kept - {None} == set(ChosenPurpose) == set(DECLARED)
