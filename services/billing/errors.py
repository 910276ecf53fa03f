"""What can go wrong in billing; each answers HTTP and event handlers alike."""

from libs.common.errors import Conflict, Invalid, NotFound, PixeraError, Unavailable


class UnknownPackage(Invalid):
    """There is no such package."""

    code, title = "unknown-package", "There is no such credit package"


class PaymentNotFound(NotFound):
    """No such payment, or another person's."""

    code, title = "payment-not-found", "There is no such payment"


class IdempotencyKeyReused(Conflict):
    """The key already stands for a different purchase."""

    code, title = "idempotency-key-reused", "This Idempotency-Key was used for another package"


class CardDataRefused(Invalid):
    """Something that looks like a payment card's number was sent; it is neither kept nor repeated."""

    code, title = "card-data-refused", "Never send card numbers here: pay on the payment provider's page"


class WebhookRefused(PixeraError):
    """A notice is not signed by the provider, or too old, or too far ahead of time."""

    code, status, title = "webhook-refused", 401, "The webhook's signature or timestamp is not valid"


class NoticeUnreadable(Invalid):
    """A notice is signed, but is none that this provider sends."""

    code, title = "notice-unreadable", "The notice cannot be read"


class AmountMismatch(Conflict):
    """A notice tells of another amount than the payment's."""

    code, title = "amount-mismatch", "The amount is not the payment's"


class PaymentFrozen(Unavailable):
    """The payer is being erased at this moment; the provider is to tell again when that is done."""

    code, title = "payment-frozen", "This payment cannot change right now, tell again later"


class ProviderUnavailable(Unavailable):
    """The payment provider does not answer."""

    code, title = "payment-provider-unavailable", "The payment provider does not answer, try again"


class InvalidAmount(Invalid):
    """Less than one credit cannot move."""

    code, title = "invalid-amount", "Credits move in whole numbers, one or more"


class Overdrawn(Conflict):
    """More would be taken than there is."""

    code, title = "overdrawn", "There are not enough credits"


class BooksDisagree(PixeraError):
    """A reservation is open and its credits are not set aside: rebuild the balances, then redrive the event."""

    code, title = "books-disagree", "The balance and the reservations disagree"


class DuplicatePayment(Conflict):
    """Another request with the same Idempotency-Key was faster."""

    code, title = "duplicate-payment", "This purchase was begun already"
