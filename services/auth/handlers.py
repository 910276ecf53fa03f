"""What auth does about events."""

from libs.common.bus.consumes import Once, consumes
from libs.common.events.auth import MailRequestedV1, UserRegisteredV1
from services.auth.service import AuthService


@consumes(UserRegisteredV1, MailRequestedV1, group="auth.send-mail", concurrency=8)
async def send_mail(event: UserRegisteredV1 | MailRequestedV1, service: AuthService, once: Once) -> None:
    """Send the mail that is due: after a registration, the verification token.

    Raises:   Unavailable: the mail server does not answer, retried.  MailRefused: dead letter.
    Effects:  a verification token; one mail, a second one where the process died between mail and commit.
    """
    if isinstance(event, MailRequestedV1) and event.kind != "verification":
        await service.mailing.send_news(event.user_id, event.kind)
    else:
        which = event.registration_id if isinstance(event, MailRequestedV1) else None
        await service.mailing.send_token(event.user_id, which or event.user_id, once)
