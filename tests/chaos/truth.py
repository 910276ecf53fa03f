"""What the stores hold once all is settled, as plain values: the checks are functions of this and the history."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from tests.chaos.history import Cast
from tests.chaos.model import Moment

Row = Mapping[str, Any]

SERVICES = ("auth", "gallery", "generation", "billing", "privacy")
GALLERY, GENERATED = "pixera-gallery", "pixera-generation"


@dataclass(frozen=True)
class Published:
    """A record of an event's topic. `time` is when its producer made it."""

    topic: str
    partition: int
    offset: int
    key: str
    id: str
    source: str
    time: datetime
    body: Mapping[str, Any]

    @property
    def service(self) -> str:
        """Return the service that published it."""
        return self.source.rpartition("/")[2]

    def get(self, field_name: str) -> str:
        """Return a field of the body as text, empty where it is absent."""
        value = self.body.get(field_name)
        return "" if value is None else str(value)


@dataclass(frozen=True)
class Letter:
    """A dead letter."""

    group: str
    topic: str
    event_id: str
    code: str


@dataclass(frozen=True)
class Stored:
    """An object. `pixels` is the digest of what it shows, empty where it shows nothing."""

    size: int
    digest: str
    pixels: str
    kind: str


@dataclass(frozen=True)
class Mailed:
    """A captured e-mail."""

    to: str
    subject: str
    at: datetime


@dataclass(frozen=True)
class Truth:
    """The stores, as far as they concern the people of one seed.

    Args: rows: by `<service>.<collection>`. accounts: by e-mail address, whose account has it. events: by topic,
        partition and offset. objects: by bucket and name. locators: each person's prefix of objects. strays: traces
        of erased people that no certificate accounts for. chain_broken: what is wrong with the chain of certificates,
        empty where nothing is. imbalance: of all books. readers: by topic, the groups that take its events in.
        holdings: collections of people's rows, by the path to the person.
    """

    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)
    events: Sequence[Published] = ()
    letters: Sequence[Letter] = ()
    objects: Mapping[str, Mapping[str, Stored]] = field(default_factory=dict)
    locators: Mapping[str, str] = field(default_factory=dict)
    mails: Sequence[Mailed] = ()
    log: Sequence[Moment] = ()
    strays: Sequence[str] = ()
    chain_broken: str = ""
    imbalance: int = 0
    readers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    holdings: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> Sequence[Row]:
        """Return the rows of a collection."""
        return self.rows.get(name, ())

    def by_id(self, name: str) -> dict[str, Row]:
        """Return the rows of a collection by their key."""
        return {str(row["_id"]): row for row in self.of(name)}

    def told(self, *topics: str) -> Iterator[Published]:
        """Yield events of these topics, each id once, by its first publication."""
        seen: set[str] = set()
        for event in self.events:
            if event.topic in topics and event.id not in seen:
                seen.add(event.id)
                yield event

    def id_of(self, person: Cast) -> str:
        """Return a person's id, also of one who never signed in to learn it; empty where they have no account."""
        return person.user_id or self.accounts.get(person.email, "")

    @cached_property
    def taken(self) -> dict[str, datetime]:
        """Return when each event had its effect in a group, by `<group>:<event>`, as the group's process wrote it."""
        inboxes = (found for name, found in self.rows.items() if name.endswith(".inbox"))
        return {str(row["_id"]): row["at"] for rows in inboxes for row in rows}

    @cached_property
    def leaving(self) -> dict[str, str]:
        """Return the case of each person whose deletion was announced."""
        return {event.get("user_id"): event.get("case_id") for event in self.told("user.deleted")}

    def is_leaving(self, user_id: object) -> bool:
        """Tell whether a person is being, or has been, erased."""
        return str(user_id) in self.leaving
