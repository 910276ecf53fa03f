"""Access tokens for tests of services other than auth, signed with a key made for the run."""

import json
import time
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.jwk import OKPKey

from libs.common.identity import ALGORITHM, TOKEN_TYPE

KEY = OKPKey.generate_key("Ed25519", {"kid": "tests", "alg": ALGORITHM, "use": "sig"})
JWKS = json.dumps({"keys": [KEY.as_dict(private=False)]})
"""Give this to a service as `PIXERA_JWKS`."""


def mint(user_id: UUID, *, session_id: UUID | None = None, lifetime_s: int = 300, **claims: object) -> str:
    """Return an access token for a person, as auth would sign it."""
    now = int(time.time())
    body: dict[str, object] = {"iss": "pixera", "aud": "pixera-api", "sub": str(user_id)}
    body["sid"] = str(session_id or uuid4())
    body |= {"iat": now, "exp": now + lifetime_s, "auth_time": now, "jti": str(uuid4()), "roles": []} | claims
    return jwt.encode(
        {"alg": ALGORITHM, "kid": "tests", "typ": TOKEN_TYPE}, body, KEY, algorithms=[ALGORITHM]
    )


def bearer(user_id: UUID, **claims: object) -> dict[str, str]:
    """Return the header that signs a request in."""
    return {"Authorization": f"Bearer {mint(user_id, **claims)}"}  # type: ignore[arg-type]
