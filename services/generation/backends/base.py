"""What every image backend takes and gives: the seam between jobs and the thing that draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

MIN_SIDE = 256
MAX_SIDE = 1024
SIDE_STEP = 64
MAX_SEED = 2**63 - 1


class Style(StrEnum):
    """The looks a picture can be asked for in."""

    LANDSCAPE = "landscape"
    AURORA = "aurora"
    COSMOS = "cosmos"
    INK_WASH = "ink-wash"
    STAINED_GLASS = "stained-glass"
    BAUHAUS = "bauhaus"
    FLOW = "flow"
    MARBLE = "marble"


STYLE_TITLES: Mapping[Style, str] = MappingProxyType(
    {
        Style.LANDSCAPE: "Layered landscape",
        Style.AURORA: "Northern lights",
        Style.COSMOS: "Nebula and planets",
        Style.INK_WASH: "Ink wash",
        Style.STAINED_GLASS: "Stained glass",
        Style.BAUHAUS: "Bauhaus geometry",
        Style.FLOW: "Flow field",
        Style.MARBLE: "Marbled ink",
    }
)


@dataclass(frozen=True, slots=True)
class Spec:
    """What to draw. Two equal specs give the same bytes from the same backend and version.

    Args:     width, height: pixels, 256 to 1024 in steps of 64; seed: 0 to 2**63 - 1.
    Raises:   ValueError: a size or seed outside its range.
    Personal: prompt and negative_prompt; they live as long as the rendering does.
    """

    prompt: str
    negative_prompt: str
    seed: int
    width: int
    height: int
    style: Style

    def __post_init__(self) -> None:
        for side in (self.width, self.height):
            if not MIN_SIDE <= side <= MAX_SIDE or side % SIDE_STEP:
                raise ValueError(f"a side is {MIN_SIDE} to {MAX_SIDE} pixels in steps of {SIDE_STEP}")
        if not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"a seed is 0 to {MAX_SEED}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished picture: an encoded file that says it is synthetic and nothing about who asked for it."""

    data: bytes
    media_type: str
    width: int
    height: int


class Backend(Protocol):
    """Something that draws. `render` is blocking and CPU-bound: call it in a process, not on the loop."""

    @property
    def name(self) -> str:
        """Return the stable name that the generation log keeps."""
        ...

    @property
    def version(self) -> str:
        """Return the version; it changes whenever the same spec would give other bytes."""
        ...

    def render(self, spec: Spec) -> Rendered:
        """Draw one picture.

        Raises:   ValueError: the spec is one this backend cannot draw.
        """
        ...
