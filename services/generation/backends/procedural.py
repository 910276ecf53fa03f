"""The built-in backend: it draws by arithmetic alone, needs no weights, and repeats itself to the byte."""

import io
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from PIL import Image

from services.generation.backends.base import Rendered, Spec, Style
from services.generation.backends.canvas import finish
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane
from services.generation.backends.prompt import read
from services.generation.backends.scenes import (
    aurora,
    bauhaus,
    cosmos,
    flow,
    ink_wash,
    landscape,
    marble,
    stained_glass,
)
from services.generation.backends.scenes.scene import Scene

NAME: Final = "pixera-procedural"
VERSION: Final = "1.0.0"

_SCENES: Mapping[Style, Callable[[Scene], Field]] = MappingProxyType(
    {
        Style.LANDSCAPE: landscape.draw,
        Style.AURORA: aurora.draw,
        Style.COSMOS: cosmos.draw,
        Style.INK_WASH: ink_wash.draw,
        Style.STAINED_GLASS: stained_glass.draw,
        Style.BAUHAUS: bauhaus.draw,
        Style.FLOW: flow.draw,
        Style.MARBLE: marble.draw,
    }
)


def render_spec(spec: Spec) -> Rendered:
    dice = Dice(_identity(spec))
    plane = Plane.of(spec.width, spec.height)
    wishes = read(spec.prompt, spec.negative_prompt)
    picture = _SCENES[spec.style](Scene(plane, dice, wishes))
    pixels = finish(picture, plane, dice.fork("grain"), grain=0.02, corners=0.25)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", quality=88, method=2)
    return Rendered(out.getvalue(), "image/webp", spec.width, spec.height)


def _identity(spec: Spec) -> bytes:
    prompt = unicodedata.normalize("NFC", spec.prompt)
    return "\x1f".join((NAME, VERSION, spec.style, str(spec.seed), prompt)).encode()
