"""The one family of errors: each answers HTTP and event handlers alike."""

from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue

PROBLEM_TYPE = "application/problem+json"


class PixeraError(Exception):
    """Something that went wrong and has a name.

    `code` is stable and part of the contract, `status` is what HTTP answers, `retry` tells a handler whether
    the same event may pass later (wait) or never will (dead letter), `patience_s` for how long it waits at most.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"
    retry: ClassVar[bool] = False
    patience_s: ClassVar[float | None] = None

    def __init__(self, detail: str = "", **extra: JsonValue) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra

    @property
    def headers(self) -> dict[str, str]:
        """Return the HTTP headers that go with the answer."""
        return {}

    def problem(self, instance: str = "") -> dict[str, Any]:
        """Return the problem document that a client sees.

        Source:   RFC 9457.
        """
        body: dict[str, Any] = {"type": f"urn:pixera:problem:{self.code}", "title": self.title}
        body |= {"status": self.status, "code": self.code, "detail": self.detail}
        if instance:
            body["instance"] = instance
        return body | self.extra


class Invalid(PixeraError):
    """What was sent cannot be used as it is."""

    code, status, title = "invalid", 422, "The request cannot be used as it is"


class Unauthenticated(PixeraError):
    """Nobody is signed in, or the token is not valid."""

    code, status, title = "unauthenticated", 401, "Sign in first"

    @property
    def headers(self) -> dict[str, str]:
        """Name the scheme, as RFC 9110 asks of every 401."""
        return {"WWW-Authenticate": "Bearer"}


class Forbidden(PixeraError):
    """The person is known, and may not do this."""

    code, status, title = "forbidden", 403, "You may not do this"


class NotFound(PixeraError):
    """It is not there, or it is another person's: nobody can tell which."""

    code, status, title = "not-found", 404, "There is nothing here"


class Conflict(PixeraError):
    """It stands against the present state."""

    code, status, title = "conflict", 409, "This does not fit the present state"


class SubjectErased(PixeraError):
    """The person this is about has been erased, or is being erased."""

    code, status, title = "subject-erased", 410, "This account is being erased"


class AccountHidden(PixeraError):
    """The person has deleted their account, and may still come back."""

    code, status = "account-hidden", 410
    title = "This account is about to be erased: sign in to keep it"


class ProcessingRestricted(Conflict):
    """The person restricted what is done with their data (GDPR Art. 18)."""

    code, title = (
        "processing-restricted",
        "You restricted the processing of your data: lift the restriction before you ask for this",
    )


class TooLarge(PixeraError):
    """More was sent than is taken."""

    code, status, title = "too-large", 413, "Too large"


class TooMany(PixeraError):
    """Too often, for now."""

    code, status, title = "too-many-requests", 429, "Too many requests, try again later"

    def __init__(self, detail: str = "", *, retry_after: int = 1, **extra: JsonValue) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Say when to come back (RFC 9110, Retry-After, seconds)."""
        return {"Retry-After": str(self.retry_after)}


class Unavailable(PixeraError):
    """A part that this needs does not answer at the moment."""

    code, status, title, retry = "unavailable", 503, "Part of the service does not answer, try again", True


class Problem(BaseModel):
    """A problem document, as the OpenAPI pages show it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:pixera:problem:not-found"])
    title: str
    status: int
    code: str
    detail: str
    instance: str = ""


def problems(*errors: type[PixeraError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for the errors a route declares."""
    by_status: dict[int | str, list[type[PixeraError]]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "model": Problem,
            "description": "; ".join(f"`{error.code}`: {error.title}" for error in family)
            or HTTPStatus(int(status)).phrase,
            "content": {PROBLEM_TYPE: {}},
        }
        for status, family in by_status.items()
    }
