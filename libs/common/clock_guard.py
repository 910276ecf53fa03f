"""The present for what cannot be undone: no process does such a thing by its own clock alone."""

from datetime import datetime

from libs.common.clock import MOST_APART, now
from libs.common.errors import Unavailable
from libs.common.mongo import Mongo


class ClocksApart(Unavailable):
    """The clocks of this process and of the database differ by much; which is right, nobody here can tell."""

    code, title = "clocks-apart", "The clocks of this process and of the database do not agree"


async def agreed_now(mongo: Mongo) -> datetime:
    """Return the present by the database's clock, where this process's agrees with it.

    What ends holds, accounts and retentions asks here before each round: by a clock that is a year ahead, all of
    them would be over. Its loop is put off by the error, goes on soon after the clocks agree, and calls people where
    they do not. The database's answer is what a round goes by, for ours may jump right after it.

    Raises:   ClocksApart: not outside the time that it took to ask, so a process that was frozen in between is none.
    """
    asked = now()
    told = await mongo.time()
    if asked - MOST_APART <= told <= now() + MOST_APART:
        return told
    raise ClocksApart(
        f"this process's clock is {(asked - told).total_seconds():.0f} s ahead of the database's"
    )
