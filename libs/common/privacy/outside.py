"""What outside parties have of a person: they are asked to erase it, and what they answer is kept as proof.

The keys that a party knows are written down before the rows lose their person, and stay until the party says that it
erased: so any process can ask again after any crash, and nothing is counted twice.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from libs.common.document import Document
from libs.common.errors import PixeraError
from libs.common.logging import logger
from libs.common.mongo import Mongo
from libs.common.privacy.holdings import Holdings, ProcessorHolding, UndeclaredHolding
from libs.common.privacy.metrics import ASKED_OUTSIDE
from libs.common.privacy.progress import Progress, Tally
from libs.common.privacy.rows import HELD
from libs.common.privacy.tombstones import ErasureReceipt

KEYS_AT_ONCE = 500

Eraser = Callable[[Sequence[UUID]], Awaitable[ErasureReceipt]]
"""Asks a party to erase what it has under these keys, however often. Raises PixeraError: not now."""

log = logger("outside")


class Outside:
    """The outside parties of one service's holdings that can be asked to erase."""

    def __init__(self, holdings: Holdings, mongo: Mongo, progress: Progress) -> None:
        self._holdings, self._mongo, self._progress = holdings, mongo, progress
        self._erasers: dict[str, Eraser] = {}

    def reach(self, processor: str, eraser: Eraser) -> None:
        """Name the way to a party; the composition root does."""
        self._erasers[processor] = eraser

    def require_reachable(self) -> None:
        """Refuse to start a service that promises to ask a party and cannot. Raises UndeclaredHolding."""
        for held in self._holdings.asked:
            if held.processor.name not in self._erasers:
                raise UndeclaredHolding(
                    f"{held.processor.name} is to be asked to erase, and nobody can: main.py has to call "
                    f"platform.holder.outside.reach"
                )

    async def inventory(self, user_id: UUID) -> dict[str, int]:
        """Count what the parties know a person by, by holding."""
        return {self._name(held): await self._count(held, user_id) for held in self._holdings.asked}

    async def remaining(self, user_id: UUID) -> dict[str, int]:
        """Count what the parties were to erase and have not said that they did."""
        names = self._names()
        asked = await self._progress.asked(user_id) if names else {}
        return {name: len(asked[name].keys) if name in asked else 0 for name in names}

    def others(self, counts: dict[str, int]) -> dict[str, int]:
        """Return the counts of what is here, and not with outside parties."""
        outside = self._names()
        return {name: count for name, count in counts.items() if name not in outside}

    async def write_down(self, user_id: UUID) -> None:
        """Remember what the parties know the person by, before the rows lose their person; not of what is held."""
        for held in self._holdings.asked:
            if keys := await self._keys(held, user_id):
                await self._progress.ask(user_id, self._name(held), keys)

    async def erase(self, user_id: UUID) -> Tally:
        """Ask every party to erase; one that fails or refuses holds up nothing else, and is asked again later.

        In a restore nobody can be asked; the service's own worker does it when it starts.
        """
        done = Tally()
        for held in self._holdings.asked:
            if held.processor.name not in self._erasers:
                continue
            try:
                done.add(await self._ask(held, user_id))
            except PixeraError as error:
                ASKED_OUTSIDE.labels(held.processor.name, "failed").inc()
                log.warning("outside.not_erased", processor=held.processor.name, exc_info=error)
        return done

    async def let_go(self, rows: type[Document], keys: Sequence[UUID]) -> None:
        """Have the parties that know rows by these keys erase what they have, before the rows go by the time.

        Raises:   PixeraError: not now, so the rows have to stay: what a party has would lead to nothing here.
        """
        for held in self._holdings.asked:
            if held.rows is not None and held.rows.document is rows:
                for start in range(0, len(keys), KEYS_AT_ONCE):
                    await self._erasers[held.processor.name](keys[start : start + KEYS_AT_ONCE])
                    ASKED_OUTSIDE.labels(held.processor.name, "erased").inc()

    async def _ask(self, held: ProcessorHolding, user_id: UUID) -> Tally:
        name, done = self._name(held), Tally()
        asked = (await self._progress.asked(user_id)).get(name)
        keys = asked.keys if asked else []
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            receipt = await self._erasers[held.processor.name](some)
            ASKED_OUTSIDE.labels(held.processor.name, "erased").inc()
            if await self._progress.answered(user_id, name, some, receipt):
                done.add(Tally(erased=Counter({name: len(some)})))
        return done

    async def _count(self, held: ProcessorHolding, user_id: UUID) -> int:
        if held.rows is None:
            return 0
        return await self._mongo.collection(held.rows.document).count(held.rows.of(user_id))

    async def _keys(self, held: ProcessorHolding, user_id: UUID) -> list[UUID]:
        if held.rows is None:
            return []
        rows = self._mongo.collection(held.rows.document)
        return [
            row["_id"]
            async for row in rows.stream({**held.rows.of(user_id), HELD: None}, projection={"_id": 1})
        ]

    def _names(self) -> list[str]:
        return [self._name(held) for held in self._holdings.asked]

    def _name(self, held: ProcessorHolding) -> str:
        return self._holdings.name_of(held)
