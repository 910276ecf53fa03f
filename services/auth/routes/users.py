"""Registering, and verifying the e-mail address. Nothing here needs a token."""

from fastapi import APIRouter

from libs.common.errors import TooMany, problems
from services.auth.errors import TermsOutdated, UsernameTaken, VerificationInvalid, WeakPassword
from services.auth.routes.parameters import PREFIX, Service
from services.auth.schemas import AcceptedOut, RegisterIn, ResendIn, VerifiedOut, VerifyIn

router = APIRouter(prefix=f"{PREFIX}/users", tags=["account"])


@router.post("", status_code=202, responses=problems(TermsOutdated, UsernameTaken, WeakPassword, TooMany))
async def register(body: RegisterIn, service: Service) -> AcceptedOut:
    """Open an account; the address is verified by mail.

    The answer is the same whether or not the address has an account; a known one gets a mail that says so. The link
    in the mail activates what this registration asked for, whoever else registers with the address meanwhile.
    """
    await service.registration.register(body.applicant())
    return AcceptedOut()


@router.post("/verify", responses=problems(VerificationInvalid))
async def verify(body: VerifyIn, service: Service) -> VerifiedOut:
    """Verify the e-mail address with the token from the mail, which works once and for a day.

    The account is what the registration that the mail was sent for asked for; all others of the address are void.
    """
    await service.registration.verify(body.token)
    return VerifiedOut()


@router.post("/verify/resend", status_code=202)
async def resend(body: ResendIn, service: Service) -> AcceptedOut:
    """Send the verification mail again; the answer is the same whether or not the address has an account.

    Where several registrations of the address wait, none is sent, since whose it would be cannot be known: register
    again instead.
    """
    await service.registration.resend(body.email)
    return AcceptedOut()
