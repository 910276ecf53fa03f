"""A consumer group: all of a service's subscriptions that share one, as one consumer runs them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from libs.common.bus.consumes import Handler, Subscription
from libs.common.events.base import Event


class ConflictingSubscriptions(ValueError):
    """Two subscriptions of one group cannot be run together."""


@dataclass(frozen=True, slots=True)
class Group:
    """What one consumer reads, and who handles what.

    Args:     readable: event classes by CloudEvents type; handlers: by event class; many: those of them that take
              a list of events.
    """

    name: str
    readable: Mapping[str, type[Event]]
    handlers: Mapping[type[Event], Handler]
    io: bool
    batch: int
    concurrency: int
    many: frozenset[Handler]

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics of its events."""
        return tuple(sorted({event.topic for event in self.handlers}))


def groups_of(subscriptions: Iterable[Subscription]) -> list[Group]:
    """Return the consumer groups of a service.

    Raises:   ConflictingSubscriptions: in one group an event has two handlers, or the kinds of handler differ.
    """
    by_name: dict[str, list[Subscription]] = {}
    for subscription in subscriptions:
        by_name.setdefault(subscription.group, []).append(subscription)
    return [_joined(name, members) for name, members in by_name.items()]


def _joined(name: str, members: list[Subscription]) -> Group:
    if len({member.io for member in members}) > 1:
        raise ConflictingSubscriptions(
            f"{name}: I/O handlers and transactional ones need groups of their own"
        )
    handlers: dict[type[Event], Handler] = {}
    for member in members:
        for event in member.events:
            if event in handlers:
                raise ConflictingSubscriptions(f"{name}: {event.__name__} has two handlers")
            handlers[event] = member.handler
    return Group(
        name=name,
        readable={event.type_name(): event for event in handlers},
        handlers=handlers,
        io=members[0].io,
        batch=max(member.batch for member in members),
        concurrency=max(member.concurrency for member in members),
        many=frozenset(member.handler for member in members if member.many),
    )
