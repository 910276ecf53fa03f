"""The outbox: events wait here, committed together with what they announce, until the relay has published them."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from bson import Timestamp
from pydantic import Field

from libs.common.bus.envelope import MOST_BYTES, source_of
from libs.common.clock import new_id, now
from libs.common.document import Document
from libs.common.events.base import Event
from libs.common.mongo import Mongo, Row
from libs.common.privacy.annotations import Ends, Operational, Personal, Purpose, Retention
from libs.common.tracing import current_traceparent

UNTIL_PUBLISHED = Retention("until it is published, as a rule milliseconds", ends=Ends.DONE)
BY_THE_DATABASE = Timestamp(0, 0)
"""What MongoDB puts its own timestamp in place of, in a document's first level. Source: BSON types, Timestamps."""

OpaqueSubject = Personal("user.unique_id", purpose=Purpose.SERVICE, retention=UNTIL_PUBLISHED)


class OutboxRow(Document):
    """One event on its way to Kafka; the row goes once it is published.

    Args:     written: the database's own count of its writes. It is one clock for all writers, so of two that follow
              each other the second is the later one, whatever the clocks are that ids and times are made of.
    """

    collection: ClassVar[str] = "outbox"

    id: Operational[str] = Field(alias="_id")
    topic: Operational[str]
    key: Annotated[str, OpaqueSubject]
    type: Operational[str]
    source: Operational[str]
    time: Operational[datetime]
    subject: Annotated[str, OpaqueSubject]
    body: Annotated[bytes, OpaqueSubject]
    traceparent: Operational[str | None] = None
    written: Operational[Any] = BY_THE_DATABASE

    @classmethod
    def of(cls, event: Event, source: str, traceparent: str | None = None) -> "OutboxRow":
        """Return the row that publishes an event, under a fresh event id."""
        key = event.key
        return cls(
            id=str(new_id()),
            topic=event.topic,
            key=key,
            type=event.type_name(),
            source=source,
            time=now(),
            subject=key,
            body=event.model_dump_json().encode(),
            traceparent=traceparent,
        )

    def to_mongo(self) -> Row:
        """Return the row as MongoDB stores it; flat as it is, pydantic's walk through it is saved."""
        row = dict(self.__dict__)
        row["_id"] = row.pop("id")
        return row


class EventTooLarge(ValueError):
    """An event no consumer would read: it is refused while its transaction can still be rolled back."""


class Outbox:
    """Where a service leaves its events. Args: source: the service's name."""

    def __init__(self, mongo: Mongo, source: str) -> None:
        self._rows = mongo.collection(OutboxRow)
        self._source = source_of(source)

    async def add(self, *events: Event) -> None:
        """Leave events to be published if, and only if, the open transaction commits.

        Raises:   NoTransaction: called outside of one.  EventTooLarge: a bug in its producer.
        Effects:  one outbox row per event, all of a transaction's in one round trip at its end.
        """
        traceparent = current_traceparent()
        rows = [OutboxRow.of(event, self._source, traceparent) for event in events]
        for row in rows:
            if len(row.body) > MOST_BYTES:
                raise EventTooLarge(row.type)
        self._rows.insert_later([row.to_mongo() for row in rows])
