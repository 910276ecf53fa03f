"""Guessing is slowed down, and nobody can be locked out by somebody else's guesses."""

import hashlib
import hmac
import math
from uuid import UUID

from pydantic import SecretStr

from libs.common.clock import now
from libs.common.errors import TooMany
from services.auth.metrics import THROTTLED
from services.auth.repository import Pace, Store

NOBODY = UUID(int=0)
MAIL_PACE = Pace(free=3, first_delay_s=60, longest_delay_s=3600)


class Gates:
    """Counts tries before they are made, by account and by where they come from.

    Sign-ins from an address where the account has signed in before are counted apart, so that a stranger who
    fails on purpose delays strangers only. No delay is longer than `sign_in_longest_delay_s`.

    Source:   ASVS 5.0 6.3.1; OWASP Authentication Cheat Sheet (device cookies, by address instead of a cookie).
    """

    def __init__(self, store: Store, key: SecretStr, free_tries: int, longest_delay_s: int) -> None:
        self._store, self._key = store, key
        self._password = Pace(free_tries, first_delay_s=1, longest_delay_s=longest_delay_s)

    async def sign_in(self, user_id: UUID | None, login: str, ip: str) -> str:
        """Let a sign-in through to the password; return the key to clear once it was right.

        An unknown account is counted just as a known one is.

        Raises:   TooMany (429), with Retry-After.
        """
        known = await self._store.sessions.has_been_at(user_id or NOBODY, ip)
        who = login if user_id is None else str(user_id)
        return await self._enter("sign-in", f"{who}:{'known' if known else 'new'}", user_id, self._password)

    async def password(self, user_id: UUID) -> str:
        """Let a signed-in person try the password again; return the key to clear once it was right.

        Raises:   TooMany (429), with Retry-After.
        """
        return await self._enter("password", str(user_id), user_id, self._password)

    async def mail(self, user_id: UUID) -> bool:
        """Tell whether one more mail that anybody can cause may go to this person now."""
        try:
            await self._enter("mail", str(user_id), user_id, MAIL_PACE)
        except TooMany:
            return False
        return True

    async def clear(self, key: str) -> None:
        """Forget the tries, because one succeeded."""
        await self._store.throttles.clear(key)

    async def _enter(self, what: str, who: str, user_id: UUID | None, pace: Pace) -> str:
        key = hmac.new(
            self._key.get_secret_value().encode(), f"{what}:{who}".encode(), hashlib.sha256
        ).hexdigest()
        wait = await self._store.throttles.enter(key, user_id, now(), pace)
        if wait:
            THROTTLED.labels(what).inc()
            raise TooMany("too many tries, wait a little", retry_after=math.ceil(wait.total_seconds()))
        return key
