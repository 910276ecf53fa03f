"""What auth does about events."""

from libs.common.bus.consumes import Once, consumes
from libs.common.events.auth import MailRequestedV1, MailRequestedV2, UserRegisteredV1
from libs.common.events.privacy import MinorConfirmedV1, PolicyPublishedV1, RequestAcceptedV1
from services.auth.mails import Kind, kind_of
from services.auth.service import AuthService


@consumes(UserRegisteredV1, MailRequestedV1, MailRequestedV2, group="auth.send-mail", concurrency=8)
async def send_mail(
    event: UserRegisteredV1 | MailRequestedV1 | MailRequestedV2, service: AuthService, once: Once
) -> None:
    """Send the mail that is due: after a registration, the verification token.

    Raises:   Unavailable: the mail server does not answer, retried.  MailRefused, MailUnknown: dead letter.
    Effects:  a verification token; one mail, a second one where the process died between mail and commit.
    """
    if isinstance(event, UserRegisteredV1):
        await service.mailing.send_token(event.user_id, event.user_id, once)
        return
    kind = kind_of(event.kind)
    if kind is Kind.VERIFICATION:
        await service.mailing.send_token(event.user_id, event.registration_id or event.user_id, once)
    elif kind is Kind.EMAIL_CHANGE:
        await service.mailing.send_email_change(event.user_id)
    elif kind is Kind.EMAIL_CHANGED:
        await service.mailing.send_email_changed(event.user_id, once)
    elif isinstance(event, MailRequestedV2) and event.challenge_id is not None:
        await service.mailing.send_identity_code(event.user_id, event.challenge_id)
    elif isinstance(event, MailRequestedV2) and event.request_id is not None:
        await service.mailing.send_request_news(event.user_id, kind, event.request_id)
    elif isinstance(event, MailRequestedV2) and event.document_version is not None:
        await service.mailing.send_policy_news(event.user_id, kind, event.document_version, once)
    else:
        await service.mailing.send_news(event.user_id, kind)


@consumes(PolicyPublishedV1, group="auth.follow-policies")
async def follow_policies(event: PolicyPublishedV1, service: AuthService) -> None:
    """Take in which version is in force; where it is significant, begin to tell everybody.

    Effects:  the version; a run of notices.
    """
    await service.agreements.follow(event)


@consumes(RequestAcceptedV1, group="auth.carry-out-requests")
async def carry_out_requests(event: RequestAcceptedV1, service: AuthService) -> None:
    """Carry out a person's request, where it is for auth to do.

    Effects:  the account is hidden or closed, or restricted, or its purposes refused; publishes what says so, and
              request.fulfilled.
    """
    await service.fulfilling.carry_out(event)


@consumes(MinorConfirmedV1, group="auth.close-minors")
async def close_minors(event: MinorConfirmedV1, service: AuthService) -> None:
    """Close the account of somebody who is under 18, without grace, and let its address register nothing.

    Effects:  the account; a keyed hash of the address; publishes user.deleted and request.fulfilled.
    """
    await service.fulfilling.close_minor(event)
