"""What can go wrong with a mail."""

from libs.common.errors import PixeraError


class MailPutOff(PixeraError):
    """The mail server takes other mails, and not this one's address for now. Dead letter, where that goes on.

    A mailbox that is full stays full for days; all mails behind it in its partition cannot be committed meanwhile.
    """

    code, status, title, retry = "mail-put-off", 503, "The mail server does not take an address for now", True
    patience_s = 600.0


class MailRefused(PixeraError):
    """The mail server will not take this mail, now or later. Dead letter."""

    code, status, title, retry = "mail-refused", 502, "The mail server refused a mail", False
