"""Backends that behave in ways a good one does not: what rendering must live with."""

import os
import signal
import time
from pathlib import Path
from uuid import uuid4

from services.generation.backends.base import Rendered, Spec
from services.generation.backends.procedural import ProceduralBackend

SLOW_S = 0.4


class Slow(ProceduralBackend):
    """Draws as the built-in one does, and takes its time."""

    def render(self, spec: Spec) -> Rendered:
        time.sleep(SLOW_S)
        return super().render(spec)


class Moody(ProceduralBackend):
    """Does what the prompt says: crashes, hangs, refuses, or crashes once (`crash-once <file>`)."""

    def render(self, spec: Spec) -> Rendered:
        mood, _, rest = spec.prompt.partition(" ")
        if mood == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if mood == "hang":
            while True:
                pass
        if mood == "refuse":
            raise ValueError("not for me")
        if mood == "crash-once" and not Path(rest).exists():
            Path(rest).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().render(spec)


class Gated(ProceduralBackend):
    """Notes what it begins in the folder that the prompt names; draws all but seed 0 only once `open` is there."""

    def render(self, spec: Spec) -> Rendered:
        folder = Path(spec.prompt)
        (folder / f"{spec.seed}-{uuid4()}").touch()
        while spec.seed and not (folder / "open").exists():
            time.sleep(0.02)
        return super().render(spec)
