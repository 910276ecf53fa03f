"""The signed-in person's account."""

from fastapi import APIRouter

from libs.common.errors import ProcessingRestricted, TooMany, Unauthenticated, problems
from libs.common.identity import CurrentUser
from services.auth.errors import (
    ConsentNeeded,
    TooManyPreferences,
    UsernameTaken,
    VerificationInvalid,
    WeakPassword,
    WrongPassword,
)
from services.auth.routes.parameters import PREFIX, Service
from services.auth.schemas import (
    AcceptedOut,
    DeleteIn,
    DeletionOut,
    EmailIn,
    PasswordIn,
    ProfileIn,
    ProfileOut,
    VerifyIn,
)

router = APIRouter(prefix=f"{PREFIX}/me", tags=["account"])


@router.get("", responses=problems(Unauthenticated))
async def show_profile(user: CurrentUser, service: Service) -> ProfileOut:
    """Return the signed-in person's profile.

    Personal: all of it, to their own subject only.
    """
    return ProfileOut.of(await service.accounts.get(user.id))


@router.patch(
    "",
    responses=problems(
        Unauthenticated, UsernameTaken, TooManyPreferences, ConsentNeeded, ProcessingRestricted
    ),
)
async def change_profile(body: ProfileIn, user: CurrentUser, service: Service) -> ProfileOut:
    """Change username, language, theme or preferences; the last three need consent to `personalisation`.

    Personal: all of it, to their own subject only.
    """
    return ProfileOut.of(await service.accounts.change_profile(user.id, body.change()))


@router.post("/email", status_code=202, responses=problems(Unauthenticated, WrongPassword, TooMany))
async def change_email(body: EmailIn, user: CurrentUser, service: Service) -> AcceptedOut:
    """Begin to change the e-mail address: a mail to the new one proves it.

    The answer is the same whether or not another account has it.
    """
    await service.readdressing.ask(user.id, body.password, body.email)
    return AcceptedOut()


@router.post("/email/verify", responses=problems(Unauthenticated, VerificationInvalid))
async def verify_email(body: VerifyIn, user: CurrentUser, service: Service) -> ProfileOut:
    """Change the e-mail address, with the token from the mail to it; the former one is told by mail.

    Personal: all of it, to their own subject only.
    """
    return ProfileOut.of(await service.readdressing.confirm(user.id, body.token))


@router.put("/restriction", responses=problems(Unauthenticated))
async def restrict(user: CurrentUser, service: Service) -> ProfileOut:
    """Restrict the processing of the person's data: it is kept, shown to them and exported, and not used.

    Effects:  nothing is generated, uploaded or bought, no taste is kept; jobs in hand end; publishes user.restricted.
    Source:   GDPR Art. 18.
    """
    return ProfileOut.of(await service.accounts.restrict(user.id, restricted=True))


@router.delete("/restriction", responses=problems(Unauthenticated))
async def lift_restriction(user: CurrentUser, service: Service) -> ProfileOut:
    """Lift the restriction.

    Effects:  publishes user.unrestricted.
    """
    return ProfileOut.of(await service.accounts.restrict(user.id, restricted=False))


@router.post(
    "/password", status_code=204, responses=problems(Unauthenticated, WrongPassword, WeakPassword, TooMany)
)
async def change_password(body: PasswordIn, user: CurrentUser, service: Service) -> None:
    """Change the password; every other session ends."""
    await service.accounts.change_password(user.id, user.session_id, body.current_password, body.new_password)


@router.delete("", status_code=202, responses=problems(Unauthenticated, WrongPassword, TooMany))
async def delete_account(body: DeleteIn, user: CurrentUser, service: Service) -> DeletionOut:
    """Delete the account with everything in it; the answer tells how to follow the erasure, and from when.

    The account is hidden and signed out everywhere at once. Until `erased_from` a sign-in brings everything back as
    it was; with `now` there is no such time.

    Effects:  user.hidden, or user.deleted; session.revoked for each session.
    """
    return DeletionOut.of(await service.accounts.delete(user.id, body.password, at_once=body.now))
