"""The cluster that KUBECONFIG leads to, by kubectl: every call ends in time, and says what went wrong."""

import json
import subprocess
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from deploy.k8s import tools

Json = dict[str, Any]

NAMESPACE = "pixera"
CALL_S = 60
OWNER = "pixera"
"""Who applies, as server-side apply calls it."""


class ClusterError(RuntimeError):
    """The cluster refused, or did not get there in time; in its own words."""


def kubectl(*arguments: str, told: str | None = None, within_s: float = CALL_S) -> str:
    """Return what kubectl says. Args: told: its input. Raises: ClusterError."""
    try:
        done = subprocess.run(
            command(*arguments), input=told, capture_output=True, text=True, check=False, timeout=within_s
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"kubectl {arguments[0]}: no answer within {within_s:.0f} s") from error
    if done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def command(*arguments: str) -> list[str]:
    """Return kubectl's command line, in our namespace."""
    return [tools.kubectl(), "--namespace", NAMESPACE, *arguments]


def apply(objects: Iterable[Json]) -> None:
    """Have objects be as they are given. Raises: ClusterError: one was refused."""
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl("apply", "--server-side", "--field-manager", OWNER, "--filename", "-", told=listed, within_s=180)


def wait(what: str, condition: str, selector: str, within_s: float) -> None:
    """Return once all objects of a kind and selector are so. Raises: ClusterError: not in time."""
    timing = f"--timeout={within_s:.0f}s"
    kubectl("wait", what, f"--for={condition}", "--selector", selector, timing, within_s=within_s + CALL_S)


def found(kind: str, selector: str = "") -> list[Json]:
    """Return the objects of a kind."""
    chosen = ("--selector", selector) if selector else ()
    items: list[Json] = json.loads(kubectl("get", kind, *chosen, "--output", "json"))["items"]
    return items


class Running:
    """A program in a pod, its output line by line. It is ended where it does not end in time."""

    def __init__(self, pod: str, program: Sequence[str], within_s: float) -> None:
        self._process = subprocess.Popen(
            command("exec", "--stdin", pod, "--", *program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said: list[str] = []
        self._overdue = threading.Timer(within_s, self._process.kill)
        self._overdue.start()

    def until(self, beginning: str) -> str:
        """Return the next line that begins so, and what comes after. Raises: ClusterError: it ended before."""
        for line in self._process.stdout or ():
            self._said.append(line.rstrip())
            if line.startswith(beginning):
                return line.removeprefix(beginning).strip()
        self.ended()
        raise ClusterError(f"ended without {beginning!r}: {self._tail()}")

    def close_input(self) -> None:
        """Tell it that there is nothing more to come."""
        if self._process.stdin:
            self._process.stdin.close()

    def ended(self) -> None:
        """Return once it ended well. Raises: ClusterError: it failed, or had to be ended."""
        self._said += [line.rstrip() for line in self._process.stdout or ()]
        code = self._process.wait()
        self._overdue.cancel()
        if code:
            raise ClusterError(f"ended with {code}: {self._tail()}")

    def _tail(self) -> str:
        return "\n".join(self._said[-20:])
