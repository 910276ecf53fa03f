"""Giving events their effect: inbox rows, handlers and new events in one transaction, the fence before and after."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from libs.common.bus.consumes import AlreadyDone
from libs.common.bus.envelope import Received, Record
from libs.common.bus.parts import Parts
from libs.common.bus.tracing import continued
from libs.common.errors import SubjectErased


@dataclass(slots=True)
class Effected:
    """What became of events that were taken together."""

    done: list[Received]
    erased: list[Received]
    duplicates: list[Received] = field(default_factory=list)


class Effects:
    """Runs one group's transactional handlers, for its consumer and for whoever delivers again."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def single(self, record: Record) -> None:
        """Give one record its effect, in a transaction of its own.

        Raises:   AlreadyDone: it has had it. SubjectErased: it is void. Malformed, NotSubscribed, or whatever the
                  handler raises; nothing is committed then.
        """
        received = self._parts.receive(record)
        effected = await self.together([received])
        await self._parts.sweep_late([received])
        if effected.duplicates:
            raise AlreadyDone(received.id)
        if effected.erased:
            raise SubjectErased

    async def together(self, received: Sequence[Received]) -> Effected:
        """Commit inbox rows, effects and new events of these events in one transaction.

        That nothing of it is there yet is taken for granted, because it nearly always is so; the inbox is read only
        once it has refused a row. The fence is read before; the caller reads it again after the commit.

        Raises:   whatever a handler raises; nothing is committed then.
        """
        unique = {one.id: one for one in received}
        void = await self._parts.erased(unique.values())
        known: set[str] = set()
        while True:
            fresh = [one for one in unique.values() if one.id not in known]
            todo = [one for one in fresh if one.fenced_subject not in void]
            try:
                await self._parts.mongo.transaction(partial(self._do, todo))
            except AlreadyDone:
                before, known = known, await self._parts.inbox.known(unique)
                if known == before:
                    raise
            else:
                self._parts.observe_ages(todo)
                erased = [one for one in fresh if one.fenced_subject in void]
                return Effected(todo, erased, self._others(received, fresh))

    async def _do(self, received: list[Received]) -> None:
        await self._parts.inbox.add(one.id for one in received)
        await self._handle(received)

    async def _handle(self, received: list[Received]) -> None:
        """Call the handlers, in order; one that takes many events gets its neighbours together."""
        group = self._parts.group
        for handler, run in groupby(received, lambda one: group.handlers[type(one.event)]):
            ones = list(run)
            if handler in group.many:
                with continued(ones[0].traceparent if len(ones) == 1 else None, group.name):
                    await handler([one.event for one in ones])
                continue
            for one in ones:
                with continued(one.traceparent, group.name):
                    await handler(one.event)

    @staticmethod
    def _others(received: Sequence[Received], fresh: list[Received]) -> list[Received]:
        settled = {one.id for one in fresh}
        return [one for one in received if one.id not in settled]
