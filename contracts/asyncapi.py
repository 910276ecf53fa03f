"""The events as AsyncAPI 3: who sends what on which topic, and which group receives it."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI

from libs.common.bus.consumes import Subscription, subscriptions
from libs.common.events import PRODUCERS, event_classes, producer_of
from libs.common.events.base import Event
from libs.common.events.privacy import (
    ErasureRequestedV1,
    HoldPlacedV1,
    HoldReleasedV1,
    InventoryRequestedV1,
)
from libs.common.exporting.handlers import export_subscription

Json = dict[str, Any]

SERVER = "kafka:9092"
HELD = (InventoryRequestedV1, ErasureRequestedV1)
"""What every service consumes as a holder, in its group `<service>.privacy`."""
ON_ITEMS = (HoldPlacedV1, HoldReleasedV1)
"""What services consume that have items which can be held, in their group `<service>.hold`."""


def files() -> Iterator[tuple[Path, Json]]:
    """Yield the AsyncAPI document with the path it belongs at."""
    yield Path("asyncapi.json"), document()


def document() -> Json:
    """Return the AsyncAPI 3 document, written by FastStream from the declared events and handlers."""
    broker = KafkaBroker(SERVER)
    for event in event_classes():
        broker.publisher(
            event.topic,
            title=f"{producer_of(event)} publishes {_named(event)}",
            schema=event,
            description=_about(event),
        )
    for subscription in all_subscriptions():
        _describe(broker, subscription)
    made: Json = (
        AsyncAPI(
            broker,
            title="Pixera",
            version="1",
            description="CloudEvents 1.0, binary mode.",
            schema_version="3.0.0",
        )
        .to_specification()
        .to_jsonable()
    )
    return made


def all_subscriptions() -> Iterator[Subscription]:
    """Yield the subscriptions of every service; nothing is connected to find them."""
    for service in sorted(PRODUCERS):
        yield from subscriptions(import_module(f"services.{service}.handlers"), object())
        yield Subscription(HELD, f"{service}.privacy", _holder, io=True)
        yield export_subscription(service, _exported)
        if import_module(f"services.{service}.privacy").HOLDINGS.items:
            yield Subscription(ON_ITEMS, f"{service}.hold", _keeper, io=True)


async def _holder() -> None:
    """Freeze, count and erase what this holder has of a person."""


async def _exported() -> None:
    """Write what this holder has of a person into its part of their export."""


async def _keeper() -> None:
    """Keep single items of this holder, or let them go."""


def _describe(broker: KafkaBroker, subscription: Subscription) -> None:
    for event in subscription.events:

        async def receive(body: Event) -> None:
            del body

        receive.__annotations__["body"] = event
        title = f"{subscription.group} receives {_named(event)}"
        broker.subscriber(
            event.topic, group_id=subscription.group, title=title, description=_about(subscription.handler)
        )(receive)


def _named(event: type[Event]) -> str:
    """Return the event's name, with its version where it is not the first: two of one topic are two channels."""
    return event.topic if event.version == 1 else f"{event.topic} v{event.version}"


def _about(thing: Any) -> str:
    documented = getattr(thing, "func", thing)
    return (documented.__doc__ or "").strip().split("\n")[0]
