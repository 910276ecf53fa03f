"""Guessing is slowed down, and nobody can be locked out by somebody else's guesses."""

import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from libs.common.clock import now
from libs.common.errors import SubjectErased, TooMany
from libs.common.mongo import DuplicateKeyError
from libs.common.work import UnitOfWork
from services.auth.metrics import THROTTLED
from services.auth.repository import Pace, Store
from services.auth.settings import AuthSettings

NOBODY = UUID(int=0)
"""Stands for the account of a login that has none, so that both take the same steps."""
MAIL_PACE = Pace(free=4, first_delay_s=60, longest_delay_s=3600)
RACES = 5


class Gates:
    """Counts tries before they are made, by what was typed and by where they come from.

    Sign-ins from a network where the account has signed in before are counted apart. Strangers are counted by their
    network, and all of them together much more loosely, so that one who fails on purpose delays neither the owner
    nor, before long, other strangers. No delay is longer than `sign_in_longest_delay_s`.

    Personal: a key is a keyed hash of the login as it was typed: it links an address to no username, and outlives
              neither its day nor the account. Tries at an account are written inside its fence.
    Source:   ASVS 5.0 6.3.1; OWASP Authentication Cheat Sheet (device cookies, by network instead of a cookie).
    """

    def __init__(self, settings: AuthSettings, store: Store, work: UnitOfWork) -> None:
        self._store, self._work = store, work
        self._key = settings.pseudonym_key.get_secret_value().encode()
        longest = settings.sign_in_longest_delay_s
        self._password = Pace(settings.sign_in_free_tries, first_delay_s=1, longest_delay_s=longest)
        self._strangers = Pace(settings.sign_in_free_strangers, first_delay_s=1, longest_delay_s=longest)

    async def sign_in(self, user_id: UUID | None, login: str, network: str) -> list[str]:
        """Let a sign-in through to the password; return the keys to clear once it was right.

        An unknown account is counted just as a known one is.

        Raises:   TooMany (429), with Retry-After.
        """
        if await self._store.sessions.has_been_at(user_id or NOBODY, network):
            paces = {self._hashed("sign-in", login, "known"): self._password}
        else:
            paces = self._of_strangers("sign-in", login, network)
        return await self._enter("sign-in", paces, user_id)

    async def staff(self, name: str, network: str) -> list[str]:
        """Let an operator's sign-in through to the password; return the keys to clear once it was right.

        Raises:   TooMany (429), with Retry-After.
        """
        return await self._enter("staff", self._of_strangers("staff", name, network), None)

    async def password(self, user_id: UUID) -> list[str]:
        """Let a signed-in person try the password again; return the keys to clear once it was right.

        Raises:   TooMany (429), with Retry-After.
        """
        return await self._enter(
            "password", {self._hashed("password", str(user_id)): self._password}, user_id
        )

    async def mail(self, user_id: UUID | None, address: str) -> None:
        """Let one more mail that anybody can cause go to an address, whether or not it has an account.

        Raises:   TooMany (429), with Retry-After.
        """
        await self._enter("mail", {self._hashed("mail", address): MAIL_PACE}, user_id)

    async def clear(self, keys: list[str]) -> None:
        """Forget the tries, because one succeeded."""
        await self._store.throttles.clear(keys)

    async def _enter(self, what: str, paces: Mapping[str, Pace], user_id: UUID | None) -> list[str]:
        wait = await self._wait(paces, user_id)
        if wait > timedelta(0):
            THROTTLED.labels(what).inc()
            raise TooMany("too many tries, wait a little", retry_after=math.ceil(wait.total_seconds()))
        return list(paces)

    async def _wait(self, paces: Mapping[str, Pace], user_id: UUID | None) -> timedelta:
        """Count a try and return zero, or return how long to wait (then nothing is counted)."""
        for _ in range(RACES):
            moment = now()
            try:
                await self._work.run(
                    lambda: self._store.throttles.count(paces, user_id, moment),  # noqa: B023 - run in here
                    subject=user_id or NOBODY,
                )
                return timedelta(0)
            except SubjectErased:  # closed a moment ago: it counts as a login that has no account
                user_id = None
            except DuplicateKeyError:
                wait = await self._store.throttles.wait(paces, moment)
                if wait > timedelta(0):
                    return wait
        return timedelta(seconds=1)

    def _of_strangers(self, what: str, login: str, network: str) -> dict[str, Pace]:
        return {
            self._hashed(what, login, "new", network): self._password,
            self._hashed(what, login, "strangers"): self._strangers,
        }

    def _hashed(self, *parts: str) -> str:
        return hmac.new(self._key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()
