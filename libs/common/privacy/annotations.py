"""What a stored field says about itself: personal or not, why it is held, and for how long."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class Purpose(StrEnum):
    """Why data is used; the headings of the privacy policy."""

    SERVICE = "service_delivery"
    PERSONALISATION = "personalisation"
    SECURITY = "security"
    PAYMENT = "payment"
    ACCOUNTABILITY = "accountability"


class Basis(StrEnum):
    """The legal ground. Source: GDPR Art. 6(1)."""

    CONTRACT = "contract"
    LEGITIMATE_INTERESTS = "legitimate_interests"
    CONSENT = "consent"
    LEGAL_OBLIGATION = "legal_obligation"


class ChosenPurpose(StrEnum):
    """A purpose that a person decides about; `libs.common.privacy.purposes` says what each one is."""

    PERSONALISATION = "personalisation"
    SESSION_DEVICES = "session-devices"
    PHOTO_DETAILS = "photo-details"


class Ends(StrEnum):
    """What ends a retention; each has its own enforcement (ADR 0041)."""

    TIME = "time"
    """So long after it was made: the retention sweep removes it."""
    EXPIRY = "expiry"
    """At the time that the row itself names: the database removes it, by an index of the document."""
    ACCOUNT = "account"
    """While the account lives: from its making until the account is closed, whose erasure removes it."""
    DONE = "done"
    """When what it is there for is done: whoever does it removes it. Of the platform's own rows alone."""
    PROOF = "proof"
    """Not by itself: it proves what was done, and says no more of people than an opaque id, or is of operators."""


class EndlessRetention(TypeError):
    """A retention says neither how long it is nor what ends it."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a field is kept, and what ends that.

    Args:     name: what people read; period: from the row's making; years: so many whole calendar years after the
              one in which the row was made; ends: what ends it, where it is not time.
    Raises:   EndlessRetention.
    """

    name: str
    period: timedelta | None = None
    years: int = 0
    ends: Ends = Ends.TIME

    def __post_init__(self) -> None:
        """Refuse what would be kept without an end that somebody enforces."""
        if (self.period is None and not self.years) == (self.ends is Ends.TIME):
            raise EndlessRetention(
                f"`{self.name}`: give it a period or calendar years, or say with ends= what ends it instead"
            )

    @property
    def longest(self) -> timedelta | None:
        """Return how long a row can be kept at most; None where no time ends it."""
        return timedelta(days=LONGEST_YEAR * (self.years + 1)) if self.years else self.period

    def end_of(self, made_at: datetime) -> datetime:
        """Return until when something is kept that was made at a moment. Raises TypeError: no time ends it."""
        if self.years:
            return datetime(made_at.year + self.years + 1, 1, 1, tzinfo=UTC)
        if self.period is None:
            raise TypeError(f"`{self.name}` is ended by no time")
        return made_at + self.period

    def over_before(self, moment: datetime) -> datetime:
        """Return what everything was made before whose time is over at a moment. Raises TypeError: as above."""
        if self.years:
            return datetime(moment.year - self.years, 1, 1, tzinfo=UTC)
        if self.period is None:
            raise TypeError(f"`{self.name}` is ended by no time")
        return moment - self.period


CREDENTIALS = "user.authorization"
LONGEST_YEAR = 366

ACCOUNT = Retention("until the account is erased", ends=Ends.ACCOUNT)
DAY = Retention("one day", timedelta(days=1))
MONTH = Retention("30 days", timedelta(days=30))
QUARTER = Retention("90 days", timedelta(days=90))
TAX = Retention("8 years from the end of the year, as tax law asks", years=8)
"""Source:   § 14b(1) UStG and § 147(1) no. 4, (3), (4) AO, as of 1 January 2025 (BGBl. 2024 I no. 323)."""


@dataclass(frozen=True, slots=True)
class Personal:
    """This field is about a person.

    Args:     category: a key of the public fideslang taxonomy, such as `user.contact.email`; chosen: the purpose that
              its person decides about, without which the field is not kept; anothers: it may be somebody else's, and
              then goes with its person and is in no copy that they get.
    Source:   GDPR Art. 4(1), Art. 30(1), Art. 15(4).
    """

    category: str
    purpose: Purpose = Purpose.SERVICE
    basis: Basis = Basis.CONTRACT
    retention: Retention = ACCOUNT
    chosen: ChosenPurpose | None = None
    anothers: bool = False

    @property
    def is_secret(self) -> bool:
        """Tell whether it is something that people get in by, such as a password's hash."""
        return self.category.startswith(CREDENTIALS)


@dataclass(frozen=True, slots=True)
class SealedAtRest:
    """This field is stored sealed with its person's key, and opened when it is read (ADR 0035).

    Args:     erased: what it reads as once the key is destroyed, as it would be stored; the field's type takes it.
    """

    erased: Any = None


@dataclass(frozen=True, slots=True)
class BlindIndex:
    """This field is a keyed hash of something that is stored sealed, by which alone it is looked for (ADR 0035).

    Args:     name: what it is a hash of: fields that are compared with one another have the same.
    """

    name: str


@dataclass(frozen=True, slots=True)
class NotPersonal:
    """This field says nothing about a person by itself."""


T = TypeVar("T")

Operational = Annotated[T, NotPersonal()]
"""A field that runs the service and says nothing about a person."""

SubjectId = Annotated[UUID, Personal("user.unique_id")]
"""The opaque id of the person a row is about."""


class UndeclaredField(TypeError):
    """A stored field does not say whether it is personal."""


def declaration(field: FieldInfo) -> Personal | NotPersonal | None:
    """Return what the field says of itself, or None where it is silent."""
    for mark in field.metadata:
        if isinstance(mark, Personal | NotPersonal):
            return mark
    return None


def sealed_fields(model: type[BaseModel]) -> dict[str, SealedAtRest]:
    """Return the fields of a stored model that are sealed at rest, by the names that they are stored under."""
    marks = ((name, field, _seal(field)) for name, field in model.model_fields.items())
    return {field.alias or name: mark for name, field, mark in marks if mark is not None}


def _seal(field: FieldInfo) -> SealedAtRest | None:
    return next((mark for mark in field.metadata if isinstance(mark, SealedAtRest)), None)


def walk_fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every stored leaf field with its dotted path, nested models opened.

    A nested model that carries a mark of its own is a leaf: the mark speaks for all of it.
    """
    for name, field in model.model_fields.items():
        path = prefix + (field.alias or name)
        nested = None if declaration(field) else nested_model(field.annotation)
        if nested is None:
            yield path, field
        else:
            yield from walk_fields(nested, f"{path}.")


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside an annotation such as `list[Model] | None`, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, tuple, dict, set, Union, UnionType):
        for inner in get_args(annotation):
            if found := nested_model(inner):
                return found
    return None


def personal_fields(model: type[BaseModel]) -> dict[str, Personal]:
    """Return the personal fields of a stored model by their dotted path."""
    marks = ((path, declaration(field)) for path, field in walk_fields(model))
    return {path: mark for path, mark in marks if isinstance(mark, Personal)}


def require_declared(model: type[BaseModel]) -> None:
    """Refuse a stored model with a field that is silent about itself.

    Raises:   UndeclaredField: naming the field and what to write.
    """
    for path, field in walk_fields(model):
        if declaration(field) is None:
            raise UndeclaredField(
                f"{model.__module__}.{model.__name__}.{path} does not say whether it is personal: annotate it "
                f"with Personal(category, purpose, basis, retention) or make it Operational[...]"
            )
