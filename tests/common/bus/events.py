"""Events for tests only. They are taken out of the registry at once, so no contract ever shows them."""

import types
from typing import ClassVar
from uuid import UUID

from libs.common.events.base import REGISTRY, Event


class Noted(Event, topic="test.noted", subject="user_id"):
    """Somebody noted a number."""

    user_id: UUID
    number: int

    __test__: ClassVar[bool] = False


def noted(topic: str, *, version: int = 1, fenced: bool = True) -> type[Noted]:
    """Return the event on a topic of one's own."""
    keywords = {"topic": topic, "subject": "user_id", "version": version, "fenced": fenced}
    made: type[Noted] = types.new_class("NotedV", (Noted,), keywords)
    del REGISTRY[topic, version]
    return made


del REGISTRY[Noted.topic, Noted.version]
