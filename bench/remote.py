"""A generation backend that waits, as one does whose drawing happens on somebody else's machine."""

import time
from functools import cache

from services.generation.backends.base import Rendered, Spec, Style
from services.generation.backends.procedural import ProceduralBackend, render_spec

WAITS = "from afar"
WAIT_S = 0.3


class Remote(ProceduralBackend):
    """Answers a prompt that begins with WAITS after a while, with one picture; draws every other as usual."""

    def render(self, spec: Spec) -> Rendered:
        """Return a picture for a spec."""
        if not spec.prompt.startswith(WAITS):
            return super().render(spec)
        picture = _picture()
        time.sleep(WAIT_S)
        return picture


@cache
def _picture() -> Rendered:
    return render_spec(Spec("a still", "", 1, 256, 256, Style.LANDSCAPE))
