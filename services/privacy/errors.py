"""What can go wrong in privacy, by name."""

from libs.common.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    PixeraError,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
)


class CaseNotFound(NotFound):
    """There is no such case, or the token is not its token: nobody can tell which."""

    code, title = "case-not-found", "There is no such erasure case"


class CertificateNotFound(NotFound):
    """The erasure is not proven yet."""

    code, title = "certificate-not-found", "There is no certificate yet: the erasure is not verified"


class HoldTooLate(Conflict):
    """The holders were asked to erase: nobody can promise any more that something is kept."""

    code, title = "hold-too-late", "It is too late to hold this erasure"


class HoldNotFound(NotFound):
    """There is no such hold."""

    code, title = "hold-not-found", "There is no such hold"


class NotHeld(Conflict):
    """There is no hold to release: it has ended, or never took effect."""

    code, title = "not-held", "This hold is not in force"


class NothingToConfirm(Conflict):
    """The hold waits for nobody."""

    code, title = "nothing-to-confirm", "This hold waits for no confirmation"


class SecondOperatorNeeded(Conflict):
    """Whoever asked for it wants to confirm it: four eyes are two operators."""

    code, title = "second-operator-needed", "Another operator has to confirm this"


class UnknownItem(Invalid):
    """Nothing is called that, or it cannot be held by itself."""

    code, title = "unknown-item", "Nothing can be held by this name"


class HoldUnfit(Invalid):
    """A hold must have an end, and people must look at it again before long."""

    code, title = "hold-unfit", "A hold cannot end then"


class BackupUnderWay(Conflict):
    """One at a time: each reads everything."""

    code, title = "backup-under-way", "A backup is being made already"


class PolicyUnknown(NotFound):
    """There is no such document, version or language, or the version is not published."""

    code, title = "policy-unknown", "There is no such version"


class PolicyPublished(Conflict):
    """The version is published already; a publication stays as it is."""

    code, title = "policy-published", "This version is published already: write the next one"


class PolicyOutdated(Conflict):
    """A version with an older date than the one in force: it would take a promise back in silence."""

    code, title = "policy-outdated", "A newer version is in force"


class CaseChanged(Unavailable):
    """Somebody else wrote the case between reading and writing it; the same works the next time."""

    code, title = "case-changed", "The case has just changed, try again"


class DataMapMissing(Unavailable):
    """The generated data map is not there, so nobody can say where to look: run `make contracts`."""

    code, title = "data-map-missing", "The data map is not there"


class ExportNotFound(NotFound):
    """There is no such export, or it is another person's: nobody can tell which."""

    code, title = "export-not-found", "There is no such export"


class ExportNotReady(Conflict):
    """The archive is being made."""

    code, title = "export-not-ready", "This export is being made: we mail you when it is ready"


class ExportGone(PixeraError):
    """The archive was removed when its time was over."""

    code, status, title = "export-gone", 410, "This export has been removed: ask for a new one"


class ExportTooSoon(TooMany):
    """Each export reads everything that is held of a person."""

    code, title = "export-too-soon", "You asked for an export not long ago: use that one, or come back later"


class RangeUnfit(PixeraError):
    """A download can go on from a byte to the end, and in no other way."""

    code, status, title = (
        "range-unfit",
        416,
        "Ask for `bytes=<first>-` with a first byte inside of the archive",
    )


class RequestNotFound(NotFound):
    """There is no such request, it is another person's, or the link is none of its links: nobody can tell which."""

    code, title = "request-not-found", "There is no such request"


class RequestLinkExpired(Unauthenticated):
    """The link was of this request, and is too old."""

    code, title = "request-link-expired", "This link has expired: ask for a new one"


class RequestClosed(Conflict):
    """The request has come to its end."""

    code, title = "request-closed", "This request is closed: make a new one"


class AlreadyProven(Conflict):
    """It is proven already, or nothing has to be, who asks."""

    code, title = "identity-not-asked", "Nothing has to be proven for this request"


class NotCancellable(Conflict):
    """Services act on the request already."""

    code, title = (
        "request-not-cancellable",
        "This request is being carried out. To keep an account that is to be erased, sign in",
    )


class AlreadyExtended(Conflict):
    """A due date is extended once, and before it."""

    code, title = "request-not-extendable", "This due date is not extended any more"


class NoMinorReport(Conflict):
    """Only a report of a minor is confirmed as one."""

    code, title = "no-minor-report", "This request is no report of a minor"


class MessageTooLong(TooLarge):
    """More was written than a message holds."""

    code, title = "message-too-long", "A message holds no more than this: shorten it, or write several"


class ChallengeFailed(Invalid):
    """The proof of work is missing, wrong, expired, or was used before."""

    code, title = "challenge-failed", "Solve a new challenge: GET /api/privacy/v1/requests/challenge"


class AddressNeeded(Invalid):
    """Who is not signed in, and proves no identity, has to say where an answer goes."""

    code, title = "address-needed", "Say at which e-mail address we can answer, or sign in"


class IdentityNeeded(Forbidden):
    """Nothing came that proves who asks."""

    code, title = "identity-needed", "Prove who you are: sign in, or ask for a code"


class IdentityOfAnother(Forbidden):
    """The proof is of another person than the one the request is about."""

    code, title = "identity-of-another", "This proves that you are somebody else"
