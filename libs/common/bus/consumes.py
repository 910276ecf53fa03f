"""How a service says which function handles which events: `@consumes(...)` in its `handlers.py`."""

import inspect
import types
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol, TypeVar

from libs.common.events.base import Event

T = TypeVar("T")
Handler = Callable[..., Awaitable[None]]
HandlerT = TypeVar("HandlerT", bound=Handler)

MARK = "__consumes__"
DEFAULT_BATCH = 500


class AlreadyDone(Exception):
    """The event has had its effect from an earlier delivery. The consumer catches it; handlers let it pass."""


class Once(Protocol):
    """Commits the effect of the event in hand, once."""

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work` in one transaction with the inbox row and the events it publishes.

        `work` may be repeated after a passing conflict: it writes to this service's database only.

        Raises:   AlreadyDone: the effect is there from an earlier delivery; the consumer catches it.
                  SubjectErased: the person is erased; the consumer drops the event.
        """
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """One handler of one consumer group.

    Args:     io: the handler does I/O and commits through `once`; else it runs inside the batch's transaction;
              batch: most events in one transaction; concurrency: most I/O handlers at work at once;
              many: a transactional handler takes a list of events.
    """

    events: tuple[type[Event], ...]
    group: str
    handler: Handler
    io: bool
    batch: int = DEFAULT_BATCH
    concurrency: int = 1
    many: bool = False

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics that the events travel on."""
        return tuple(sorted({event.topic for event in self.events}))


@dataclass(frozen=True, slots=True)
class _Mark:
    events: tuple[type[Event], ...]
    group: str
    io: bool
    batch: int
    concurrency: int
    many: bool


def consumes(
    *events: type[Event], group: str, batch: int = DEFAULT_BATCH, concurrency: int = 1
) -> Callable[[HandlerT], HandlerT]:
    """Mark a function as the handler of events, in a consumer group of its own.

    Three kinds, told apart by signature:
    `async def h(event, service)` runs inside the batch's transaction: database writes and outbox only;
    `async def h(events: list[E], service)` does too, with all events of the batch at once, oldest first: for hot
    paths, where one write for all is an order of magnitude cheaper than one for each;
    `async def h(event, service, once)` runs outside of any: I/O first, then `await once(work)` commits.

    Args:     group: `<service>.<what-it-does>`; it names the Kafka group, the inbox and the dead-letter topic.
              batch: most events in one transaction; concurrency: most events at work at once with `once`.
    Raises:   TypeError: the first parameter takes other events than the function is marked with.
    """

    def mark(handler: HandlerT) -> HandlerT:
        taken, many = _taken(handler)
        if not events or taken != set(events):
            raise TypeError(
                f"{handler.__module__}.{handler.__qualname__} must take {events}, as it is marked"
            )
        io = "once" in inspect.signature(handler).parameters
        setattr(handler, MARK, _Mark(events, group, io, batch, concurrency, many))
        return handler

    return mark


def _taken(handler: Handler) -> tuple[set[object], bool]:
    """Return the event classes a handler's first parameter takes, and whether it takes a list of them."""
    first = next(iter(inspect.signature(handler).parameters))
    taken = typing.get_type_hints(handler)[first]
    many = typing.get_origin(taken) is list
    if many:
        (taken,) = typing.get_args(taken)
    union = typing.get_origin(taken) in {typing.Union, types.UnionType}
    return set(typing.get_args(taken) if union else (taken,)), many


def subscriptions(module: ModuleType, service: object) -> list[Subscription]:
    """Return the subscriptions of every `@consumes` function of a module, bound to the service."""
    found = {id(member): member for member in vars(module).values() if hasattr(member, MARK)}
    return [_bound(handler, getattr(handler, MARK), service) for handler in found.values()]


def _bound(handler: Handler, mark: _Mark, service: object) -> Subscription:
    """Return the subscription; its handler is called with the event or events (and `once`) alone."""

    async def inside(taken: Event | list[Event]) -> None:
        await handler(taken, service)

    async def outside(event: Event, once: Once) -> None:
        await handler(event, service, once=once)

    call = outside if mark.io else inside
    return Subscription(mark.events, mark.group, call, mark.io, mark.batch, mark.concurrency, mark.many)
