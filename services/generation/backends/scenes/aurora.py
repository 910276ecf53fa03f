"""Northern lights over mountains, woods and still water."""

import numpy as np

from services.generation.backends.canvas import blend, bloom, lighten, ramp
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, clamp, falloff, line_noise, noise, smooth, stretch
from services.generation.backends.palettes import SCENIC, Scenic, choose
from services.generation.backends.prompt import Wishes
from services.generation.backends.scenes import land, sky, water
from services.generation.backends.scenes.scene import Scene

# From the lower edge of a curtain to its top.
_CURTAINS = {
    "green": "d8ffd0 5cf2a0 1fc98a 2f8fb8 6a4fc0 7a2f8c",
    "teal": "d4fff4 4ff0dc 22b8d0 2f74d0 4a48b8 3a2a80",
    "violet": "eaffe0 7df0b0 5aa0e0 8a5cf0 b04fe0 7a2aa0",
    "pink": "f4ffdc 8df0a8 8fa0e8 e070d8 f0508c 8c1f5c",
    "red": "f8ffd0 a0f0a0 d8a070 f06a6a e03058 7a1430",
    "blue": "d8f4ff 6fd0ff 3f90f0 3f60e0 5a3fc8 34207c",
    "gold": "fffbd0 e8f080 90e090 40b8a0 5070c0 503a90",
}
_ALIASES = {"indigo": "blue", "orange": "red"}


def draw(scene: Scene) -> Field:
    """Return a polar night."""
    plane, wishes, dice = scene.plane, scene.wishes, scene.dice.fork("aurora")
    nights = [palette for palette in SCENIC if "night" in palette.tags and "neon" not in palette.tags]
    palette = choose(nights, wishes, dice.fork("palette"), "blue")
    shore = dice.between(0.68, 0.78) * plane.bottom
    picture = sky.backdrop(plane, palette, dice.fork("sky"), shore * 1.25)
    picture *= np.float32(0.62)
    if not wishes.bans("stars"):
        count = int(650 * plane.right * plane.bottom)
        sky.stars(picture, plane, dice.fork("stars"), count=count, floor=shore)
    colours = _colours(wishes, dice.fork("colours"))
    for index in range(4):
        _curtain(picture, plane, dice.fork(f"curtain-{index}"), colours, shore=shore, index=index)
    bloom(picture, 0.7)
    _land(picture, scene, dice, palette, shore)
    return picture


def _colours(wishes: Wishes, dice: Dice) -> list[str]:
    allowed = [name for name in _CURTAINS if not wishes.bans(name)] or ["teal"]
    asked = [_ALIASES.get(name, name) for name in sorted(wishes.wanted)]
    usual = [name for name in ("green", "green", "violet", "teal", "pink") if name in allowed] or allowed
    named = [name for name in asked if name in allowed]
    return _CURTAINS[dice.pick(named or usual)].split()


def _curtain(
    picture: Field, plane: Plane, dice: Dice, colours: list[str], *, shore: float, index: int
) -> None:
    """Hang one curtain of rays: sharp below, fading far up, bright where it folds."""
    top, bottom = 0.34 * shore, 0.86 * shore
    hang = bottom - (bottom - top) * (index / 3.0) + dice.between(-0.05, 0.05)
    slant = dice.between(-0.35, 0.35)
    bend = line_noise(dice, plane, dice.between(0.9, 1.5), 3, gain=0.4) * np.float32(dice.between(0.09, 0.15))
    foot = np.float32(hang) + bend + (plane.xs - np.float32(plane.right / 2.0)) * np.float32(slant)
    tall = np.float32(0.3) + np.float32(0.16) * line_noise(dice, plane, 2.0, 3)
    wander = noise(dice.fork("wander"), plane, 2.2, 1.4) * np.float32(0.035 * plane.unit)
    lean = (plane.y - np.float32(hang)) * np.float32(dice.between(-0.25, 0.25) * plane.unit)
    at = plane.columns + wander + lean
    at = np.minimum(np.maximum(at, np.float32(0)), np.float32(plane.width - 1)).astype(np.int32)
    rays = stretch(line_noise(dice, plane, 9.0, 4, gain=0.75))
    folds = smooth(stretch(line_noise(dice, plane, 1.3, 3)), 0.2, 0.75) * np.float32(0.7) + np.float32(
        0.3 - 0.1 * index
    )
    up = (foot[at] - plane.y) / np.maximum(tall, np.float32(0.12))[at]
    strength = (np.float32(0.3) + np.float32(0.7) * rays * rays)[at] * folds[at]
    reach = clamp(np.float32(1) - up * (np.float32(1.15) - np.float32(0.45) * rays[at]))
    body = smooth(up, -0.05, 0.06) * reach * reach
    veil = falloff(np.maximum(up - np.float32(0.1), np.float32(-0.4)), 0.55) * smooth(up, -0.7, 0.3)
    light = strength * (body + veil * np.float32(0.22)) * np.float32(1.5 - 0.18 * index)
    lighten(picture, ramp(colours, clamp(up)), clamp(light))


def _land(picture: Field, scene: Scene, dice: Dice, palette: Scenic, shore: float) -> None:
    """Draw snowy ranges, firs, and the lake that mirrors it all."""
    plane, wishes = scene.plane, scene.wishes
    lake = wishes.shows("lake", dice, 0.7) or wishes.wants("sea")
    foot = shore if lake else plane.bottom
    relief = land.Relief.of(dice.fork("relief"), plane, 0.0)
    for index in range(3):
        near = index / 2.0
        fork = dice.fork(f"range-{index}")
        base = shore - 0.02 + (foot - shore) * near * 0.9
        crest = land.crest_line(
            fork, plane, base, height=0.19 - 0.075 * index, cells=1.7, sharp=0.9 - 0.5 * near
        )
        rows, _ = land.body(plane, crest)
        land.mountain_range(
            picture,
            plane,
            crest,
            colour=blend(palette.far, palette.near, 0.55 + 0.45 * near),
            haze=blend(palette.far, palette.sky[1], 0.5),
            mist=0.45 - 0.4 * near,
            relief=relief.under(crest * np.float32(plane.unit), rows, fork.below(plane.width)),
            light=blend(palette.sky[-1], palette.sky[-2], 0.35),
            contrast=0.7 - 0.5 * near,
            snow=0.0 if index else 0.14,
        )
        if index and not wishes.bans("trees"):
            land.firs(
                picture,
                plane,
                fork,
                crest,
                palette.near,
                count=int(90 * plane.right),
                low=0.015,
                high=0.035 + 0.05 * near,
            )
    if lake:
        water.mirror(picture, plane, dice.fork("lake"), palette, shore=shore, calm=1.0)
    elif not wishes.bans("trees"):
        crest = np.full(plane.width, np.float32(plane.bottom + 0.02))
        land.firs(picture, plane, dice.fork("front"), crest, palette.near, count=30, low=0.08, high=0.3)
