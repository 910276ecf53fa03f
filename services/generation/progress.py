"""Live progress: one change stream a process, fanned out to whoever watches; nobody polls."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.common.mongo import Mongo
from services.generation.errors import TooManyWatchers
from services.generation.metrics import WATCHERS
from services.generation.models import Job, JobState
from services.generation.repository import JobRepository

SHOWN = ("state", "reason", "rendered", "image_ids", "count")
PIPELINE = (
    {"$match": {"operationType": {"$in": ["update", "replace", "delete"]}}},
    {"$project": {"documentKey": 1, **{f"fullDocument.{field}": 1 for field in SHOWN}}},
)
"""What a person typed is not asked for: it stays where it is stored."""
ORDER = tuple(JobState)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. `image_ids` are known once it is completed."""

    state: JobState
    reason: str | None
    images_done: int
    count: int
    image_ids: tuple[UUID, ...]

    @classmethod
    def of(cls, row: dict[str, Any]) -> "Progress":
        """Return the progress that a stored job tells."""
        return cls(
            state=JobState(row["state"]),
            reason=row.get("reason"),
            images_done=len(row.get("rendered", ())),
            count=row["count"],
            image_ids=tuple(row.get("image_ids", ())),
        )

    def follows(self, other: "Progress | None") -> bool:
        """Tell whether this is news after the other: news can be overtaken by a read of the row."""
        return other is None or self.rank > other.rank

    @property
    def rank(self) -> tuple[int, int]:
        """Return how far it is, so that two can be compared."""
        return ORDER.index(self.state), self.images_done


class Watch:
    """One watcher's place in the feed: it holds the latest news only, so a slow watcher costs nothing."""

    def __init__(self) -> None:
        self._news: Progress | None = None
        self._read_anew = True
        self._awake = asyncio.Event()
        self._awake.set()

    def tell(self, news: Progress) -> None:
        """Put news in place of what has not been looked at yet."""
        self._news = news
        self._awake.set()

    def distrust(self) -> None:
        """Make the watcher read the row: changes may have been missed, or the row is gone."""
        self._read_anew = True
        self._awake.set()

    async def next(self) -> Progress | None:
        """Wait for news; None where the row is to be read instead."""
        await self._awake.wait()
        self._awake.clear()
        if self._read_anew:
            self._read_anew = False
            return None
        return self._news


class ProgressFeed:
    """The changes of all jobs, for those who watch one.

    Args:     per_person: most watchers of one person; longest_s: how long one may watch without coming back.
    """

    def __init__(self, mongo: Mongo, jobs: JobRepository, *, per_person: int, longest_s: float) -> None:
        self._changes = mongo.collection(Job)
        self._jobs = jobs
        self._per_person, self._longest_s = per_person, longest_s
        self._places: Counter[UUID] = Counter()
        self._watches: defaultdict[UUID, set[Watch]] = defaultdict(set)
        self._watched = asyncio.Event()

    @property
    def watchers(self) -> int:
        """Return how many watch now."""
        return sum(map(len, self._watches.values()))

    async def follow(self) -> None:
        """Read the change stream while anybody watches, for as long as the process lives.

        It is opened anew when it breaks; whoever watches then reads the row, because news may have been missed.
        """
        while True:
            await self._watched.wait()
            async with self._changes.watch(PIPELINE, full_document="updateLookup") as changes:
                for watch in [watch for watches in self._watches.values() for watch in watches]:
                    watch.distrust()
                async for change in changes:
                    self._pass_on(change)
                    if not self._watches:
                        self._watched.clear()
                        break

    @contextmanager
    def place(self, user_id: UUID) -> Iterator[None]:
        """Hold one of a person's places for the block. Raises TooManyWatchers (429): all are taken."""
        if self._places[user_id] >= self._per_person:
            raise TooManyWatchers
        self._places[user_id] += 1
        try:
            yield
        finally:
            self._places[user_id] -= 1
            if not self._places[user_id]:
                del self._places[user_id]

    async def watch(self, user_id: UUID, job_id: UUID) -> AsyncIterator[Progress]:
        """Yield a job's progress, beginning with the present one, until it has ended, is gone, or time is up.

        Effects:  one read at the start, and one each time the change stream was broken.
        """
        told: Progress | None = None
        clock = asyncio.get_running_loop().time
        until = clock() + self._longest_s
        with self._watching(job_id) as watch:
            while told is None or not told.state.final:
                try:
                    news = await asyncio.wait_for(watch.next(), until - clock())
                except TimeoutError:
                    return
                news = news or await self._read(user_id, job_id)
                if news is None:
                    return
                if news.follows(told):
                    told = news
                    yield news

    async def _read(self, user_id: UUID, job_id: UUID) -> Progress | None:
        job = await self._jobs.find(user_id, job_id)
        return Progress.of(job.to_mongo()) if job else None

    @contextmanager
    def _watching(self, job_id: UUID) -> Iterator[Watch]:
        watch = Watch()
        self._watches[job_id].add(watch)
        self._watched.set()
        WATCHERS.inc()
        try:
            yield watch
        finally:
            WATCHERS.dec()
            self._watches[job_id].discard(watch)
            if not self._watches[job_id]:
                del self._watches[job_id]

    def _pass_on(self, change: dict[str, Any]) -> None:
        row = change.get("fullDocument")
        for watch in self._watches.get(change["documentKey"]["_id"], ()):
            if row:
                watch.tell(Progress.of(row))
            else:
                watch.distrust()
