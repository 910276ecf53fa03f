"""Guessing is slowed down, and nobody can be locked out by somebody else's guesses."""

from collections.abc import Mapping
from uuid import UUID

from libs.common.pacing import NOBODY, Pace, Pacing
from services.auth.repository import Store
from services.auth.settings import AuthSettings

MAIL_PACE = Pace(free=4, first_delay_s=60, longest_delay_s=3600)
CODE_PACE = Pace(free=20, first_delay_s=10, longest_delay_s=3600)
"""Of codes asked for from one network: several people may be behind it."""


class Gates:
    """Counts tries before they are made, by what was typed and by where they come from.

    Sign-ins from a network where the account has signed in before are counted apart. Strangers are counted by their
    network, and all of them together much more loosely, so that one who fails on purpose delays neither the owner
    nor, before long, other strangers. No delay is longer than `sign_in_longest_delay_s`.

    Personal: a key is a keyed hash of the login as it was typed: it links an address to no username, and outlives
              neither its day nor the account. Tries at an account are written inside its fence.
    Source:   ASVS 5.0 6.3.1; OWASP Authentication Cheat Sheet (device cookies, by network instead of a cookie).
    """

    def __init__(self, settings: AuthSettings, store: Store, pacing: Pacing) -> None:
        self._store, self._pacing = store, pacing
        longest = settings.sign_in_longest_delay_s
        self._password = Pace(settings.sign_in_free_tries, first_delay_s=1, longest_delay_s=longest)
        self._strangers = Pace(settings.sign_in_free_strangers, first_delay_s=1, longest_delay_s=longest)

    async def sign_in(self, user_id: UUID | None, login: str, network: str) -> list[str]:
        """Let a sign-in through to the password; return the keys to clear once it was right.

        An unknown account is counted just as a known one is.

        Raises:   TooMany (429), with Retry-After.
        """
        paces: Mapping[str, Pace]
        if await self._store.sessions.has_been_at(user_id or NOBODY, network):
            paces = {self._pacing.key("sign-in", login, "known"): self._password}
        else:
            paces = self._of_strangers("sign-in", login, network)
        return await self._pacing.enter("sign-in", paces, user_id)

    async def staff(self, name: str, network: str) -> list[str]:
        """Let an operator's sign-in through to the password; return the keys to clear once it was right.

        Raises:   TooMany (429), with Retry-After.
        """
        return await self._pacing.enter("staff", self._of_strangers("staff", name, network), None)

    async def password(self, user_id: UUID) -> list[str]:
        """Let a signed-in person try the password again; return the keys to clear once it was right.

        Raises:   TooMany (429), with Retry-After.
        """
        paces = {self._pacing.key("password", str(user_id)): self._password}
        return await self._pacing.enter("password", paces, user_id)

    async def mail(self, user_id: UUID | None, address: str) -> None:
        """Let one more mail that anybody can cause go to an address, whether or not it has an account.

        Raises:   TooMany (429), with Retry-After.
        """
        await self._pacing.enter("mail", {self._pacing.key("mail", address): MAIL_PACE}, user_id)

    async def code(self, user_id: UUID | None, address: str, network: str) -> None:
        """Let one more code be asked for, whether or not the address has an account.

        Raises:   TooMany (429), with Retry-After.
        """
        paces = {
            self._pacing.key("code", address): MAIL_PACE,
            self._pacing.key("code-network", network): CODE_PACE,
        }
        await self._pacing.enter("code", paces, user_id)

    async def clear(self, keys: list[str]) -> None:
        """Forget the tries, because one succeeded."""
        await self._pacing.clear(keys)

    def _of_strangers(self, what: str, login: str, network: str) -> dict[str, Pace]:
        return {
            self._pacing.key(what, login, "new", network): self._password,
            self._pacing.key(what, login, "strangers"): self._strangers,
        }
