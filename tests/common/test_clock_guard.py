"""What cannot be undone is done by no clock that differs much from the database's."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from libs.common import clock_guard
from libs.common.clock import MOST_APART, now
from libs.common.clock_guard import ClocksApart, agreed_now
from libs.common.mongo import Mongo
from libs.common.settings import CommonSettings, MongoDriver
from tests.clocks import off_by


@pytest.fixture(params=list(MongoDriver))
async def mongo(request: pytest.FixtureRequest, common_settings: CommonSettings) -> AsyncIterator[Mongo]:
    """A database, through one driver and then the other."""
    settings = common_settings.model_copy(update={"mongo_driver": request.param})
    mongo = Mongo.connect(settings, uuid4().hex[:8])
    yield mongo
    await mongo.close()


@pytest.mark.parametrize("by", [timedelta(days=366), 2 * MOST_APART, -2 * MOST_APART])
async def test_a_clock_that_is_off_is_refused_until_it_is_right_again(mongo: Mongo, by: timedelta) -> None:
    with off_by(by), pytest.raises(ClocksApart):
        await agreed_now(mongo)
    assert abs(await agreed_now(mongo) - now()) < MOST_APART


async def test_the_present_is_the_databases_where_clocks_differ_by_little(mongo: Mongo) -> None:
    with off_by(MOST_APART / 2):
        assert MOST_APART / 3 < now() - await agreed_now(mongo) < MOST_APART


async def test_a_process_that_was_frozen_while_it_asked_is_not_called_wrong(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = now()
    reads = iter((asked - timedelta(minutes=5), asked + timedelta(minutes=5)))
    monkeypatch.setattr(clock_guard, "now", lambda: next(reads))
    assert abs(await agreed_now(mongo) - asked) < MOST_APART
