"""An e-mail address as people type it."""

from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field, StringConstraints


def _normalised(text: str) -> str:
    """Return the address as it is written to. It is checked by its form; the mail proves the rest."""
    try:
        return validate_email(text, check_deliverability=False, allow_smtputf8=False).normalized
    except EmailNotValidError:
        raise ValueError("this is not an e-mail address") from None


def in_ascii(address: str) -> str:
    """Return an address as any mail server takes it, one without SMTPUTF8 too. Source: RFC 5891, 4.4."""
    checked = validate_email(address, check_deliverability=False, allow_smtputf8=False)
    return checked.ascii_email or checked.normalized


EmailAddress = Annotated[
    str, StringConstraints(max_length=254), AfterValidator(_normalised), Field(examples=["ada@example.com"])
]
