"""What happens to the rig's processes, from the launcher that keeps them to whoever reads the rig's log."""

import json
from datetime import datetime
from pathlib import Path

from deploy.local.home import Home
from tests.chaos.model import Moment


class EventFile:
    """Moments, one to a line, in order of time. Monotonic time is the same for all processes of a machine."""

    def __init__(self, home: Home) -> None:
        self._file: Path = home.run / "events.jsonl"

    def add(self, what: str, name: str, detail: str = "") -> None:
        """Something happened just now."""
        moment = Moment(what, name, detail)
        row = [moment.what, moment.name, moment.detail, moment.monotonic, moment.wall.isoformat()]
        with self._file.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def read(self) -> list[Moment]:
        """All that happened."""
        if not self._file.exists():
            return []
        return [_moment(line) for line in self._file.read_text().splitlines()]


def _moment(line: str) -> Moment:
    what, name, detail, monotonic, wall = json.loads(line)
    return Moment(what, name, detail, monotonic, datetime.fromisoformat(wall))
