"""Weather in front of a scene: rain, falling snow, fog."""

import numpy as np

from services.generation.backends.canvas import cover, lighten, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, cloud, noise, smooth
from services.generation.backends.palettes import Scenic
from services.generation.backends.prompt import Wishes
from services.generation.backends.scenes.sky import spot


def weather(picture: Field, plane: Plane, dice: Dice, wishes: Wishes, palette: Scenic) -> None:
    """Draw the weather that was asked for over the whole picture."""
    if wishes.wants("fog"):
        _fog(picture, plane, dice.fork("fog"), palette)
    if wishes.wants("rain"):
        _rain(picture, plane, dice.fork("rain"))
    if wishes.wants("snow"):
        _snowfall(picture, plane, dice.fork("snow"))


def _fog(picture: Field, plane: Plane, dice: Dice, palette: Scenic) -> None:
    banks = cloud(dice, plane, 1.1, 4, down=3.4)
    low = smooth(plane.y, 0.3 * plane.bottom, 0.8 * plane.bottom)
    cover(picture, rgb(palette.sky[-1]), smooth(banks, 0.3, 0.95) * low * np.float32(0.6))


def _rain(picture: Field, plane: Plane, dice: Dice) -> None:
    streaks = noise(dice, plane, min(230.0, 0.4 * plane.unit), 7.0)
    slant = (np.arange(plane.height, dtype=np.int32) // np.int32(5))[:, None]
    columns = (np.arange(plane.width, dtype=np.int32)[None, :] + slant) % np.int32(plane.width)
    rows = np.arange(plane.height, dtype=np.int32)[:, None]
    lighten(picture, rgb("dfe6ee"), smooth(streaks[rows, columns], 0.35, 1.3) * np.float32(0.3))


def _snowfall(picture: Field, plane: Plane, dice: Dice) -> None:
    white = rgb("ffffff")
    for x, y, luck in dice.units(int(260 * plane.right * plane.bottom), 3).tolist():
        size = luck * luck * luck
        spot(
            picture,
            plane,
            x * plane.right,
            y * plane.bottom,
            radius=0.0018 + 0.0045 * size,
            tint=white,
            strength=0.85 - 0.35 * size,
        )
