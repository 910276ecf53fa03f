"""A planet lit from one side, with bands of weather, a thin air, and perhaps a ring."""

import math

import numpy as np

from services.generation.backends.canvas import blend, cover, lighten, ramp, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, clamp, cloud, smooth, spline_line


def planet(picture: Field, plane: Plane, dice: Dice, stops: list[str], *, ringed: bool) -> None:
    """Draw a planet into the picture, in the colours of a gas."""
    radius = dice.between(0.1, 0.2)
    x = dice.pick((dice.between(0.2, 0.36), dice.between(0.64, 0.8))) * plane.right
    y = dice.between(0.28, 0.72) * plane.bottom
    tilt = dice.between(-0.5, 0.5)
    dx, dy = (plane.x - np.float32(x)) / np.float32(radius), (plane.y - np.float32(y)) / np.float32(radius)
    squared = dx * dx + dy * dy
    norm = 1.0 / math.sqrt(1.0 + tilt * tilt)
    along, aside = (
        (dx + dy * np.float32(tilt)) * np.float32(norm),
        (dy - dx * np.float32(tilt)) * np.float32(norm),
    )
    ring = _ring(along, aside, dice.fork("ring")) if ringed else None
    if ring is not None:
        lighten(picture, rgb(stops[4]), ring * (aside < 0))
    face = smooth(np.sqrt(squared), 1.0, 1.0 - 2.2 * plane.pixel / radius)
    cover(picture, _globe(plane, dice.fork("globe"), stops, squared=squared, dx=dx, dy=dy, aside=aside), face)
    air = np.sqrt(np.maximum(squared, 0))
    rim = smooth(air, 1.16, 1.0) * smooth(dx * np.float32(-0.7) + dy * np.float32(-0.6), -0.3, 0.9)
    lighten(picture, rgb(stops[4]), rim * (np.float32(1) - face) * np.float32(0.5))
    if ring is not None:
        lighten(picture, rgb(stops[4]), ring * (aside >= 0))


def _globe(
    plane: Plane, dice: Dice, stops: list[str], *, squared: Field, dx: Field, dy: Field, aside: Field
) -> Field:
    """Return the globe's face: weather in bands, day on one side, night on the other."""
    weather = cloud(dice, plane, 7.0, 5, down=22.0, gain=0.6) - np.float32(0.5)
    tall = np.sqrt(np.maximum(np.float32(1) - squared, 0))
    band = aside * np.float32(0.85) + weather * np.float32(0.1)
    turn = band * np.float32(dice.between(2.6, 4.6))
    turn = np.abs(turn - np.floor(turn) - np.float32(0.5)) * np.float32(2)
    surface = ramp(
        [stops[2], stops[3], stops[4], blend(stops[3], stops[4], 0.5)],
        clamp(turn + weather * np.float32(0.5)),
    )
    day = smooth(dx * np.float32(-0.62) + dy * np.float32(-0.5) + tall * np.float32(0.6), -0.12, 0.85)
    return surface * (day * np.float32(0.96) + np.float32(0.025))


def _ring(along: Field, aside: Field, dice: Dice) -> Field:
    """Return how bright the ring is: grooved, and open by a fifth."""
    wide = np.sqrt(along * along + aside * aside * np.float32(22.0))
    inside, outside = 1.38, 2.25
    place = clamp((wide - np.float32(inside)) / np.float32(outside - inside))
    grooves = spline_line(dice.units(24), (np.arange(512, dtype=np.float32) * np.float32(20.0 / 511)))
    groove = grooves[(place * np.float32(511)).astype(np.int32)] * np.float32(1.1) + np.float32(0.05)
    return (
        groove
        * smooth(wide, inside, inside + 0.05)
        * smooth(wide, outside, outside - 0.08)
        * np.float32(0.75)
    )
