"""The redriver: delivers the letters that were asked for, and in their order what waited behind them."""

import asyncio
import time
from collections.abc import Mapping
from uuid import UUID

from aiokafka.errors import KafkaError

from libs.common.bus import metrics
from libs.common.bus.archive import Reader, RecordGone, original
from libs.common.bus.envelope import Record
from libs.common.bus.lease import Lease
from libs.common.bus.letters.box import LetterBox
from libs.common.bus.letters.depth import Depths
from libs.common.bus.letters.rows import DeadLetter
from libs.common.bus.redelivery import Redelivery
from libs.common.bus.settings import BusSettings
from libs.common.bus.settling import Abandoned, NotDelivered, Outcome
from libs.common.bus.topics import dead_letter_topic
from libs.common.bus.trouble import Backoff
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.stopping import is_cancelled

REDRIVER_LEASE = "redriver"
LANES_SIDE_BY_SIDE = 8
SLICE_S = 5.0
LOOK_EVERY_S = 0.5

log = logger("bus.redriver")


class Redriver:
    """One of a service's workers redrives, by lease.

    Whatever it is doing when it dies is done again by the next one: the inbox knows what has had its effect, and a
    letter that is settled is not settled twice. Two at once, for a moment, do no harm either.
    """

    def __init__(
        self,
        box: LetterBox,
        mongo: Mongo,
        redeliveries: Mapping[str, Redelivery],
        reader: Reader,
        settings: BusSettings,
    ) -> None:
        self._box, self._redeliveries, self._reader, self._settings = box, redeliveries, reader, settings
        self._lease = Lease(mongo, REDRIVER_LEASE, settings.lease_ttl_s)
        self._depths = Depths(mongo, list(redeliveries))

    async def run(self) -> None:
        """Redrive until cancelled, whenever the lease is ours."""
        backoff = Backoff(self._settings.first_wait_s, self._settings.longest_wait_s)
        while True:
            try:
                async with self._lease.held():
                    await self._lead(backoff)
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled():
                    raise
                log.warning("redriver.interrupted", exc_info=error)
                await asyncio.sleep(backoff.next())
            finally:
                self._depths.forget()

    async def _lead(self, backoff: Backoff) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._redrive_on(backoff))
            tasks.create_task(self._show_on())

    async def _redrive_on(self, backoff: Backoff) -> None:
        while True:
            self._lease.require()
            await self._round()
            backoff.count = 0
            await asyncio.sleep(LOOK_EVERY_S)

    async def _show_on(self) -> None:
        """Show how much waits, however long a round takes."""
        while True:
            await self._depths.show()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _round(self) -> None:
        """Deliver some of what has its turn now: lanes side by side, each in order."""
        room = asyncio.Semaphore(LANES_SIDE_BY_SIDE)
        lanes, alone = await self._box.draining(), await self._box.asked_alone()
        async with asyncio.TaskGroup() as tasks:
            for lane in lanes:
                tasks.create_task(self._drain(lane, room))
            for letter in alone:
                tasks.create_task(self._alone(letter, room))

    async def _drain(self, lane: UUID, room: asyncio.Semaphore) -> None:
        """Deliver a lane's letters for a while; the rest comes after the other lanes: many, or not getting on."""
        async with room:
            until = time.monotonic() + SLICE_S
            while letter := await self._box.next_of(lane):
                if not await self._redrive(letter) or time.monotonic() > until:
                    await self._box.put_last(lane)
                    return

    async def _alone(self, letter: DeadLetter, room: asyncio.Semaphore) -> None:
        async with room:
            await self._redrive(letter)

    async def _redrive(self, letter: DeadLetter) -> bool:
        """Deliver a letter and settle it; return whether what is behind it has its turn."""
        self._lease.require()
        try:
            outcome = await self._deliver(letter)
        except NotDelivered as why:
            await self._box.failed(letter, why)
            self._note(letter, "failed", why.code)
            return False
        except (
            Abandoned,
            KafkaError,
            OSError,
            TimeoutError,
        ) as error:  # it passes, and is tried again shortly
            log.warning("redrive.put_off", letter=str(letter.id), group=letter.group, exc_info=error)
            return False
        await self._box.redriven(letter, outcome)
        self._note(letter, outcome.value, letter.code)
        return True

    async def _deliver(self, letter: DeadLetter) -> Outcome:
        redelivery = self._redeliveries.get(letter.group)
        if redelivery is None:
            raise NotDelivered("no-such-group", "")
        try:
            record = await stored_record(self._reader, letter)
        except RecordGone as gone:
            raise NotDelivered(gone.code, "") from gone
        return await redelivery.deliver(record)

    @staticmethod
    def _note(letter: DeadLetter, outcome: str, code: str) -> None:
        metrics.REDRIVEN.labels(letter.group, outcome).inc()
        log.info("letter.redriven", letter=str(letter.id), group=letter.group, outcome=outcome, code=code)


async def stored_record(reader: Reader, letter: DeadLetter) -> Record:
    """Return a letter's record as it was at its origin. Raises: RecordGone (404)."""
    if not letter.whole:
        return await reader.read(letter.topic, letter.partition, letter.offset)
    stored = await reader.read(
        dead_letter_topic(letter.group).name, letter.stored_partition, letter.stored_offset
    )
    return original(stored, letter.topic, letter.partition, letter.offset)
