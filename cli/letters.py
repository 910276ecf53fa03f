"""The dead letters that an operator means: which services', which of them, and what is done about them."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from cli.output import fail, progress
from cli.platform import Platform, Unanswered

T = TypeVar("T")
Letter = dict[str, Any]

SERVICES = ("auth", "billing", "gallery", "generation", "privacy")
PATH = "/dead-letters"
LOOK_EVERY_S = 0.3
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True)
class Chosen:
    """What was named on the command line.

    Args:     service: None for every one; wanted: the filter, as the API takes it.
    """

    service: str | None
    wanted: dict[str, Any] = field(default_factory=dict)
    platform: Platform = field(default_factory=Platform)

    @property
    def services(self) -> tuple[str, ...]:
        """Return the services to ask."""
        if self.service is not None and self.service not in SERVICES:
            fail(f"There is no service {self.service}: one of {', '.join(SERVICES)}.")
        return SERVICES if self.service is None else (self.service,)

    def letters(self, limit: int | None = None, **more: str) -> list[Letter]:
        """Return the letters that fit, the newest first of each service, with the service's name."""
        return [
            {"service": name, **letter}
            for name in self.services
            for letter in self.platform.staff_pages(name, PATH, "cursor", limit, params=self.wanted | more)
        ]

    def show(self, letter_id: UUID) -> Letter:
        """Return a letter with its record, from whichever service has it."""
        return self._whoever_has(lambda name: self._call("GET", name, f"/{letter_id}"))

    def redrive(self, letter_id: UUID, reason: str) -> Letter:
        """Ask for one letter to be delivered again."""
        return self._whoever_has(lambda name: self._call("POST", name, f"/{letter_id}/redrive", reason))

    def discard(self, letter_id: UUID, reason: str) -> Letter:
        """Give one letter up for good."""
        return self._whoever_has(lambda name: self._call("POST", name, f"/{letter_id}/discard", reason))

    def redrive_all(self, reason: str) -> dict[str, int]:
        """Ask for all open letters that fit; return how many of each service."""
        return {name: self._redrive_all(name, reason) for name in self.services}

    def follow(self, within_s: float) -> None:
        """Show how far the redriving is, until nothing is under way or the time is over."""
        deadline, most = time.monotonic() + within_s, 0
        with progress() as bar:
            task = bar.add_task("redriving", total=None)
            while running := self._redriving():
                most = max(most, running)
                bar.update(task, total=most, completed=most - running)
                if time.monotonic() > deadline:
                    return
                time.sleep(LOOK_EVERY_S)

    def _redriving(self) -> int:
        """Count what is under way, in the group that was named or all."""
        depths = [
            depth
            for name in self.services
            for depth in self.platform.staff("GET", name, f"{PATH}/depth")["groups"]
        ]
        named = self.wanted.get("group")
        return sum(depth["redriving"] for depth in depths if named in {None, depth["group"]})

    def _redrive_all(self, service: str, reason: str) -> int:
        """Ask for as many at once as the service takes, until it says that there are no more."""
        count, asked, more = 0, 1, True
        while more and asked:
            body = {**self.wanted, "reason": reason}
            answer = self.platform.staff("POST", service, f"{PATH}/redrive", json=body)
            asked, more = int(answer["asked"]), answer["more"]
            count += asked
        return count

    def _call(self, method: str, service: str, path: str, reason: str | None = None) -> Letter:
        body = None if reason is None else {"reason": reason}
        return {"service": service, **self.platform.staff(method, service, PATH + path, json=body)}

    def _whoever_has(self, call: Callable[[str], T]) -> T:
        for name in self.services:
            try:
                return call(name)
            except Unanswered as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
        raise Unanswered("No service has such a letter: its retention may be over, or an erasure took it.")


def seconds(age: str | None) -> int | None:
    """Return an age such as 15m in seconds."""
    if age is None:
        return None
    found = re.fullmatch(r"(\d+)([smhd])", age)
    if found is None:
        fail(f"{age} is no age: write 90s, 15m, 2h or 3d.")
    return int(found[1]) * UNITS[found[2]]
