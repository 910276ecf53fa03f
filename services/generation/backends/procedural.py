"""The built-in backend: it draws by arithmetic alone, needs no weights, and repeats itself to the byte."""

import io
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from PIL import Image

from services.generation.backends.base import Rendered, Spec, Style
from services.generation.backends.canvas import finish
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane
from services.generation.backends.prompt import read
from services.generation.backends.provenance import xmp
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
MEDIA_TYPE: Final = "image/webp"
QUALITY: Final = 90
METHOD: Final = 2  # libwebp's effort: 4 takes twice as long for 3 % fewer bytes (measured on these pictures)


@dataclass(frozen=True, slots=True)
class _Look:
    """How a style is drawn and finished."""

    draw: Callable[[Scene], Field]
    grain: float  # 8-bit levels per unit of speckle; the speckle is triangular, -255 to 255
    corners: float  # how much darker the corners are, 0 to 1


_LOOKS: Mapping[Style, _Look] = MappingProxyType(
    {
        Style.LANDSCAPE: _Look(landscape.draw, 0.018, 0.22),
        Style.AURORA: _Look(aurora.draw, 0.018, 0.22),
        Style.COSMOS: _Look(cosmos.draw, 0.018, 0.25),
        Style.INK_WASH: _Look(ink_wash.draw, 0.014, 0.14),
        Style.STAINED_GLASS: _Look(stained_glass.draw, 0.01, 0.28),
        Style.BAUHAUS: _Look(bauhaus.draw, 0.02, 0.1),
        Style.FLOW: _Look(flow.draw, 0.016, 0.1),
        Style.MARBLE: _Look(marble.draw, 0.014, 0.16),
    }
)


class ProceduralBackend:
    """The backend that draws with noise, geometry and curated colours."""

    name: Final = NAME
    version: Final = VERSION

    def render(self, spec: Spec) -> Rendered:
        """Draw one picture; the same spec gives the same bytes."""
        return render_spec(spec)


def render_spec(spec: Spec) -> Rendered:
    """Draw one picture. A plain function of the module, so that a process pool can be handed it.

    The size and the negative prompt do not enter the chance: a larger rendering is the same picture larger,
    and ruling a thing out takes it away and leaves the rest.

    Returns:  a WebP whose XMP says that it is synthetic, and which holds nothing of the prompt or the seed.
    Source:   measured 50 to 190 ms at 512 x 512 and 0.2 to 0.75 s at 1024 x 1024, on one core.
    """
    plane = Plane.of(spec.width, spec.height)
    dice = Dice(_identity(spec))
    wishes = read(spec.prompt, spec.negative_prompt)
    look = _LOOKS[spec.style]
    picture = look.draw(Scene(plane, dice, wishes))
    grain = 0.0 if wishes.bans("grain") else look.grain * (2.2 if wishes.wants("grain", "vintage") else 1.0)
    corners = 0.0 if wishes.bans("vignette") else look.corners * (1.6 if wishes.wants("vignette") else 1.0)
    pixels = finish(picture, plane, dice.fork("grain"), grain=grain, corners=corners)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=QUALITY, method=METHOD, xmp=xmp(VERSION))
    return Rendered(file.getvalue(), MEDIA_TYPE, spec.width, spec.height)


def _identity(spec: Spec) -> bytes:
    """Return what the chance of a picture hangs on."""
    prompt = unicodedata.normalize("NFC", spec.prompt)
    return "\x1f".join((NAME, spec.style, str(spec.seed), prompt)).encode()
