"""What auth tells everybody: the keys that verify its tokens, and the current terms."""

from fastapi import APIRouter, Response

from services.auth.routes.parameters import PREFIX, Service
from services.auth.schemas import KeysOut, TermsOut

CACHED_S = 300

router = APIRouter(prefix=PREFIX, tags=["published"])


@router.get("/jwks.json")
async def jwks(response: Response, service: Service) -> KeysOut:
    """Return the public keys that access tokens are verified with: the present one, and its neighbours in time."""
    response.headers["Cache-Control"] = f"public, max-age={CACHED_S}"
    return KeysOut.model_validate(service.access_tokens.jwks)


@router.get("/terms")
async def terms(service: Service) -> TermsOut:
    """Return the versions of the terms and the privacy policy that a registration has to accept."""
    return TermsOut(
        terms_version=service.settings.terms_version, policy_version=service.settings.policy_version
    )
