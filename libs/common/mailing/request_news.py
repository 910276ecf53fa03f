"""The mails about a person's request: auth sends them to an account's address, privacy to one that was typed.

None holds what was written in the request: that is read where it is known who reads.
"""
# ruff: noqa: RUF001 - Russian is written in Cyrillic letters

import base64
from enum import StrEnum
from typing import Literal
from uuid import UUID

from libs.common.mailing.mail import LINK, Mail, composed

Language = Literal["en", "de", "ru"]
PREFIX = "PX-"
REFERENCE_BYTES = 5


class News(StrEnum):
    """What there is to tell about a request."""

    RECEIVED = "request-received"
    UNPROVEN = "request-unproven"
    """It was received, and nothing is done before it is proven who asks."""
    ACCEPTED = "request-accepted"
    ANSWERED = "request-answered"
    EXTENDED = "request-extended"
    CLOSED = "request-closed"
    LAPSED = "request-lapsed"
    """It ended because nobody proved who asks."""
    LINK = "request-link"
    """A new link was asked for."""


def reference_of(request_id: UUID) -> str:
    """Return the short name of a request, which people can type."""
    return PREFIX + base64.b32encode(request_id.bytes[-REFERENCE_BYTES:]).decode()


def request_news(news: News, language: Language, *, request_id: UUID, link: str) -> Mail:
    """Return a mail about a request. Args: link: where it is read, for a browser."""
    greeting, ending = FRAME[language]
    subject, text = TEXTS[news, language]
    values = {"reference": reference_of(request_id), "link": link}
    return composed(subject, (greeting, text, LINK, ending), values, language=language)


FRAME: dict[Language, tuple[str, str]] = {
    "en": ("Hello,", "If you did not write to us, there is nothing to do. Please do not answer this mail."),
    "de": (
        "Hallo,",
        "Hast du uns nicht geschrieben, ist nichts zu tun. Bitte antworte nicht auf diese Mail.",
    ),
    "ru": ("Здравствуйте!", "Если вы нам не писали, делать ничего не нужно. Не отвечайте на это письмо."),
}

TEXTS: dict[tuple[News, Language], tuple[str, str]] = {
    (News.RECEIVED, "en"): (
        "We received your request {reference}",
        "your request {reference} is with us. You can read it, add to it and cancel it here:",
    ),
    (News.RECEIVED, "de"): (
        "Deine Anfrage {reference} ist da",
        "deine Anfrage {reference} ist bei uns angekommen. Hier kannst du sie lesen, ergänzen und zurückziehen:",
    ),
    (News.RECEIVED, "ru"): (
        "Мы получили ваш запрос {reference}",
        "Ваш запрос {reference} получен. Здесь его можно прочитать, дополнить и отменить:",
    ),
    (News.UNPROVEN, "en"): (
        "Please confirm your request {reference}",
        "your request {reference} is with us. Before anything is disclosed, changed or erased, show that the account"
        " is yours: with a code to its address, or by signing in. If you ask for somebody else, we check that by"
        " hand:",
    ),
    (News.UNPROVEN, "de"): (
        "Bitte bestätige deine Anfrage {reference}",
        "deine Anfrage {reference} ist bei uns angekommen. Bevor etwas herausgegeben, geändert oder gelöscht wird,"
        " zeige, dass das Konto deines ist: mit einem Code an seine Adresse oder durch Anmelden. Fragst du für jemand"
        " anderen, prüfen wir das von Hand:",
    ),
    (News.UNPROVEN, "ru"): (
        "Подтвердите ваш запрос {reference}",
        "Ваш запрос {reference} получен. Прежде чем что-либо раскрыть, изменить или удалить, нужно подтвердить, что"
        " аккаунт ваш: кодом на его адрес или входом в аккаунт. Запросы за другого человека мы проверяем вручную:",
    ),
    (News.ACCEPTED, "en"): (
        "Your request {reference} is being carried out",
        "it is proven who asks, and your request {reference} is being carried out:",
    ),
    (News.ACCEPTED, "de"): (
        "Deine Anfrage {reference} wird ausgeführt",
        "es ist bestätigt, wer fragt, und deine Anfrage {reference} wird ausgeführt:",
    ),
    (News.ACCEPTED, "ru"): (
        "Ваш запрос {reference} выполняется",
        "Личность подтверждена, ваш запрос {reference} выполняется:",
    ),
    (News.ANSWERED, "en"): (
        "There is an answer to your request {reference}",
        "we have answered your request {reference}. Read it, and write back, here:",
    ),
    (News.ANSWERED, "de"): (
        "Es gibt eine Antwort auf deine Anfrage {reference}",
        "wir haben auf deine Anfrage {reference} geantwortet. Hier kannst du die Antwort lesen und zurückschreiben:",
    ),
    (News.ANSWERED, "ru"): (
        "Есть ответ на ваш запрос {reference}",
        "Мы ответили на ваш запрос {reference}. Прочитать ответ и написать нам можно здесь:",
    ),
    (News.EXTENDED, "en"): (
        "We need longer for your request {reference}",
        "we need up to two months longer for your request {reference}. The reason, and the new date, are here:",
    ),
    (News.EXTENDED, "de"): (
        "Wir brauchen länger für deine Anfrage {reference}",
        "wir brauchen für deine Anfrage {reference} bis zu zwei Monate länger. Grund und neues Datum stehen hier:",
    ),
    (News.EXTENDED, "ru"): (
        "Нам нужно больше времени на ваш запрос {reference}",
        "На ваш запрос {reference} нужно ещё до двух месяцев. Причина и новая дата указаны здесь:",
    ),
    (News.CLOSED, "en"): (
        "Your request {reference} is closed",
        "your request {reference} is closed. What came of it stands here. You can complain to a supervisory authority"
        " if you do not agree:",
    ),
    (News.CLOSED, "de"): (
        "Deine Anfrage {reference} ist abgeschlossen",
        "deine Anfrage {reference} ist abgeschlossen. Was daraus wurde, steht hier. Bist du nicht einverstanden,"
        " kannst du dich bei einer Aufsichtsbehörde beschweren:",
    ),
    (News.CLOSED, "ru"): (
        "Ваш запрос {reference} закрыт",
        "Ваш запрос {reference} закрыт. Результат указан здесь. Если вы не согласны, можно подать жалобу в надзорный"
        " орган:",
    ),
    (News.LAPSED, "en"): (
        "Your request {reference} has ended",
        "nobody showed within a month whose account your request {reference} is about, so nothing was done. You can"
        " make it again at any time:",
    ),
    (News.LAPSED, "de"): (
        "Deine Anfrage {reference} ist erloschen",
        "einen Monat lang hat niemand gezeigt, um wessen Konto es in deiner Anfrage {reference} geht; darum geschah"
        " nichts. Du kannst sie jederzeit neu stellen:",
    ),
    (News.LAPSED, "ru"): (
        "Срок вашего запроса {reference} истёк",
        "За месяц никто не подтвердил, чей аккаунт указан в запросе {reference}, поэтому ничего не сделано. Запрос"
        " можно отправить снова в любое время:",
    ),
    (News.LINK, "en"): (
        "A new link to your request {reference}",
        "here is a new link to your request {reference}:",
    ),
    (News.LINK, "de"): (
        "Ein neuer Link zu deiner Anfrage {reference}",
        "hier ist ein neuer Link zu deiner Anfrage {reference}:",
    ),
    (News.LINK, "ru"): (
        "Новая ссылка на ваш запрос {reference}",
        "Новая ссылка на ваш запрос {reference}:",
    ),
}
