"""Every event of the platform, a module per producer. Importing this package fills the registry."""

from libs.common.events import auth, billing, gallery, generation, privacy
from libs.common.events.base import Event, event_classes

PRODUCERS = {
    "auth": auth,
    "billing": billing,
    "gallery": gallery,
    "generation": generation,
    "privacy": privacy,
}


def producer_of(event: type[Event]) -> str:
    """Return the service whose module declares the event."""
    return event.__module__.rsplit(".", 1)[-1]


__all__ = ["PRODUCERS", "Event", "event_classes", "producer_of"]
