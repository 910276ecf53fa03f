"""Ink wash: mountains dissolving into mist on paper, a red sun, a seal."""

import numpy as np

from services.generation.backends.canvas import blend, cover, darken, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, clamp, cloud, noise, ridges, smooth
from services.generation.backends.prompt import COLOURS
from services.generation.backends.scenes import land, sky
from services.generation.backends.scenes.bamboo import bamboo
from services.generation.backends.scenes.scene import Scene

_INKS = {
    "black": "1d1f24", "blue": "1c2f4f", "indigo": "262a56", "green": "1f3a30", "teal": "12404a", "brown": "3d2a1e",
    "violet": "38264f", "red": "4f1a1c", "pink": "5a2a40", "grey": "3a3e44", "orange": "5a2e14", "gold": "4a3a18",
}  # fmt: skip
_SUNS = {
    "gold": "d9a032",
    "orange": "e0742c",
    "pink": "e07a92",
    "blue": "3f6ea8",
    "violet": "8458a8",
    "red": "c8321e",
}


def draw(scene: Scene) -> Field:
    """Return a painting in one ink and one accent."""
    plane, wishes, dice = scene.plane, scene.wishes, scene.dice.fork("ink")
    asked = [name for name in sorted(wishes.wanted & COLOURS) if name in _INKS]
    usual = [name for name in ("black", "black", "indigo", "teal") if not wishes.bans(name)] or ["grey"]
    name = next((colour for colour in asked if colour not in _SUNS), None) or dice.pick(asked or usual)
    ink = _INKS[name]
    accent = next((_SUNS[colour] for colour in asked if colour in _SUNS and colour != name), "c8321e")
    picture = _paper(plane, dice.fork("paper"))
    if wishes.shows("sun", dice, 0.85) or wishes.wants("moon"):
        _sun(picture, plane, dice.fork("sun"), accent)
    _mountains(picture, plane, dice.fork("mountains"), ink, sea=wishes.wants("sea", "lake"))
    if wishes.shows("birds", dice, 0.7):
        sky.birds(picture, plane, dice.fork("birds"), blend(ink, "efe6d6", 0.1), plane.bottom * 0.55)
    if wishes.shows("trees", dice, 0.5):
        bamboo(picture, plane, dice.fork("bamboo"), ink)
    _seal(picture, plane, dice.fork("seal"))
    return picture


def _paper(plane: Plane, dice: Dice) -> Field:
    """Return warm paper with fibres and a little age."""
    picture = np.broadcast_to(rgb("f1e9d9"), (3, plane.height, plane.width)).copy()
    fibres = noise(dice.fork("long"), plane, 16.0, 150.0) + noise(dice.fork("short"), plane, 110.0, 30.0)
    age = cloud(dice.fork("age"), plane, 1.4, 4)
    picture *= np.float32(1) - fibres * np.float32(0.012)
    darken(picture, rgb("d9c4a0"), age * np.float32(0.35))
    return picture


def _sun(picture: Field, plane: Plane, dice: Dice, accent: str) -> None:
    """Wash in a sun whose edge bleeds and whose pigment settles at the rim."""
    x, y = dice.pick((0.3, 0.36, 0.66, 0.7)) * plane.right, dice.between(0.2, 0.32) * plane.bottom
    radius = dice.between(0.075, 0.12)
    away = sky.distance(plane, x, y) + noise(dice, plane, 26.0) * np.float32(0.0022)
    wash = cloud(dice.fork("wash"), plane, 5.0, 5)
    face = smooth(away, radius + 0.004, radius - 0.002)
    rim = smooth(np.abs(away - np.float32(radius)), 0.012, 0.0) * face
    darken(picture, rgb(accent), face * (np.float32(0.66) + np.float32(0.26) * wash) + rim * np.float32(0.12))
    darken(picture, rgb(accent), smooth(away, radius * 1.5, radius * 0.9) * np.float32(0.07))


def _mountains(picture: Field, plane: Plane, dice: Dice, ink: str, *, sea: bool) -> None:
    """Lay washes from far to near: dark along the crest, gone at the foot."""
    strokes = ridges(dice.fork("strokes"), plane, 5.5, 5, gain=0.62)
    pool = cloud(dice.fork("pool"), plane, 3.2, 6, gain=0.6)
    ranges = 5
    floor = 0.72 if sea else 0.93
    for index in range(ranges):
        near = index / (ranges - 1)
        fork = dice.fork(f"range-{index}")
        base = plane.bottom * (0.42 + (floor - 0.42) * near)
        height = (0.1, 0.2, 0.16, 0.13, 0.09)[index]
        crest = land.crest_line(fork, plane, base, height=height, cells=1.2 + 0.8 * near, sharp=0.75)
        crest += np.float32(0.1) * noise(fork.fork("swing"), plane, 0.8)[0]
        rough = noise(fork.fork("rough"), plane, 60.0) * np.float32(0.0022)
        rows = slice(plane.row(float(crest.min()) - 0.01), plane.height)
        depth = plane.y[rows] - crest[None, :] + rough[rows]
        mask = clamp(depth * np.float32(plane.unit * 0.55) + np.float32(0.5))
        fade = np.float32(1) / (np.float32(1) + depth * np.float32(7.0 - 2.5 * near))
        fade = np.maximum(fade * fade * smooth(depth, 0.42, 0.0), 0)
        brush = smooth(strokes[rows], 0.68, 0.9) * np.float32(0.5) * fade
        strength = (0.2 + 0.62 * near) * 0.55
        wash: Field = fade * (np.float32(0.45) + np.float32(0.75) * pool[rows]) * np.float32(1.7 * strength)
        wash += brush * np.float32(near)
        cover(picture[:, rows], rgb("f0e8d8"), mask * smooth(depth, 0.0, 0.16) * np.float32(0.82))
        darken(picture[:, rows], rgb(ink), clamp(wash) * mask)
    if sea:
        _still_water(picture, plane, dice.fork("water"), ink)


def _still_water(picture: Field, plane: Plane, dice: Dice, ink: str) -> None:
    """Suggest water with a few level strokes, and a boat."""
    level = noise(dice, plane, 1.6, 60.0)
    below = smooth(plane.y, 0.78 * plane.bottom, 0.95 * plane.bottom)
    darken(picture, rgb(ink), smooth(level, 0.55, 0.95) * below * np.float32(0.3))


def _seal(picture: Field, plane: Plane, dice: Dice) -> None:
    """Stamp a small red seal in a lower corner."""
    side = 0.05
    left, top = plane.right - 0.11, plane.bottom - 0.13
    rows, columns = sky.window(plane, left, top, left + side, top + side)
    x, y = (
        (plane.x[:, columns] - np.float32(left)) / np.float32(side),
        (plane.y[rows] - np.float32(top)) / np.float32(side),
    )
    inside = np.minimum(np.minimum(x, np.float32(1) - x), np.minimum(y, np.float32(1) - y))
    mask = smooth(inside, 0.0, 0.06)
    cells = dice.units(5, 5) < np.float32(0.42)
    column = np.minimum(np.maximum(x * np.float32(5), 0), np.float32(4)).astype(np.int32)
    row = np.minimum(np.maximum(y * np.float32(5), 0), np.float32(4)).astype(np.int32)
    carved = cells[row, column] * smooth(inside, 0.1, 0.16)
    worn = smooth(noise(dice, plane, 70.0)[rows, columns], 0.95, 0.6)
    darken(
        picture[:, rows, columns], rgb("c0281c"), mask * (np.float32(1) - carved) * worn * np.float32(0.88)
    )
