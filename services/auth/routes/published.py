"""What auth tells everybody: the keys that verify its tokens, and the current terms."""

from fastapi import APIRouter, Response

from services.auth.agreement_schemas import PurposesOut
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
    in_force = await service.agreements.in_force()
    return TermsOut(terms_version=in_force.terms, policy_version=in_force.policy)


@router.get("/purposes")
async def purposes(response: Response) -> PurposesOut:
    """Return the purposes that people decide about: what each is, on which basis, and what stops without it."""
    response.headers["Cache-Control"] = f"public, max-age={CACHED_S}"
    return PurposesOut.all()
