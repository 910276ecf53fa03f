"""Marbled ink: colours drawn into one another, with thin bands, relief and veins of gold."""

import numpy as np

from services.generation.backends.canvas import cover, lighten, lightness, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, clamp, cloud, gradient, noise, sample, smooth, stretch
from services.generation.backends.palettes import Abstract, abstract
from services.generation.backends.scenes.scene import Scene


def draw(scene: Scene) -> Field:
    """Return marbled paper in the colours the wishes ask for."""
    plane, dice = scene.plane, scene.dice.fork("marble")
    palette = abstract(scene.wishes, dice.fork("palette"))
    calm = scene.wishes.wants("calm", "minimal")
    flow, drawn = _current(plane, dice.fork("current"), 0.75 if calm else 1.0)
    level = flow * np.float32(dice.between(5.0, 7.0) if calm else dice.between(8.0, 12.0))
    steep = np.abs(gradient(level)) + np.abs(gradient(level, axis=1)) + np.float32(1e-5)
    strip = np.floor(level)
    within = level - strip
    stops = np.stack([rgb(stop).reshape(3) for stop in _stops(palette, dice.fork("stops"), 14)], axis=1)
    at = strip.astype(np.int32)
    picture = stops[:, at]
    soft = clamp((within - np.float32(1)) / (steep * np.float32(1.5)) + np.float32(1))
    picture += (stops[:, at + 1] - picture) * soft
    picture *= np.float32(0.82) + np.float32(0.24) * within
    fine = drawn * np.float32(34.0)
    fine = np.abs(fine - np.floor(fine) - np.float32(0.5)) * np.float32(2)
    picture *= np.float32(0.95) + np.float32(0.1) * fine
    _relief(picture, flow, plane.unit)
    if not scene.wishes.bans("gold"):
        _veins(picture, plane, dice.fork("veins"), np.minimum(within, np.float32(1) - within), steep)
    return picture


def _current(plane: Plane, dice: Dice, reach: float) -> tuple[Field, Field]:
    """Return the paint's level after it was drawn twice across the bath, and after once (0 to 1).

    The bath is wider than the picture by half on every side and is kept at half its resolution.
    """
    bath = Plane(plane.width, plane.height, plane.unit // 2)
    columns, rows = plane.columns, plane.rows
    pull = reach * bath.unit
    sway = [noise(dice.fork(f"sway-{axis}"), bath, 1.3) for axis in range(3)]
    curl = [noise(dice.fork(f"curl-{axis}"), bath, 4.2) for axis in range(2)]
    ground = cloud(dice.fork("ground"), bath, 1.6, 3, gain=0.4)
    x = columns + sway[0] * np.float32(0.16 * pull) + curl[0] * np.float32(0.035 * pull)
    y = rows + sway[1] * np.float32(0.16 * pull) + curl[1] * np.float32(0.035 * pull)
    once = stretch(sample(ground, x, y) + sway[2] * np.float32(0.1))
    across, down = noise(dice.fork("across"), plane, 1.2), noise(dice.fork("down"), plane, 1.2)
    swirl = noise(dice.fork("swirl"), plane, 3.6)
    x = columns * np.float32(0.5) + np.float32(0.25 * plane.width)
    y = rows * np.float32(0.5) + np.float32(0.25 * plane.height)
    middle = sample(once, x, y) - np.float32(0.5)
    x = x + across * np.float32(0.22 * pull) + middle * np.float32(0.42 * pull)
    y = y + down * np.float32(0.22 * pull) - middle * np.float32(0.46 * pull)
    x, y = x + swirl * np.float32(0.03 * pull), y - swirl * np.float32(0.03 * pull)
    return stretch(sample(once, x, y)), stretch(middle)


def _stops(palette: Abstract, dice: Dice, count: int) -> list[str]:
    """Return the colours of the bands: light and dark in turn, the palette's first inks the most often."""
    inks = sorted({palette.ground, *palette.inks, *palette.inks[:3]}, key=lightness)
    half = len(inks) // 2
    dark, light = dice.shuffled(inks[:half]), dice.shuffled(inks[half:])
    return [(light if place % 2 else dark)[place // 2 % half] for place in range(count)]


def _relief(picture: Field, flow: Field, unit: int) -> None:
    """Light the paint as if it stood a little off the paper."""
    slope = np.zeros_like(flow)
    slope[1:, 1:] = (flow[1:, 1:] - flow[:-1, :-1]) * np.float32(unit / 30.0)
    lighten(picture, rgb("ffffff"), clamp(slope) * np.float32(0.4))
    picture *= np.float32(1) + np.maximum(np.minimum(slope, 0), np.float32(-0.6)) * np.float32(0.6)


def _veins(picture: Field, plane: Plane, dice: Dice, off: Field, steep: Field) -> None:
    """Lay metal along the edges of the bands, in stretches, thicker here and thinner there."""
    where = noise(dice, plane, 1.9)
    width = smooth(where, 0.05, 1.0) * np.float32(0.0042 * plane.unit) * steep
    line = clamp((width - off) / steep + np.float32(0.5)) * (width > 0)
    shine = smooth(noise(dice.fork("shine"), plane, 5.0), -0.7, 0.7)
    dull, bright = rgb("a87a2c"), rgb("ffe6a0")
    cover(picture, dull + (bright - dull) * shine, line)
