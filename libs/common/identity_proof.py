"""Proof of identity: that whoever makes a request about an account can read the mail to its address.

Auth signs it for who has no session, after a one-time code; privacy believes it for a few minutes. It is no access
token: it has a type and an audience of its own, and opens no route but the one that asks for it (ADR 0029).
"""

from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwt import JWTClaimsRegistry

from libs.common.errors import Unauthenticated
from libs.common.identity import ALGORITHM
from libs.common.keys import PublishedKeys
from libs.common.settings import CommonSettings

PROOF_TYPE = "identity+jwt"
PROOF_AUDIENCE = "pixera-privacy"
PROOF_TTL_S = 600
SKEW_S = 30


class ProofInvalid(Unauthenticated):
    """The proof is forged, expired, or of another kind."""

    code, title = "identity-proof-invalid", "This proves no identity any more: ask for a new code"


class ProofVerifier:
    """Verifies proofs with auth's published keys."""

    def __init__(self, settings: CommonSettings, keys: PublishedKeys) -> None:
        self._keys = keys
        self._claims = JWTClaimsRegistry(
            leeway=SKEW_S,
            iss={"essential": True, "value": settings.token_issuer},
            aud={"essential": True, "value": PROOF_AUDIENCE},
            iat={"essential": True},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def user_id(self, token: str) -> UUID:
        """Return whose identity a proof proves.

        Raises:   ProofInvalid (401): it lasts longer than auth's do, too.
                  Unavailable (503): auth's keys cannot be fetched.
        """
        try:
            header = jws.extract_compact(token.encode()).headers()
            if header.get("typ") != PROOF_TYPE or header.get("alg") != ALGORITHM:
                raise ProofInvalid
            keys = await self._keys.having(str(header.get("kid")))
            claims = jwt.decode(token, keys, algorithms=[ALGORITHM]).claims
            self._claims.validate(claims)
            if int(claims["exp"]) - int(claims["iat"]) > PROOF_TTL_S:
                raise ProofInvalid
            return UUID(claims["sub"])
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProofInvalid from error
