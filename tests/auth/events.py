"""What auth published, as a reader of real Kafka sees it."""

from typing import TypeVar
from uuid import UUID

from libs.common.events.base import Event
from libs.common.testing.serving import published
from libs.common.testing.waiting import eventually
from tests.auth.people import Auth

E = TypeVar("E", bound=Event)


async def events_of(auth: Auth, kind: type[E], needle: UUID) -> list[E]:
    """The published events of a kind that name an id, once there is one."""
    bootstrap = auth.service.settings.kafka_bootstrap
    return await eventually(lambda: published(bootstrap, kind, needle))
