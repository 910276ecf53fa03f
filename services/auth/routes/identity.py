"""Proving who asks, without signing in. Nothing here needs a token."""

from fastapi import APIRouter

from libs.common.errors import TooMany, problems
from services.auth.errors import CodeInvalid
from services.auth.routes.parameters import PREFIX, CallingClient, Service
from services.auth.schemas import ChallengeOut, CodeIn, IdentityProofOut, ProveIn

router = APIRouter(prefix=f"{PREFIX}/identity", tags=["identity"])


@router.post("/codes", status_code=202, responses=problems(TooMany))
async def ask_for_code(body: CodeIn, client: CallingClient, service: Service) -> ChallengeOut:
    """Have a one-time code mailed to the address of an account.

    The answer is the same whether or not the address has one.
    """
    lifetime = service.settings.identity_code_lifetime
    return ChallengeOut(
        challenge_id=await service.proving.ask(body.email, client),
        expires_in=int(lifetime.total_seconds()),
    )


@router.post("/proofs", responses=problems(CodeInvalid))
async def prove_identity(body: ProveIn, service: Service) -> IdentityProofOut:
    """Exchange the code for a proof of identity, which privacy takes with a request for a few minutes.

    A code works once, and bears five tries.
    """
    proof = await service.proving.prove(body.challenge_id, body.code)
    return IdentityProofOut(identity_proof=proof.token, expires_in=proof.expires_in)
