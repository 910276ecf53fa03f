"""The case token: lets a person follow the erasure of their account after the account is gone.

It proves the knowledge of one case and nothing else. Auth gives it out once, with the answer to the deletion;
privacy checks it with the same key. It is not stored anywhere.
"""

import base64
import binascii
import hashlib
import hmac
from uuid import UUID

from pydantic import SecretStr

from libs.common.errors import Unauthenticated

CONTEXT = b"pixera.case-token.v1:"
ID_BYTES, SIGNATURE_BYTES = 16, 32


class CaseTokenInvalid(Unauthenticated):
    """The case token is not one that was given out."""

    code, title = "case-token-invalid", "This is not the token that was given out for the case"


def issue(key: SecretStr, case_id: UUID) -> str:
    """Return the token of a case, always the same one.

    Source:   HMAC-SHA256 (RFC 2104) over the case id.
    """
    return base64.urlsafe_b64encode(case_id.bytes + _signature(key, case_id)).decode()


def verify(key: SecretStr, token: str) -> UUID:
    """Return the case that a token was given out for.

    Raises:   CaseTokenInvalid (401): forged, cut off or of another key.
    """
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CaseTokenInvalid from error
    if len(raw) != ID_BYTES + SIGNATURE_BYTES:
        raise CaseTokenInvalid
    case_id = UUID(bytes=raw[:ID_BYTES])
    if not hmac.compare_digest(raw[ID_BYTES:], _signature(key, case_id)):
        raise CaseTokenInvalid
    return case_id


def _signature(key: SecretStr, case_id: UUID) -> bytes:
    return hmac.new(key.get_secret_value().encode(), CONTEXT + case_id.bytes, hashlib.sha256).digest()
