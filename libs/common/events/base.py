"""What every event is: an immutable fact with opaque ids, named `subject.past_verb`."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, StringConstraints

Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._:-]{0,63}$")]
"""A machine's word (a reason, a holding, a package): never what a person typed."""

Locator = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{16,64}$")]
"""An opaque object prefix made by HMAC: it says nothing about anyone without the key."""

ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{16,64}(/[a-z0-9-]{1,64}){1,3}$")]
"""An opaque object's name beneath a locator: made by a server, of identifiers only."""

Sealed = Annotated[str, StringConstraints(pattern=r"^A[g-v][A-Za-z0-9+/]{106,}={0,2}$", max_length=2**17)]
"""Personal content that only its own person's key opens (`libs.common.sealing`); without the key it is noise.

Source:   BSON binary subtype 6 in base64: it begins with 2, randomised encryption, and has 82 bytes at least.
"""

REGISTRY: dict[tuple[str, int], type["Event"]] = {}


class Event(BaseModel):
    """A fact that a service publishes.

    A subclass is declared with `topic` (the event's name and its Kafka topic), `version`, and `subject`: the
    field whose value is the message key, so that what concerns one subject keeps its order within the topic.
    `fenced` events are refused by consumers once their `user_id` is erased.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    topic: ClassVar[str]
    version: ClassVar[int]
    subject: ClassVar[str]
    fenced: ClassVar[bool]

    def __init_subclass__(
        cls, *, topic: str, subject: str, version: int = 1, fenced: bool = True, **kwargs: Any
    ) -> None:
        """Enter the event into the registry under its topic and version."""
        super().__init_subclass__(**kwargs)
        cls.topic, cls.version, cls.subject, cls.fenced = topic, version, subject, fenced
        if REGISTRY.setdefault((topic, version), cls) is not cls:
            raise TypeError(f"{topic} v{version} is declared twice")

    @classmethod
    def type_name(cls) -> str:
        """Return the CloudEvents type, such as `pixera.user.deleted.v1`."""
        return f"pixera.{cls.topic}.v{cls.version}"

    @property
    def key(self) -> str:
        """Return the subject's id, the Kafka message key."""
        return str(getattr(self, self.subject))


def event_classes() -> tuple[type[Event], ...]:
    """Return every declared event, by topic and version."""
    return tuple(REGISTRY[name] for name in sorted(REGISTRY))
