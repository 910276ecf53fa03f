"""A stand of bamboo in brush strokes: jointed canes and pointed leaves."""

import math

import numpy as np

from services.generation.backends.canvas import darken, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, clamp
from services.generation.backends.scenes.sky import window


def bamboo(picture: Field, plane: Plane, dice: Dice, ink: str) -> None:
    """Paint canes at one side of the picture, leaves reaching inwards."""
    side = dice.pick((-1.0, 1.0))
    edge = 0.0 if side > 0 else plane.right
    colour = rgb(ink)
    for index in range(3 + dice.below(2)):
        x = edge + side * dice.between(0.02, 0.2)
        lean = dice.between(-0.05, 0.09) * side
        half = dice.between(0.004, 0.0085)
        strength = dice.between(0.35, 0.85)
        _cane(picture, plane, dice, colour, x=x, lean=lean, half=half, strength=strength)
        for _ in range(3 if index else 5):
            height = dice.between(0.05, 0.62) * plane.bottom
            joint = x + lean * (1.0 - height / plane.bottom)
            _spray(picture, plane, dice, colour, x=joint, y=height, side=side, strength=strength)


def _cane(
    picture: Field,
    plane: Plane,
    dice: Dice,
    ink: Field,
    *,
    x: float,
    lean: float,
    half: float,
    strength: float,
) -> None:
    """Paint one cane, darker at its edges, broken at each joint."""
    rows, columns = window(plane, min(x, x + lean) - 0.02, 0.0, max(x, x + lean) + 0.02, plane.bottom)
    up = np.float32(1) - plane.y[rows] / np.float32(plane.bottom)
    off = np.abs(plane.x[:, columns] - np.float32(x) - up * np.float32(lean))
    joints = plane.y[rows] * np.float32(dice.between(5.0, 7.0)) + np.float32(dice.unit())
    gap = np.abs(joints - np.floor(joints) - np.float32(0.5))
    wide = np.float32(half) * (np.float32(1) + np.maximum(gap - np.float32(0.4), 0) * np.float32(2.5))
    mask = clamp((wide - off) * np.float32(plane.unit) + np.float32(0.5)) * (gap < np.float32(0.485))
    tone = np.float32(0.45) + np.float32(0.55) * clamp(off / wide)
    darken(picture[:, rows, columns], ink, mask * tone * np.float32(strength))


def _spray(
    picture: Field, plane: Plane, dice: Dice, ink: Field, *, x: float, y: float, side: float, strength: float
) -> None:
    """Paint a handful of leaves hanging from one point."""
    for _ in range(4 + dice.below(4)):
        dx = side * dice.between(-0.25, 1.0)
        dy = dice.between(0.1, 0.9)
        length = dice.between(0.06, 0.13)
        reach = length / math.sqrt(dx * dx + dy * dy)
        start_x, start_y = x + side * dice.between(0.0, 0.05), y + dice.between(-0.01, 0.03)
        _leaf(
            picture,
            plane,
            (start_x, start_y),
            (dx * reach, dy * reach),
            ink=ink,
            strength=strength * dice.between(0.6, 1.1),
        )


def _leaf(
    picture: Field,
    plane: Plane,
    foot: tuple[float, float],
    way: tuple[float, float],
    *,
    ink: Field,
    strength: float,
) -> None:
    """Paint one leaf: pointed at the tip, widest in its first third."""
    (x, y), (wx, wy) = foot, way
    rows, columns = window(
        plane, min(x, x + wx) - 0.02, min(y, y + wy) - 0.02, max(x, x + wx) + 0.02, max(y, y + wy) + 0.02
    )
    dx, dy = plane.x[:, columns] - np.float32(x), plane.y[rows] - np.float32(y)
    squared = wx * wx + wy * wy
    length = math.sqrt(squared)
    along = dx * np.float32(wx / squared) + dy * np.float32(wy / squared)
    aside = np.abs(dx * np.float32(wy / length) - dy * np.float32(wx / length))
    t = clamp(along)
    wide = np.sqrt(t) * (np.float32(1) - t) * np.float32(0.2 * length)
    mask = clamp((wide - aside) * np.float32(plane.unit) + np.float32(0.5)) * ((along > 0) & (along < 1))
    darken(picture[:, rows, columns], ink, mask * np.float32(min(strength, 0.95)))
