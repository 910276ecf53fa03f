"""One I/O handler's call for one event: outside of any transaction, its effect committed by `once`."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from opentelemetry.trace import SpanKind

from libs.common.bus import metrics
from libs.common.bus.envelope import Received
from libs.common.bus.parts import Parts
from libs.common.tracing import span

T = TypeVar("T")


async def perform(parts: Parts, received: Received) -> None:
    """Call the handler of an event; where it commits nothing itself, commit that it was called.

    Raises:   AlreadyDone, SubjectErased, or whatever the handler raises.
    """
    once = _Once(parts, received)
    handler = parts.group.handlers[type(received.event)]
    with (
        metrics.BATCH_SECONDS.labels(parts.group.name).time(),
        span(f"{parts.group.name} process", SpanKind.CONSUMER, traceparent=received.traceparent),
    ):
        await handler(received.event, once)
        if not once.committed:
            await once(_nothing)
    parts.observe_ages([received])


class _Once:
    """Commits the effect of one event together with its inbox row."""

    def __init__(self, parts: Parts, received: Received) -> None:
        self._parts, self._received = parts, received
        self.committed = False

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T:
        async def claimed() -> T:
            await self._parts.inbox.claim(self._received.id)
            return await work()

        done = await self._parts.work.run(claimed, subject=self._received.fenced_subject)
        self.committed = True
        return done


async def _nothing() -> None:
    """The effect of a handler that had nothing to write."""
