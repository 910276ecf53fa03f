"""What the services' processes hold in memory while something happens."""

import asyncio

import psutil

from deploy.local.spawn import RunningStack

SERVICES = ("auth", "gallery", "generation", "billing", "privacy")
SAMPLE_S = 0.1


class Memory:
    """Watches the resident memory of the workers, and of the other processes that are named."""

    def __init__(self, stack: RunningStack, *others: str) -> None:
        running = stack.processes()
        names = (*(f"{service}-worker" for service in SERVICES), *others)
        self._processes = {name: psutil.Process(running[name]["pid"]) for name in names}
        self._task: asyncio.Task[None] | None = None
        self._before = self._now()
        self._peak = dict(self._before)

    def __enter__(self) -> "Memory":
        self._task = asyncio.get_running_loop().create_task(self._watch())
        return self

    def __exit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()

    @property
    def growth_mib(self) -> float:
        """Return the most that any one process grew."""
        return max(self._peak[name] - before for name, before in self._before.items()) / 2**20

    @property
    def peaks_mib(self) -> dict[str, float]:
        """Return the most that each process held."""
        return {name: peak / 2**20 for name, peak in self._peak.items()}

    def _now(self) -> dict[str, int]:
        return {name: process.memory_info().rss for name, process in self._processes.items()}

    async def _watch(self) -> None:
        while True:
            self._peak = {name: max(self._peak[name], held) for name, held in self._now().items()}
            await asyncio.sleep(SAMPLE_S)
