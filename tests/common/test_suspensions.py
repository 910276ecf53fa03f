"""A copy of who is suspended: the last word counts in any order, and each of the two suspensions by itself."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from libs.common.clock import now
from libs.common.errors import AccountHidden, ProcessingRestricted
from libs.common.events.auth import UserHiddenV1, UserRestoredV1, UserRestrictedV1, UserUnrestrictedV1
from libs.common.mongo import Mongo
from libs.common.suspensions import Changed, Suspension, Suspensions

HIDDEN_AT = now()
LATER = HIDDEN_AT + timedelta(seconds=1)


@pytest.fixture(scope="module")
async def suspensions(mongo: Mongo) -> Suspensions:
    await mongo.prepare([Suspension])
    return Suspensions(mongo)


def hidden(user_id: UUID, sequence: int) -> UserHiddenV1:
    return UserHiddenV1(
        user_id=user_id, reason="by-person", erased_from=LATER, hidden_at=HIDDEN_AT, sequence=sequence
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_the_last_word_counts_whatever_comes_first_or_twice(
    suspensions: Suspensions, order: Sequence[int]
) -> None:
    back, gone = uuid4(), uuid4()
    for user_id, first in ((back, 1), (gone, 2)):
        words: list[Changed] = [
            hidden(user_id, first),
            UserRestoredV1(user_id=user_id, sequence=3 - first),
            UserRestrictedV1(user_id=user_id, sequence=2 + first),
            UserUnrestrictedV1(user_id=user_id, sequence=5 - first),
        ]
        for number in (*order, *order):
            await suspensions.note(words[number])
    of_back, of_gone = await suspensions.of(back), await suspensions.of(gone)
    assert of_back is not None
    assert of_gone is not None
    assert (of_back.hidden_since, of_back.restricted) == (None, False)
    assert (of_gone.hidden_since is None, of_gone.restricted) == (False, True)


async def test_who_is_hidden_is_hidden_from_older_tokens_and_who_came_back_is_not(
    suspensions: Suspensions,
) -> None:
    user_id = uuid4()
    await suspensions.refuse_hidden(user_id, HIDDEN_AT)
    await suspensions.note(hidden(user_id, 1))
    with pytest.raises(AccountHidden):
        await suspensions.refuse_hidden(user_id, HIDDEN_AT - timedelta(seconds=1))
    await suspensions.refuse_hidden(user_id, LATER)
    await suspensions.refuse_use(user_id)


async def test_who_restricted_sees_what_is_theirs_and_nothing_is_made_of_it(suspensions: Suspensions) -> None:
    user_id = uuid4()
    await suspensions.note(UserRestrictedV1(user_id=user_id, sequence=1))
    await suspensions.refuse_hidden(user_id, HIDDEN_AT)
    with pytest.raises(ProcessingRestricted):
        await suspensions.refuse_use(user_id)
