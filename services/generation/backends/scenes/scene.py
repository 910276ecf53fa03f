"""What a style is given to draw a picture from."""

from dataclasses import dataclass

from services.generation.backends.dice import Dice
from services.generation.backends.fields import Plane
from services.generation.backends.prompt import Wishes


@dataclass(frozen=True, slots=True)
class Scene:
    """The plane to fill, the chance to use, and what the prompt wishes for."""

    plane: Plane
    dice: Dice
    wishes: Wishes
