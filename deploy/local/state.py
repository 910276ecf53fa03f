"""`<home>/run/stack.json`: what runs, where, and what a process needs to know to talk to it."""

import json
from collections.abc import Iterable, Mapping

from deploy.local.home import Home
from deploy.local.supervisor import Running


class StateFile:
    """Written whole or not at all: a reader never sees half of it.

    Personal: none. It holds the stack's secrets, so only this user can read it.
    """

    def __init__(self, home: Home) -> None:
        self._file = home.stack_file
        self._fixed: dict[str, object] | None = None

    def remove(self) -> None:
        """Effects: nobody takes a stack that is gone for one that runs."""
        self._fixed = None
        self._file.unlink(missing_ok=True)

    def publish(self, gateway: str | None, ports: Mapping[str, int], env: Mapping[str, str]) -> None:
        """From now on, `update` writes the file."""
        self._fixed = {"gateway": gateway, "ports": dict(ports), "env": dict(env)}

    def update(self, running: Iterable[Running]) -> None:
        """Write what runs now; nothing before `publish`."""
        if self._fixed is None:
            return
        processes = {entry.program.name: {"pid": entry.pid, "restarts": entry.restarts} for entry in running}
        partial = self._file.with_suffix(".tmp")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(self._fixed | {"processes": processes}, indent=1))
        partial.rename(self._file)
