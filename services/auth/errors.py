"""What can go wrong in auth, by name."""

from libs.common.errors import Conflict, Forbidden, Invalid, NotFound, PixeraError, Unauthenticated


class WrongCredentials(Unauthenticated):
    """No verified account has this login and password; what is wrong is not told.

    An unverified account answers the same: else who registers with another's address and signs in would learn
    whether it has a verified account.
    """

    code = "wrong-credentials"
    title = "Login or password are wrong, or not verified yet: follow the link in the mail"


class WrongStaffCredentials(Unauthenticated):
    """No working staff account has this name and password; what is wrong is not told."""

    code, title = "wrong-credentials", "Name or password are wrong"


class StaffNameTaken(Conflict):
    """Another staff account has this name, or had it."""

    code, title = "staff-name-taken", "There is a staff account of this name"


class StaffNotFound(NotFound):
    """There is no such staff account that still works."""

    code, title = "staff-not-found", "There is no such staff account"


class PersonNotFound(NotFound):
    """No verified account has this address or name."""

    code, title = "person-not-found", "There is no verified account of this address or name"


class OwnStaffAccount(Conflict):
    """An operator wanted to disable their own account: somebody must be left to act."""

    code, title = "own-staff-account", "Let another operator disable your account"


class WrongPassword(Forbidden):
    """A signed-in person was asked for the password again and gave a wrong one."""

    code, title = "wrong-password", "The password is wrong"


class WeakPassword(Invalid):
    """The password is too short, too long or too easy to guess; `reason` says which."""

    code, title = "weak-password", "Choose a password that is harder to guess"


class UsernameTaken(Conflict):
    """Somebody has this username."""

    code, title = "username-taken", "This username is taken"


class TermsOutdated(Conflict):
    """Other versions than the current ones were accepted; the current ones come with the problem."""

    code, title = "terms-outdated", "Read and accept the current terms and privacy policy"


class NoticeNotFound(NotFound):
    """The person was given no such notice."""

    code, title = "notice-not-found", "There is no such notice"


class ConsentNeeded(Conflict):
    """What was asked for is only done with consent, which this person has not given, or has withdrawn."""

    code, title = "consent-needed", "This needs your consent"


class DecisionUnfit(Invalid):
    """Consent is withdrawn and legitimate interests are objected to; not the other way round."""

    code, title = "decision-unfit", "This purpose is not refused in this way"


class VerificationInvalid(Invalid):
    """The verification token is unknown, used or expired: nobody is told which."""

    code, title = "verification-invalid", "This link does not work any more: ask for a new one"


class CodeInvalid(Invalid):
    """The code is wrong, used, expired, tried too often, or was never mailed: nobody is told which."""

    code, title = "identity-code-invalid", "This code does not work: look again, or ask for a new one"


class RefreshInvalid(Unauthenticated):
    """The refresh token is unknown or expired, or its session has ended."""

    code, title = "refresh-invalid", "This session has ended, sign in again"


class RefreshReused(Unauthenticated):
    """A refresh token came a second time: somebody else may have it, so the session is over for both."""

    code, title = "refresh-reused", "This session was ended for your safety, sign in again"


class SessionNotFound(NotFound):
    """There is no such live session of this person."""

    code, title = "session-not-found", "There is no such session"


class TooManyPreferences(Invalid):
    """More preferences than a profile holds."""

    code, title = "too-many-preferences", "A profile holds no more preferences than this"


class AddressTaken(PixeraError):
    """An account has the address. It never reaches a person: the answer does not tell."""

    code, status, title = "address-taken", 500, "This address has an account"


class MailUnknown(PixeraError):
    """There is no text for this kind of mail: it was asked for by a newer process. Dead letter, to be redriven."""

    code, status, title, retry = "mail-unknown", 500, "There is no text for this kind of mail", False
