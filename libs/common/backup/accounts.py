"""The accounts of a restored auth: who wants to leave and may still come back, and whose key is not there.

Nobody of these is erased yet, so no tombstone tells of them; and a restored account knows nothing of a wish that came
after the backup.
"""

from collections.abc import Iterable
from typing import TypeAlias
from uuid import UUID

from libs.common.clock import new_id
from libs.common.events.auth import UserHiddenV1, UserRestoredV1
from libs.common.mongo import Mongo, Row
from libs.common.privacy.tombstones import Tombstones
from libs.common.suspensions import Suspensions
from libs.common.vault.keys import DataKeys

SERVICE, ROWS = "auth", "users"
ACTIVE, HIDDEN = "active", "hidden"
AT_ONCE = 1_000

Wish: TypeAlias = UserHiddenV1 | UserRestoredV1


async def say_again(auth: Mongo, wish: Wish) -> bool:
    """Have an account be as its person wished, if it knows of no later wish.

    Returns:  whether there is such an account; one that is being erased goes anyway.
    Effects:  the account, and auth's own copy of who is hidden.
    """
    accounts, account = auth.collection(ROWS), {"_id": wish.user_id, "status": {"$in": [ACTIVE, HIDDEN]}}
    if await Tombstones(auth).find(wish.user_id) or not await accounts.count(account):
        return False
    await accounts.update_one({**account, "standings": {"$lt": wish.sequence}}, {"$set": _standing(wish)})
    await Suspensions(auth).note(wish)
    return True


async def hidden(auth: Mongo, people: Iterable[UUID]) -> int:
    """Count those of these people who are hidden."""
    return await auth.collection(ROWS).count({"_id": {"$in": list(people)}, "status": HIDDEN})


async def keyless(auth: Mongo, keys: DataKeys) -> int:
    """Count the accounts whose person has no key: each was sealed with one, and nobody opens it any more."""
    missing = 0
    async for page in auth.collection(ROWS).pages({}, size=AT_ONCE, projection={"_id": 1}):
        people = [row["_id"] for row in page]
        missing += len(people) - len(await keys.having(people))
    return missing


def _standing(wish: Wish) -> Row:
    """Return what an account is by a wish. The erasure's case is a new one: the event does not name the first."""
    if isinstance(wish, UserRestoredV1):
        nothing = dict.fromkeys(("hidden_at", "erased_from", "case_id"))
        return {**nothing, "status": ACTIVE, "standings": wish.sequence}
    return {
        "status": HIDDEN,
        "hidden_at": wish.hidden_at,
        "erased_from": wish.erased_from,
        "case_id": new_id(),
        "standings": wish.sequence,
    }
