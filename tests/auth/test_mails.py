"""The texts of the mails, and the way they leave: to a real mail server that takes them, refuses them, or is away."""
# ruff: noqa: ARG002, N802 - aiosmtpd calls its handlers by these names and arguments

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from libs.common.errors import Unavailable
from libs.common.mailing.errors import MailPutOff, MailRefused
from libs.common.mailing.mail import Mail
from libs.common.mailing.postman import Postman
from libs.common.mailing.request_news import News, reference_of, request_news
from libs.common.testing.processes import free_port
from services.auth.mails import Kind, email_change, identity_code, news, policy_news, verification
from services.auth.models import Language
from services.auth.settings import AuthSettings

MOMENT = datetime(2026, 11, 23, 15, 4, tzinfo=UTC)


def written(kind: Kind, language: Language, username: str = "ada") -> Mail:
    if kind in (Kind.POLICY_CHANGED, Kind.TERMS_CHANGED):
        return policy_news(kind, language, username=username, link="https://pixera.example/p")
    if kind is Kind.EMAIL_CHANGE:
        return email_change(language, public_url="https://pixera.example", token="T" * 43)
    if kind.startswith("request-"):
        link = "https://pixera.example/requests/1"
        return request_news(News(kind.value), language.value, request_id=UUID(int=1), link=link)
    if kind is Kind.IDENTITY_CODE:
        return identity_code(language, code="01234567", minutes=15)
    if kind is not Kind.VERIFICATION:
        return news(kind, language, username=username, until=MOMENT)
    return verification(language, registered_at=MOMENT, public_url="https://pixera.example", token="T" * 43)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", Kind)
def test_every_mail_exists_in_every_language(kind: Kind, language: Language) -> None:
    mail = written(kind, language)
    verifies = kind in (Kind.VERIFICATION, Kind.EMAIL_CHANGE)
    assert mail.subject.startswith("Pixera: ")
    assert f'lang="{language}"' in mail.html
    assert "{" not in mail.text + mail.html
    assert ("T" * 43 in mail.text) == verifies
    assert ("2026-11-23 15:04 UTC" in mail.text) == (kind in (Kind.VERIFICATION, Kind.ACCOUNT_HIDDEN))
    assert (reference_of(UUID(int=1)) in mail.subject) == kind.startswith("request-")
    assert ("01234567" in mail.text.splitlines()) == (kind is Kind.IDENTITY_CODE)
    assert ("ada" in mail.text) == (
        not verifies and kind is not Kind.IDENTITY_CODE and not kind.startswith("request-")
    )


def test_the_html_cannot_be_broken_by_a_name() -> None:
    mail = written(Kind.ADDRESS_KNOWN, Language.ENGLISH, '<img src="x">')
    assert "<img" not in mail.html
    assert "&lt;img" in mail.html


class MailServer:
    """What a mail server does with a mail: keeps it, and answers as it is told."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.taken: list[bytes] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append(envelope.content)
        return "250 taken"


@asynccontextmanager
async def mail_server(answer: str) -> AsyncIterator[tuple[MailServer, int]]:
    server, port = MailServer(answer), free_port()
    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield server, port
    finally:
        controller.stop()


def postman(settings: AuthSettings, port: int) -> Postman:
    return Postman(settings.model_copy(update={"smtp_port": port, "smtp_timeout_s": 2.0}))


MAIL = written(Kind.VERIFICATION, Language.RUSSIAN)


async def test_a_mail_arrives_whole(settings: AuthSettings) -> None:
    async with mail_server("250 ok") as (server, port):
        await postman(settings, port).send("ada@example.com", MAIL, kind="verification")
    (raw,) = server.taken
    message = message_from_bytes(raw, policy=default)
    assert (message["To"], message["Subject"]) == ("ada@example.com", MAIL.subject)
    assert message["From"] == "Pixera <no-reply@pixera.example>"
    assert message["Message-ID"].endswith("@pixera.example>")
    assert message["Auto-Submitted"] == "auto-generated"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == MAIL.text
    assert html.get_content().replace("\r\n", "\n") == MAIL.html


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("550 no such mailbox", MailRefused),
        ("452 4.2.2 mailbox full", MailPutOff),
        ("451 come back later", MailPutOff),
        ("452 4.3.1 the disk is full", Unavailable),
    ],
)
async def test_a_refusal_is_final_or_passes(
    settings: AuthSettings, answer: str, error: type[Exception]
) -> None:
    async with mail_server(answer) as (_, port):
        with pytest.raises(error):
            await postman(settings, port).send("ada@example.com", MAIL, kind="verification")


async def test_a_domain_that_is_no_ascii_is_written_as_every_server_reads_it(settings: AuthSettings) -> None:
    async with mail_server("250 ok") as (server, port):
        await postman(settings, port).send("ada@bücher.example", MAIL, kind="verification")
    (raw,) = server.taken
    assert message_from_bytes(raw, policy=default)["To"] == "ada@xn--bcher-kva.example"


async def test_a_server_that_is_away_passes(settings: AuthSettings) -> None:
    with pytest.raises(Unavailable):
        await postman(settings, free_port()).send("ada@example.com", MAIL, kind="verification")


async def test_a_server_that_hangs_is_given_up_in_time(settings: AuthSettings) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hurried = Postman(
            settings.model_copy(update={"smtp_port": silent.getsockname()[1], "smtp_timeout_s": 0.3})
        )
        with pytest.raises(Unavailable):
            await hurried.send("ada@example.com", MAIL, kind="verification")
