"""Tokens: signed access tokens and proofs of identity, with their published keys."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import OKPKey

from libs.common.clock import new_id
from libs.common.identity import ALGORITHM, TOKEN_TYPE
from libs.common.identity_proof import PROOF_AUDIENCE, PROOF_TTL_S, PROOF_TYPE
from services.auth.settings import AuthSettings

PEM = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)
PERSON = ("user",)


class AccessTokens:
    """Signs access tokens, and publishes what verifies them.

    Rotation: publish the next public key beside the present one, wait until every cache has it (JWKS caches hold
    300 s), sign with it, and go on publishing the old one for a cache's and a token's life.

    Source:   RFC 9068 (at+jwt, auth_time), RFC 7638 (the key id is the key's thumbprint).
    """

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._key = OKPKey.import_key(_one_line_pem(settings.token_signing_key.get_secret_value()))
        self._kid = self._key.thumbprint()
        others = [OKPKey.import_key(pem) for pem in PEM.findall(settings.token_previous_keys)]
        self.jwks: dict[str, Any] = {"keys": [_public(key) for key in (self._key, *others)]}

    def issue(
        self,
        user_id: UUID,
        session_id: UUID,
        now: datetime,
        until: datetime,
        roles: tuple[str, ...] = PERSON,
        *,
        signed_in_at: datetime | None = None,
    ) -> tuple[str, int]:
        """Return an access token and how many seconds it lasts, never past the session's end.

        Args:     signed_in_at: when the password was given, now if not said; a refreshed token keeps it.
        """
        issued = int(now.timestamp())
        lifetime = min(self._settings.access_token_ttl_s, int(until.timestamp()) - issued)
        claims = {
            "iss": self._settings.token_issuer,
            "aud": self._settings.token_audience,
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": issued,
            "auth_time": int((signed_in_at or now).timestamp()),
            "exp": issued + lifetime,
            "jti": str(new_id()),
            "roles": list(roles),
        }
        return self._signed(TOKEN_TYPE, claims), lifetime

    def identity_proof(self, user_id: UUID, now: datetime) -> tuple[str, int]:
        """Return a proof of identity for privacy, and how many seconds it lasts. It opens no other route."""
        issued = int(now.timestamp())
        claims = {
            "iss": self._settings.token_issuer,
            "aud": PROOF_AUDIENCE,
            "sub": str(user_id),
            "iat": issued,
            "exp": issued + PROOF_TTL_S,
            "jti": str(new_id()),
        }
        return self._signed(PROOF_TYPE, claims), PROOF_TTL_S

    def _signed(self, token_type: str, claims: dict[str, Any]) -> str:
        header = {"alg": ALGORITHM, "kid": self._kid, "typ": token_type}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])


def _public(key: OKPKey) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": key.thumbprint(), "alg": ALGORITHM, "use": "sig"}


def _one_line_pem(pem: str) -> str:
    """Return a PEM whose line ends were written as a backslash and an n, as environment files do."""
    return pem.replace("\\n", "\n")
