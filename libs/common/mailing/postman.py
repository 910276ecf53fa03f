"""The way to the mail server."""

from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from time import perf_counter

import aiosmtplib

from libs.common.clock import now
from libs.common.errors import Unavailable
from libs.common.mailing.address import in_ascii
from libs.common.mailing.errors import MailPutOff, MailRefused
from libs.common.mailing.mail import Mail
from libs.common.mailing.metrics import MAIL_SECONDS, MAILS
from libs.common.mailing.settings import MailSettings

PERMANENT_FROM = 500
OF_THE_SYSTEM = ("4.3.", "4.4.")


class Postman:
    """Hands mails to the mail server, each over a connection of its own."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._domain = parseaddr(settings.mail_from)[1].rpartition("@")[2]

    async def send(self, address: str, mail: Mail, *, kind: str) -> None:
        """Hand over one mail.

        Raises:   Unavailable: the server does not answer or asks to come back: retried by the bus.
                  MailPutOff: it does not take the address for now: retried for a while.
                  MailRefused: it will never take this mail: dead letter.
        """
        started = perf_counter()
        outcome = "failed"
        try:
            await self._hand_over(self._message(address, mail))
            outcome = "sent"
        except aiosmtplib.SMTPException as error:
            if _is_permanent(error):
                outcome = "refused"
                raise MailRefused from error
            if _is_of_the_address(error):
                raise MailPutOff from error
            raise Unavailable("the mail server does not take mail now") from error
        except OSError as error:
            raise Unavailable("the mail server does not answer") from error
        finally:
            MAILS.labels(kind, outcome).inc()
            MAIL_SECONDS.observe(perf_counter() - started)

    async def _hand_over(self, message: EmailMessage) -> None:
        secret = self._settings.smtp_password
        await aiosmtplib.send(
            message,
            hostname=self._settings.smtp_host,
            port=self._settings.smtp_port,
            timeout=self._settings.smtp_timeout_s,
            start_tls=self._settings.smtp_start_tls,
            username=self._settings.smtp_username,
            password=secret.get_secret_value() if secret else None,
        )

    def _message(self, address: str, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.mail_from
        message["To"] = in_ascii(address)
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(now())
        message["Message-ID"] = make_msgid(domain=self._domain)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message


def _is_of_the_address(error: aiosmtplib.SMTPException) -> bool:
    """Tell whether the server would take the mail to another address. Source: RFC 3463, 3.4 and 3.5."""
    if not isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return False
    return not all(refused.message.startswith(OF_THE_SYSTEM) for refused in error.recipients)


def _is_permanent(error: aiosmtplib.SMTPException) -> bool:
    """Tell whether the server's answer will stay the same. Source: RFC 5321, 4.2.1 (5yz)."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return False  # our own credentials, not this mail
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return all(refused.code >= PERMANENT_FROM for refused in error.recipients)
    return isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= PERMANENT_FROM
