"""The contact form and what follows from it, for people with and without an account."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request

from libs.common.app import provided
from libs.common.client import client_of
from libs.common.errors import TooMany, Unauthenticated, problems
from libs.common.identity import CurrentUser, SignInAgain, User, bearer, current_user, signed_in
from libs.common.identity_proof import ProofInvalid
from services.privacy.errors import (
    AddressNeeded,
    AlreadyProven,
    ChallengeFailed,
    IdentityNeeded,
    IdentityOfAnother,
    MessageTooLong,
    NotCancellable,
    RequestClosed,
    RequestLinkExpired,
    RequestNotFound,
)
from services.privacy.requests.access import Caller
from services.privacy.requests.schemas import (
    ChallengeOut,
    FiledOut,
    LinkSentOut,
    MessageIn,
    ProofIn,
    RequestIn,
    RequestOut,
    RequestsOut,
    RequestSummaryOut,
)
from services.privacy.service import PrivacyService

Service = Annotated[PrivacyService, Depends(provided(PrivacyService))]
UNKNOWN = (RequestNotFound, RequestLinkExpired)


async def perhaps_user(request: Request) -> User | None:
    """Return the signed-in person, None where no token came. Raises as `current_user` does for a wrong one.

    The contract does not ask for a token here: it is called by hand, and no dependency.
    """
    credentials = await bearer(request)
    if credentials is None:
        return None
    return await current_user(request, await signed_in(request, credentials))


PerhapsUser = Annotated[User | None, Depends(perhaps_user)]
Link = Annotated[
    str, Header(alias="X-Request-Token", max_length=128, description="from the link that was mailed")
]


async def caller(user: PerhapsUser, token: Link = "") -> Caller:
    """Return who asks: signed in, or by a mailed link."""
    return Caller(user, token)


Asking = Annotated[Caller, Depends(caller)]

router = APIRouter(prefix="/api/privacy/v1/requests", tags=["requests"])


@router.get("/challenge")
async def get_challenge(service: Service) -> ChallengeOut:
    """Return a proof-of-work challenge for the contact form, by ALTCHA. It works once, for 20 minutes."""
    return ChallengeOut.model_validate(service.requests.challenges.new())


@router.post(
    "",
    status_code=201,
    responses=problems(
        Unauthenticated, ProofInvalid, AddressNeeded, ChallengeFailed, MessageTooLong, TooMany
    ),
)
async def file_request(body: RequestIn, user: PerhapsUser, request: Request, service: Service) -> FiledOut:
    """Make a request, signed in or not.

    What is about an account is done when it is proven whose it is: by a sign-in of the last minutes or a proof of
    identity, at once; else later, at `/requests/{id}/identity`. One of the same kind that is open takes it in.

    Effects:  a case with a due date, a mail; publishes request.accepted where it is proven who asks.
    """
    network = client_of(request, request.app.state.settings.client_ip_header).network
    asking = Caller(user, proof=body.identity_proof)
    return FiledOut.of(await service.requests.intake.file(body.form(), asking, network))


@router.get("", responses=problems(Unauthenticated))
async def list_requests(user: CurrentUser, service: Service) -> RequestsOut:
    """Return the signed-in person's requests, the newest first.

    Personal: all of it, to their own subject only.
    """
    found = await service.requests.conversing.own(user.id)
    return RequestsOut(requests=[RequestSummaryOut.of(each) for each in found])


@router.get("/{request_id}", responses=problems(Unauthenticated, *UNKNOWN))
async def read_request(request_id: UUID, asking: Asking, service: Service) -> RequestOut:
    """Return a request and what was written in it, to its person or to whoever has its link.

    Personal: all of it, to their own subject only.
    """
    return RequestOut.told(*await service.requests.conversing.read(request_id, asking))


@router.post(
    "/{request_id}/messages",
    status_code=201,
    responses=problems(Unauthenticated, *UNKNOWN, RequestClosed, MessageTooLong, TooMany),
)
async def write_message(
    request_id: UUID, body: MessageIn, asking: Asking, service: Service
) -> RequestSummaryOut:
    """Add something to a request."""
    return RequestSummaryOut.of(await service.requests.conversing.write(request_id, body.message, asking))


@router.post(
    "/{request_id}/identity",
    responses=problems(
        Unauthenticated,
        *UNKNOWN,
        ProofInvalid,
        IdentityNeeded,
        SignInAgain,
        IdentityOfAnother,
        AlreadyProven,
        RequestClosed,
    ),
)
async def prove_identity(
    request_id: UUID, body: ProofIn, asking: Asking, service: Service
) -> RequestSummaryOut:
    """Prove who asks: by a proof from `POST /api/auth/v1/identity/proofs`, or a sign-in of the last minutes.

    Effects:  publishes request.accepted; where a request of the same kind is open, that one takes this in.
    """
    proving = Caller(asking.user, asking.link, body.identity_proof)
    return RequestSummaryOut.of(await service.requests.conversing.prove(request_id, proving))


@router.post(
    "/{request_id}/cancel", responses=problems(Unauthenticated, *UNKNOWN, RequestClosed, NotCancellable)
)
async def cancel_request(request_id: UUID, asking: Asking, service: Service) -> RequestSummaryOut:
    """End a request that is not wanted any more."""
    return RequestSummaryOut.of(await service.requests.conversing.cancel(request_id, asking))


@router.post("/{request_id}/link", status_code=202)
async def mail_link(request_id: UUID, service: Service) -> LinkSentOut:
    """Have a new link mailed to the address of a request; the answer is the same whether or not there is one."""
    await service.requests.conversing.mail_link(request_id)
    return LinkSentOut()
