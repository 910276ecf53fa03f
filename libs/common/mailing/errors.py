"""What can go wrong with a mail."""

from libs.common.errors import PixeraError


class MailRefused(PixeraError):
    """The mail server will not take this mail, now or later. Dead letter."""

    code, status, title, retry = "mail-refused", 502, "The mail server refused a mail", False
