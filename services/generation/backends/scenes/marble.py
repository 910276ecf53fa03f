"""Marbled ink: colours drawn into one another, with thin bands, relief and veins of gold."""

import numpy as np

from services.generation.backends.canvas import blend, cover, lighten, lightness, ramp, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, clamp, cloud, noise, sample, smooth, stretch
from services.generation.backends.palettes import Abstract, abstract
from services.generation.backends.scenes.scene import Scene


def draw(scene: Scene) -> Field:
    """Return marbled paper in the colours the wishes ask for."""
    plane, dice = scene.plane, scene.dice.fork("marble")
    palette = abstract(scene.wishes, dice.fork("palette"))
    calm = scene.wishes.wants("calm", "minimal")
    flow, drawn = _current(plane, dice.fork("current"), 0.75 if calm else 1.0)
    bands = dice.between(3.5, 5.0) if calm else dice.between(5.0, 8.0)
    level = flow * np.float32(bands)
    strip = np.floor(level)
    within = level - strip
    stops = _stops(palette, dice.fork("stops"), int(bands) + 2)
    edge = smooth(within, 0.86, 1.0)
    colours = np.concatenate([rgb(stop).reshape(3, 1) for stop in stops], axis=1)
    at = strip.astype(np.int32)
    picture = colours[:, at]
    picture += (colours[:, np.minimum(at + 1, len(stops) - 1)] - picture) * edge
    picture *= np.float32(0.86) + np.float32(0.2) * within
    agate = ramp([stops[0], palette.ground, stops[-1], palette.ground, stops[1]], drawn)
    picture += (agate - picture) * np.float32(0.16)
    _relief(picture, flow, plane.unit)
    if not scene.wishes.bans("gold"):
        _veins(picture, plane, dice.fork("veins"), within, drawn, flow)
    return picture


def _current(plane: Plane, dice: Dice, reach: float) -> tuple[Field, Field]:
    """Return the paint's level after it was drawn twice across the bath, and after once (0 to 1)."""
    columns = np.arange(plane.width, dtype=np.float32)[None, :]
    rows = np.arange(plane.height, dtype=np.float32)[:, None]
    pull = np.float32(reach * plane.unit)
    sway = [noise(dice.fork(f"sway-{axis}"), plane, 1.3) for axis in range(4)]
    curl = [noise(dice.fork(f"curl-{axis}"), plane, 4.2) for axis in range(2)]
    ground = cloud(dice.fork("ground"), plane, 1.6, 3, gain=0.4)
    x = columns + (sway[0] * np.float32(0.16) + curl[0] * np.float32(0.035)) * pull
    y = rows + (sway[1] * np.float32(0.16) + curl[1] * np.float32(0.035)) * pull
    once = sample(ground, x, y)
    swirl = sample(sway[2], x, y)
    x = columns + (swirl * np.float32(0.2) + once * np.float32(0.3) + curl[1] * np.float32(0.03)) * pull
    y = rows + (sway[3] * np.float32(0.2) - once * np.float32(0.34) + curl[0] * np.float32(0.03)) * pull
    twice = sample(once, x, y)
    return stretch(twice + sway[2] * np.float32(0.1)) * np.float32(0.999), stretch(once)


def _stops(palette: Abstract, dice: Dice, count: int) -> list[str]:
    """Return the colours of the bands: inks in chance order, light and dark ones in turn, some twice."""
    inks = sorted({palette.ground, *palette.inks}, key=lightness)
    half = len(inks) // 2
    dark, light = dice.shuffled(inks[:half]), dice.shuffled(inks[half:])
    pairs = [(dark[i % len(dark)], light[i % len(light)]) for i in range(count)]
    return [blend(*pair, share) for pair, share in zip(pairs, (0.0, 1.0, 0.55, 0.0, 0.9, 1.0, 0.25) * 3, strict=False)]


def _relief(picture: Field, flow: Field, unit: int) -> None:
    """Light the paint as if it stood a little off the paper."""
    slope = np.zeros_like(flow)
    slope[1:, 1:] = (flow[1:, 1:] - flow[:-1, :-1]) * np.float32(unit / 30.0)
    lighten(picture, rgb("ffffff"), clamp(slope) * np.float32(0.4))
    picture *= np.float32(1) + np.maximum(np.minimum(slope, 0), np.float32(-0.6)) * np.float32(0.6)


def _veins(picture: Field, plane: Plane, dice: Dice, within: Field, drawn: Field, flow: Field) -> None:
    """Lay metal along the edges of the bands, in stretches, as wide in the picture as the slope is gentle."""
    across = np.abs(np.gradient(flow, axis=0)) + np.abs(np.gradient(flow, axis=1))
    where = smooth(noise(dice, plane, 1.7), 0.0, 0.5)
    width = np.float32(0.05) + across.astype(np.float32) * np.float32(6.0)
    off = np.minimum(within, np.float32(1) - within)
    line = clamp((width - off) / (width * np.float32(0.6))) * where
    turn = drawn * np.float32(14.0)
    shine = np.abs(turn - np.floor(turn) - np.float32(0.5)) * np.float32(2)
    gold = rgb("9a6f24") + (rgb("ffe9a8") - rgb("9a6f24")) * shine
    cover(picture, gold, clamp(line) * np.float32(0.9))
