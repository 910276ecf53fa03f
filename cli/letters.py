"""The dead letters that an operator means: which services', which of them, and what is done about them."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import typer

from cli.output import complain, fail, progress
from cli.platform import Platform, Unanswered

T = TypeVar("T")
Letter = dict[str, Any]

LETTER = "letter"
SERVICES = ("auth", "billing", "gallery", "generation", "privacy")
PATH = "/dead-letters"
LOOK_EVERY_S = 0.3
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True)
class Chosen:
    """What was named on the command line.

    Args:     service: None for every one; wanted: the filter, as the API takes it; unanswered: what some service did
              not answer, or refused, while the others went on.
    """

    service: str | None
    wanted: dict[str, Any] = field(default_factory=dict)
    platform: Platform = field(default_factory=Platform)
    unanswered: list[Unanswered] = field(default_factory=list)

    @property
    def services(self) -> tuple[str, ...]:
        """Return the services to ask."""
        if self.service is not None and self.service not in SERVICES:
            fail(f"There is no service {self.service}: one of {', '.join(SERVICES)}.")
        return SERVICES if self.service is None else (self.service,)

    def letters(self, limit: int | None = None, **more: Any) -> list[Letter]:
        """Return the letters that fit, the newest first of each service, with the service's name."""
        params = self.wanted | more

        def of(name: str) -> list[Letter]:
            found = self.platform.staff_pages(name, PATH, "cursor", limit, params=params)
            return [{"service": name, **letter} for letter in found]

        return [letter for found in self.each(of).values() for letter in found]

    def show(self, letter_id: UUID) -> Letter:
        """Return a letter with its record, from whichever service has it."""
        return self.whoever_has(LETTER, lambda name: self._call("GET", name, f"/{letter_id}"))

    def redrive(self, letter_id: UUID, reason: str) -> Letter:
        """Ask for one letter to be delivered again."""
        return self.whoever_has(
            LETTER, lambda name: self._call("POST", name, f"/{letter_id}/redrive", reason)
        )

    def discard(self, letter_id: UUID, reason: str) -> Letter:
        """Give one letter up for good."""
        return self.whoever_has(
            LETTER, lambda name: self._call("POST", name, f"/{letter_id}/discard", reason)
        )

    def discard_all(self, reason: str) -> list[Letter]:
        """Give all open letters up that fit; return those that are given up, also where it breaks off."""
        gone = []
        with progress() as bar:
            for letter in bar.track(self.letters(state="open"), description="discarding"):
                try:
                    gone.append(self._call("POST", letter["service"], f"/{letter['id']}/discard", reason))
                except Unanswered as error:
                    self.unanswered.append(error)
                    if error.status != HTTPStatus.CONFLICT:  # a conflict: somebody else deals with that one
                        break
        return gone

    def redrive_all(self, reason: str) -> list[Letter]:
        """Ask for all open letters that fit, the oldest first; return those that were asked for."""
        asked: list[Letter] = []
        self.each(lambda name: self._redrive_all(name, reason, asked))
        return asked

    def follow(self, letters: Iterable[Letter], within_s: float) -> None:
        """Show how far the redriving of letters is, until their groups have nothing under way or time is over."""
        groups = {(letter["service"], letter["group"]) for letter in letters}
        deadline, most = time.monotonic() + within_s, 0
        with progress() as bar:
            task = bar.add_task("redriving", total=None)
            while running := self._under_way(groups, otherwise=most or 1):
                most = max(most, running)
                bar.update(task, total=most, completed=most - running)
                if time.monotonic() > deadline:
                    return
                time.sleep(LOOK_EVERY_S)

    def left_of(self, letters: Iterable[Letter]) -> list[Letter]:
        """Return which of these letters, and of what waits behind them, are not delivered.

        Whatever they failed with: it need not be what they had failed with before.
        """
        asked = list(letters)
        meant = {letter["id"] for letter in asked} | {_lane(letter) for letter in asked if letter["key"]}
        services = {letter["service"] for letter in asked}
        found = [
            letter
            for name in sorted(services)
            for state in ("open", "redriving", "parked")
            for letter in Chosen(name, {}, self.platform, self.unanswered).letters(state=state)
        ]
        return [letter for letter in found if letter["id"] in meant or _lane(letter) in meant]

    def each(self, call: Callable[[str], T]) -> dict[str, T]:
        """Return what each service answers; one that does not is noted, and hides no other's answer.

        Raises:   Unanswered: nobody can be signed in.
        """
        answers, _ = {}, self.platform.staff_token
        for name in self.services:
            try:
                answers[name] = call(name)
            except Unanswered as error:
                self.unanswered.append(error)
        return answers

    def whoever_has(self, what: str, call: Callable[[str], T]) -> T:
        """Return what the one service answers that has something. Raises: Unanswered: none of those that answer."""
        _, silent = self.platform.staff_token, list[Unanswered]()
        for name in self.services:
            try:
                return call(name)
            except Unanswered as error:
                if error.silent:
                    silent.append(error)
                elif error.status != HTTPStatus.NOT_FOUND:
                    raise
        if silent:
            raise Unanswered(f"No service that answers has such a {what}. {' '.join(map(str, silent))}")
        raise Unanswered(f"No service has such a {what}: its retention may be over, or an erasure took it.")

    def end(self, code: int = 0) -> NoReturn:
        """End the command; where a service did not answer or refused, say so: what was shown is not all."""
        for error in self.unanswered:
            complain(str(error))
        raise typer.Exit(max([code, *(error.code for error in self.unanswered)]))

    def _under_way(self, groups: set[tuple[str, str]], otherwise: int) -> int:
        """Count the letters, and the keys whose letters, are being delivered.

        Args:     otherwise: what is believed while somebody does not answer, as an API that is being replaced.
        """
        try:
            depths = [
                (name, depth)
                for name in {service for service, _ in groups}
                for depth in self.platform.staff("GET", name, f"{PATH}/depth")["groups"]
            ]
        except Unanswered as error:
            if not error.silent:
                raise
            return otherwise
        meant = [depth for name, depth in depths if (name, depth["group"]) in groups]
        return sum(depth["redriving"] + depth["lanes"] for depth in meant)

    def _redrive_all(self, service: str, reason: str, asked: list[Letter]) -> None:
        """Ask for as many at once as the service takes, until it says that there are no more."""
        body = {**self.wanted, "reason": reason}
        while True:
            answer = self.platform.staff("POST", service, f"{PATH}/redrive", json=body)
            asked += [{"service": service, **letter} for letter in answer["letters"]]
            if answer["next_cursor"] is None:
                return
            body["cursor"] = answer["next_cursor"]

    def _call(self, method: str, service: str, path: str, reason: str | None = None) -> Letter:
        body = None if reason is None else {"reason": reason}
        return {"service": service, **self.platform.staff(method, service, PATH + path, json=body)}


def _lane(letter: Letter) -> tuple[str, ...]:
    """Return what the letters of one key have in common, which are delivered in order."""
    return (letter["service"], letter["group"], letter["topic"], letter["key"])


def seconds(age: str | None) -> int | None:
    """Return an age such as 15m in seconds."""
    if age is None:
        return None
    found = re.fullmatch(r"(\d+)([smhd])", age)
    if found is None:
        fail(f"{age} is no age: write 90s, 15m, 2h or 3d.")
    return int(found[1]) * UNITS[found[2]]
