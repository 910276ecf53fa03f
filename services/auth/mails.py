"""The texts of auth's mails, in plain text and simple HTML."""
# ruff: noqa: RUF001 - Russian is written in Cyrillic letters

from datetime import datetime
from enum import StrEnum

from libs.common.mailing.mail import LINK, TOKEN, Mail, composed
from libs.common.mailing.request_news import News
from services.auth.errors import MailUnknown
from services.auth.models import Language


class Kind(StrEnum):
    """What a mail is about."""

    VERIFICATION = "verification"
    ADDRESS_KNOWN = "address-known"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - a kind of mail
    POLICY_CHANGED = "policy-changed"
    TERMS_CHANGED = "terms-changed"
    EMAIL_CHANGE = "email-change"
    EMAIL_CHANGED = "email-changed"
    ACCOUNT_HIDDEN = "account-hidden"
    ACCOUNT_RESTORED = "account-restored"
    EXPORT_READY = "export-ready"
    IDENTITY_CODE = "identity-code"
    REQUEST_RECEIVED = News.RECEIVED
    REQUEST_UNPROVEN = News.UNPROVEN
    REQUEST_ACCEPTED = News.ACCEPTED
    REQUEST_ANSWERED = News.ANSWERED
    REQUEST_EXTENDED = News.EXTENDED
    REQUEST_CLOSED = News.CLOSED
    REQUEST_LAPSED = News.LAPSED
    REQUEST_LINK = News.LINK


TEXTS: dict[tuple[Kind, Language], tuple[str, ...]] = {
    (Kind.VERIFICATION, Language.ENGLISH): (
        "Verify your e-mail address",
        "Hello,",
        "somebody registered at Pixera with this address on {registered}.",
        "If it was you at this time, open this link. The account gets the name and password that were typed then:",
        LINK,
        "Or type this code where Pixera asks for it:",
        TOKEN,
        "It works once, for 24 hours. If it was not you, or not at this time, do not open it: what nobody verifies"
        " is deleted by itself.",
    ),
    (Kind.VERIFICATION, Language.GERMAN): (
        "Bestätige deine E-Mail-Adresse",
        "Hallo,",
        "jemand hat sich am {registered} mit dieser Adresse bei Pixera registriert.",
        "Warst du es zu dieser Zeit, öffne diesen Link. Das Konto bekommt den Namen und das Passwort von damals:",
        LINK,
        "Oder gib diesen Code ein, wo Pixera danach fragt:",
        TOKEN,
        "Er gilt einmal, 24 Stunden lang. Warst du es nicht oder nicht zu dieser Zeit, öffne ihn nicht: was niemand"
        " bestätigt, löscht sich selbst.",
    ),
    (Kind.VERIFICATION, Language.RUSSIAN): (
        "Подтвердите адрес электронной почты",
        "Здравствуйте!",
        "Кто-то зарегистрировался в Pixera с этим адресом: {registered}.",
        "Если в это время регистрировались вы, откройте ссылку. Аккаунт получит указанные тогда имя и пароль:",
        LINK,
        "Или введите этот код там, где его попросит Pixera:",
        TOKEN,
        "Код действует один раз, 24 часа. Если это были не вы или не в это время, не открывайте ссылку: то, что никто"
        " не подтвердил, удалится само.",
    ),
    (Kind.ADDRESS_KNOWN, Language.ENGLISH): (
        "You already have an account",
        "Hello {username},",
        "somebody registered at Pixera with this address, which has an account already. Nothing was changed.",
        "If it was you, sign in as {username}. If not, there is nothing to do.",
    ),
    (Kind.ADDRESS_KNOWN, Language.GERMAN): (
        "Du hast schon ein Konto",
        "Hallo {username},",
        "jemand hat sich mit dieser Adresse bei Pixera registriert, die schon ein Konto hat. Nichts wurde geändert.",
        "Warst du es, melde dich als {username} an. Wenn nicht, ist nichts zu tun.",
    ),
    (Kind.ADDRESS_KNOWN, Language.RUSSIAN): (
        "У вас уже есть аккаунт",
        "Здравствуйте, {username}!",
        "Кто-то зарегистрировался в Pixera с этим адресом, у которого уже есть аккаунт. Ничего не изменилось.",
        "Если это были вы, войдите как {username}. Если нет, делать ничего не нужно.",
    ),
    (Kind.PASSWORD_CHANGED, Language.ENGLISH): (
        "Your password was changed",
        "Hello {username},",
        "the password of your Pixera account was changed, and all other sessions were ended.",
        "If it was not you, somebody knows your old password: write to us through the Contacts page at once.",
    ),
    (Kind.PASSWORD_CHANGED, Language.GERMAN): (
        "Dein Passwort wurde geändert",
        "Hallo {username},",
        "das Passwort deines Pixera-Kontos wurde geändert, und alle anderen Sitzungen wurden beendet.",
        "Warst du es nicht, kennt jemand dein altes Passwort: schreib uns sofort über die Kontaktseite.",
    ),
    (Kind.PASSWORD_CHANGED, Language.RUSSIAN): (
        "Ваш пароль изменён",
        "Здравствуйте, {username}!",
        "Пароль вашего аккаунта Pixera изменён, все остальные сеансы завершены.",
        "Если это были не вы, кто-то знает ваш старый пароль: сразу напишите нам через страницу «Контакты».",
    ),
    (Kind.EMAIL_CHANGE, Language.ENGLISH): (
        "Confirm your new e-mail address",
        "Hello,",
        "somebody wants to use this address for their Pixera account. If it was you, open this link:",
        LINK,
        "Or type this code where Pixera asks for it:",
        TOKEN,
        "It works once, for 24 hours. If it was not you, there is nothing to do.",
    ),
    (Kind.EMAIL_CHANGE, Language.GERMAN): (
        "Bestätige deine neue E-Mail-Adresse",
        "Hallo,",
        "jemand möchte diese Adresse für sein Pixera-Konto verwenden. Warst du es, öffne diesen Link:",
        LINK,
        "Oder gib diesen Code ein, wo Pixera danach fragt:",
        TOKEN,
        "Er gilt einmal, 24 Stunden lang. Warst du es nicht, ist nichts zu tun.",
    ),
    (Kind.EMAIL_CHANGE, Language.RUSSIAN): (
        "Подтвердите новый адрес электронной почты",
        "Здравствуйте!",
        "Кто-то хочет использовать этот адрес для своего аккаунта Pixera. Если это были вы, откройте ссылку:",
        LINK,
        "Или введите этот код там, где его попросит Pixera:",
        TOKEN,
        "Код действует один раз, 24 часа. Если это были не вы, делать ничего не нужно.",
    ),
    (Kind.EMAIL_CHANGED, Language.ENGLISH): (
        "Your e-mail address was changed",
        "Hello {username},",
        "your Pixera account has another e-mail address from now on. This is the last mail to this one.",
        "If it was not you, somebody knows your password: write to us through the Contacts page at once.",
    ),
    (Kind.EMAIL_CHANGED, Language.GERMAN): (
        "Deine E-Mail-Adresse wurde geändert",
        "Hallo {username},",
        "dein Pixera-Konto hat ab jetzt eine andere E-Mail-Adresse. Dies ist die letzte Mail an diese hier.",
        "Warst du es nicht, kennt jemand dein Passwort: schreib uns sofort über die Kontaktseite.",
    ),
    (Kind.EMAIL_CHANGED, Language.RUSSIAN): (
        "Ваш адрес электронной почты изменён",
        "Здравствуйте, {username}!",
        "У вашего аккаунта Pixera теперь другой адрес электронной почты. Это последнее письмо на прежний адрес.",
        "Если это были не вы, кто-то знает ваш пароль: сразу напишите нам через страницу «Контакты».",
    ),
    (Kind.ACCOUNT_HIDDEN, Language.ENGLISH): (
        "Your account will be erased",
        "Hello {username},",
        "your Pixera account was deleted: it is hidden, and signed out everywhere.",
        "Everything in it is erased from {until} on. If you change your mind before, or it was not you: sign in, and"
        " everything is as it was. If it was not you, change your password then.",
    ),
    (Kind.ACCOUNT_HIDDEN, Language.GERMAN): (
        "Dein Konto wird gelöscht",
        "Hallo {username},",
        "dein Pixera-Konto wurde gelöscht: es ist verborgen und überall abgemeldet.",
        "Alles darin wird ab {until} endgültig entfernt. Überlegst du es dir vorher anders oder warst du es nicht,"
        " melde dich an, und alles ist wie zuvor. Warst du es nicht, ändere danach dein Passwort.",
    ),
    (Kind.ACCOUNT_HIDDEN, Language.RUSSIAN): (
        "Ваш аккаунт будет удалён",
        "Здравствуйте, {username}!",
        "Ваш аккаунт Pixera удалён: он скрыт, все сеансы завершены.",
        "Все данные будут стёрты начиная с {until}. Если до этого вы передумаете или это были не вы, войдите в"
        " аккаунт, и всё будет как прежде. Если это были не вы, затем смените пароль.",
    ),
    (Kind.ACCOUNT_RESTORED, Language.ENGLISH): (
        "Your account is back",
        "Hello {username},",
        "somebody signed in to your Pixera account, which was to be erased. Everything is as it was.",
        "If it was not you, somebody knows your password: change it, and delete the account again if you want to.",
    ),
    (Kind.ACCOUNT_RESTORED, Language.GERMAN): (
        "Dein Konto ist wieder da",
        "Hallo {username},",
        "jemand hat sich bei deinem Pixera-Konto angemeldet, das gelöscht werden sollte. Alles ist wie zuvor.",
        "Warst du es nicht, kennt jemand dein Passwort: ändere es, und lösche das Konto erneut, wenn du möchtest.",
    ),
    (Kind.ACCOUNT_RESTORED, Language.RUSSIAN): (
        "Ваш аккаунт восстановлен",
        "Здравствуйте, {username}!",
        "Кто-то вошёл в ваш аккаунт Pixera, который должен был быть удалён. Всё как прежде.",
        "Если это были не вы, кто-то знает ваш пароль: смените его и, если хотите, удалите аккаунт снова.",
    ),
    (Kind.EXPORT_READY, Language.ENGLISH): (
        "Your data is ready",
        "Hello {username},",
        "the archive of everything we hold of you is ready. Sign in to Pixera and download it in your account.",
        "It is there for a few days, for you alone, and is then removed.",
        "If it was not you who asked for it, somebody knows your password: change it at once.",
    ),
    (Kind.EXPORT_READY, Language.GERMAN): (
        "Deine Daten liegen bereit",
        "Hallo {username},",
        "das Archiv mit allem, was wir über dich speichern, ist fertig. Melde dich bei Pixera an und lade es in"
        " deinem Konto herunter.",
        "Es liegt dort einige Tage, nur für dich, und wird dann entfernt.",
        "Hast du nicht selbst darum gebeten, kennt jemand dein Passwort: ändere es sofort.",
    ),
    (Kind.EXPORT_READY, Language.RUSSIAN): (
        "Ваши данные готовы",
        "Здравствуйте, {username}!",
        "Архив со всем, что мы о вас храним, готов. Войдите в Pixera и скачайте его в своём аккаунте.",
        "Он доступен несколько дней и только вам, затем будет удалён.",
        "Если его запросили не вы, кто-то знает ваш пароль: сразу смените его.",
    ),
    (Kind.IDENTITY_CODE, Language.ENGLISH): (
        "Your code",
        "Hello,",
        "somebody made a request about this address's Pixera account. If it was you, this code proves it:",
        TOKEN,
        "It works once, for {minutes} minutes. Give it to nobody: we never ask for it by mail or phone. If it was not"
        " you, there is nothing to do: nothing is done without the code.",
    ),
    (Kind.IDENTITY_CODE, Language.GERMAN): (
        "Dein Code",
        "Hallo,",
        "jemand hat eine Anfrage zum Pixera-Konto dieser Adresse gestellt. Warst du es, beweist das dieser Code:",
        TOKEN,
        "Er gilt einmal, {minutes} Minuten lang. Gib ihn niemandem: wir fragen nie per Mail oder Telefon danach."
        " Warst du es nicht, ist nichts zu tun: ohne den Code geschieht nichts.",
    ),
    (Kind.IDENTITY_CODE, Language.RUSSIAN): (
        "Ваш код",
        "Здравствуйте!",
        "Кто-то отправил запрос об аккаунте Pixera с этим адресом. Если это были вы, код это подтвердит:",
        TOKEN,
        "Код действует один раз, {minutes} минут. Никому его не сообщайте: мы никогда не спрашиваем его по почте или"
        " телефону. Если это были не вы, делать ничего не нужно: без кода ничего не произойдёт.",
    ),
    (Kind.POLICY_CHANGED, Language.ENGLISH): (
        "Our privacy policy has changed",
        "Hello {username},",
        "we have changed our privacy policy in a way that matters. The new version is in force from now on:",
        LINK,
        "You are asked to accept it when you sign in the next time. If you do not want to, you can download what is"
        " yours and delete your account.",
    ),
    (Kind.POLICY_CHANGED, Language.GERMAN): (
        "Unsere Datenschutzerklärung hat sich geändert",
        "Hallo {username},",
        "wir haben unsere Datenschutzerklärung wesentlich geändert. Die neue Fassung gilt ab jetzt:",
        LINK,
        "Bei der nächsten Anmeldung bitten wir dich, sie anzunehmen. Möchtest du das nicht, kannst du deine Daten"
        " herunterladen und dein Konto löschen.",
    ),
    (Kind.POLICY_CHANGED, Language.RUSSIAN): (
        "Наша политика конфиденциальности изменилась",
        "Здравствуйте, {username}!",
        "Мы существенно изменили политику конфиденциальности. Новая версия уже действует:",
        LINK,
        "При следующем входе мы попросим вас её принять. Если вы не согласны, вы можете скачать свои данные и"
        " удалить аккаунт.",
    ),
    (Kind.TERMS_CHANGED, Language.ENGLISH): (
        "Our terms of use have changed",
        "Hello {username},",
        "we have changed our terms of use in a way that matters. The new version is in force from now on:",
        LINK,
        "You are asked to accept it when you sign in the next time. If you do not want to, you can download what is"
        " yours and delete your account.",
    ),
    (Kind.TERMS_CHANGED, Language.GERMAN): (
        "Unsere Nutzungsbedingungen haben sich geändert",
        "Hallo {username},",
        "wir haben unsere Nutzungsbedingungen wesentlich geändert. Die neue Fassung gilt ab jetzt:",
        LINK,
        "Bei der nächsten Anmeldung bitten wir dich, sie anzunehmen. Möchtest du das nicht, kannst du deine Daten"
        " herunterladen und dein Konto löschen.",
    ),
    (Kind.TERMS_CHANGED, Language.RUSSIAN): (
        "Наши условия использования изменились",
        "Здравствуйте, {username}!",
        "Мы существенно изменили условия использования. Новая версия уже действует:",
        LINK,
        "При следующем входе мы попросим вас её принять. Если вы не согласны, вы можете скачать свои данные и"
        " удалить аккаунт.",
    ),
}


def kind_of(code: str) -> Kind:
    """Return the kind of mail that an event asks for. Raises MailUnknown: there is no text for it."""
    try:
        return Kind(code)
    except ValueError as error:
        raise MailUnknown(code) from error


def news(kind: Kind, language: Language, *, username: str, until: datetime | None = None) -> Mail:
    """Return a mail to a verified address, in the person's language. Args: until: when a hidden account is erased."""
    return _composed(kind, language, {"username": username, "until": _written(until) if until else ""})


def policy_news(kind: Kind, language: Language, *, username: str, link: str) -> Mail:
    """Return the mail that tells of a changed document. Args: link: to the new version, for a browser."""
    return _composed(kind, language, {"username": username, "link": link})


def verification(language: Language, *, registered_at: datetime, public_url: str, token: str) -> Mail:
    """Return the mail that proves an address.

    It says when the registration was made and nothing that was typed: whoever typed it may be a stranger, and would
    have their words sent by us. The token is in the link's fragment, which browsers do not send: no server's log
    holds it.
    """
    values = {"registered": _written(registered_at), "link": f"{public_url}/verify#{token}", "token": token}
    return _composed(Kind.VERIFICATION, language, values)


def email_change(language: Language, *, public_url: str, token: str) -> Mail:
    """Return the mail that proves a new address of an account. It holds nothing that was typed, as `verification`."""
    return _composed(Kind.EMAIL_CHANGE, language, {"link": f"{public_url}/email#{token}", "token": token})


def identity_code(language: Language, *, code: str, minutes: int) -> Mail:
    """Return the mail with a code that proves who asks. It holds nothing that was typed, as `verification`."""
    return _composed(Kind.IDENTITY_CODE, language, {"token": code, "minutes": str(minutes)})


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _composed(kind: Kind, language: Language, values: dict[str, str]) -> Mail:
    subject, *paragraphs = TEXTS[kind, language]
    return composed(subject, paragraphs, values, language=language)
