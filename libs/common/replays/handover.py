"""What becomes of the records of one replay: they are handed to the group, or it is foreseen what would."""

from collections import Counter
from collections.abc import Iterable

from libs.common.bus.envelope import Malformed, NotSubscribed, Received, Record, receive
from libs.common.bus.group import Group
from libs.common.bus.inbox import REMEMBERED, Inbox
from libs.common.bus.parts import subjects_of
from libs.common.bus.redelivery import Redelivery
from libs.common.bus.settling import NotDelivered
from libs.common.clock import now
from libs.common.logging import logger
from libs.common.privacy.tombstones import Tombstones
from libs.common.replays.lanes import Lanes

FAILED, WAITING, TOO_OLD = "failed", "waiting", "too-old"
"""Beside the Outcomes of a delivery: it fails; its key waits, and it is left where it is, for another replay; it is
older than the inbox remembers, which cannot tell whether it had its effect, so it is not risked a second time."""

log = logger("replays")


class Handover:
    """Tells of each record what became of it, or would. Nothing overtakes what has failed of its key."""

    def __init__(
        self, group: Group, redelivery: Redelivery, lanes: Lanes, inbox: Inbox, tombstones: Tombstones
    ) -> None:
        self._group, self._redelivery, self._lanes = group, redelivery, lanes
        self._inbox, self._tombstones = inbox, tombstones

    async def deliver(self, records: Iterable[Record]) -> Counter[str]:
        """Hand records over, one after the other; count them by what became of them. Raises: Abandoned."""
        return Counter([await self._delivered(record) for record in records])

    async def foresee(self, records: Iterable[Record]) -> Counter[str]:
        """Count what would become of records: delivered, known already, void by an erasure, too old, or to wait.

        What would fail, and what would wait behind that, nobody knows before.
        """
        readable, unreadable = self._sifted(records)
        known = await self._inbox.known(one.id for one in readable)
        erased = set(await self._tombstones.among(subjects_of(readable)))
        fresh = [one for one in readable if one.id not in known]
        living = [one for one in fresh if one.fenced_subject not in erased]
        due = [one for one in living if not _too_old(one.record)]
        waiting = len(await self._lanes.waiting(due))
        told = {"duplicate": len(readable) - len(fresh), "erased": len(fresh) - len(living)}
        left = {TOO_OLD: len(living) - len(due), WAITING: waiting, "deliverable": len(due) - waiting}
        return unreadable + Counter(told | left)

    async def _delivered(self, record: Record) -> str:
        """Return what became of a record: an Outcome, `waiting`, `too-old`, or `failed`; the log has the reason."""
        if _too_old(record):
            (told,) = await self.foresee([record])
            return told
        if await self._waits(record):
            return WAITING
        try:
            return (await self._redelivery.deliver(record)).value
        except NotDelivered as error:
            await self._lanes.note_failed(record)
            log.warning(
                "replay.not_delivered",
                group=self._group.name,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                code=error.code,
            )
            return FAILED

    async def _waits(self, record: Record) -> bool:
        """Tell whether a record has to wait. It is looked up at its turn: its key may wait since just now."""
        readable, _ = self._sifted([record])
        return bool(await self._lanes.waiting(readable)) and WAITING in await self.foresee([record])

    def _sifted(self, records: Iterable[Record]) -> tuple[list[Received], Counter[str]]:
        readable, unreadable = [], Counter[str]()
        for record in records:
            try:
                readable.append(receive(record, self._group.readable))
            except Malformed:
                unreadable["malformed"] += 1
            except NotSubscribed:
                unreadable["ignored"] += 1
        return readable, unreadable


def _too_old(record: Record) -> bool:
    return record.timestamp / 1_000 < (now() - REMEMBERED).timestamp()
