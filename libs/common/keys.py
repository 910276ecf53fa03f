"""The public keys that access tokens are verified with, fetched from auth and kept for a while."""

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from libs.common.errors import Unavailable
from libs.common.logging import logger
from libs.common.outgoing import Call, HTTPError, Outgoing, Party
from libs.common.settings import CommonSettings

FRESH_S = 300.0
"""How long fetched keys are used; auth publishes an old key for this and a token's life longer."""
RETRY_S = 5.0
"""Least time between two fetches, so that forged key ids cannot make a process flood auth."""
TIMEOUT_S = 3.0

log = logger("keys")


class PublishedKeys:
    """Auth's JWKS. Keys that are still here are used when auth does not answer."""

    def __init__(self, settings: CommonSettings) -> None:
        self._url = settings.jwks_url
        self._party = Party("jwks", (Call("GET", urlsplit(settings.jwks_url).path),))
        self._keys = KeySet.import_key_set(json.loads(settings.jwks)) if settings.jwks else None
        self._given = self._keys is not None
        self._tried_at = float("-inf")
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def having(self, kid: str) -> KeySet:
        """Return the keys, fetched anew where they are old or lack this key id.

        Raises:   Unavailable (503): there are none yet and auth does not answer.
        """
        if not self._given and (self._is_old() or not self._knows(kid)):
            async with self._lock:
                await self._refresh(kid)
        if self._keys is None:
            raise Unavailable("the keys that tokens are checked with cannot be fetched, try again")
        return self._keys

    def _is_old(self) -> bool:
        return time.monotonic() - self._fetched_at > FRESH_S

    def _knows(self, kid: str) -> bool:
        return self._keys is not None and any(key.kid == kid for key in self._keys.keys)

    async def _refresh(self, kid: str) -> None:
        needed = self._is_old() or not self._knows(kid)
        if not needed or (time.monotonic() - self._tried_at < RETRY_S and self._keys is not None):
            return
        self._tried_at = time.monotonic()
        try:
            self._keys = KeySet.import_key_set(await self._fetch())
            self._fetched_at = time.monotonic()
        except (HTTPError, ValueError, JoseError) as error:
            log.warning("keys.fetch_failed", exc_info=error)

    async def _fetch(self) -> Any:
        auth = Outgoing(self._party, self._url, timeout_s=TIMEOUT_S, retries=1)
        try:
            answer = await auth.get(self._url)
            answer.raise_for_status()
            return answer.json()
        finally:
            await auth.close()
