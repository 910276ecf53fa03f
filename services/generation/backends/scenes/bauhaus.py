"""Bauhaus geometry: a sheet of tiles, or a poster built on one disc and one diagonal."""

import math

import numpy as np

from services.generation.backends.canvas import lightness, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, noise
from services.generation.backends.palettes import Abstract, abstract
from services.generation.backends.scenes.print import bar, disc, ink
from services.generation.backends.scenes.scene import Scene
from services.generation.backends.scenes.tiles import tiles


def draw(scene: Scene) -> Field:
    """Return a print of plain shapes on paper."""
    plane, dice = scene.plane, scene.dice.fork("bauhaus")
    palette = abstract(scene.wishes, dice.fork("palette"), "vivid")
    picture = np.broadcast_to(rgb(palette.ground), (3, plane.height, plane.width)).copy()
    single = scene.wishes.wants("minimal", "calm", "sun", "moon", "planet") or dice.chance(0.45)
    (_poster if single else tiles)(picture, plane, dice.fork("shapes"), palette)
    tooth = noise(dice.fork("tooth"), plane, 120.0) + noise(dice.fork("worn"), plane, 7.0)
    picture *= np.float32(1) - np.maximum(tooth * np.float32(0.012), np.float32(-0.02))
    return picture


def _poster(picture: Field, plane: Plane, dice: Dice, palette: Abstract) -> None:
    """Compose a disc, a beam through its middle, and what hangs on both."""
    deep, *rest = sorted(
        palette.inks, key=lambda code: abs(lightness(code) - lightness(palette.ground)), reverse=True
    )
    bright = dice.shuffled([code for code in palette.inks[:5] if code not in (deep, rest[-1])])
    middle = dice.between(0.38, 0.62) * plane.right, dice.between(0.36, 0.52) * plane.bottom
    x, y = plane.x - np.float32(middle[0]), plane.y - np.float32(middle[1])
    slope = dice.pick((-1.0, 1.0)) * dice.between(0.35, 1.0)
    norm = 1.0 / math.sqrt(1.0 + slope * slope)
    along = (x + y * np.float32(slope)) * np.float32(norm)
    aside = (y - x * np.float32(slope)) * np.float32(norm)
    radius = dice.between(0.2, 0.27)
    _panel(picture, plane, dice, rest[-1])
    _rings(picture, plane, x, y, along, radius=radius, deep=deep, bright=bright[1])
    ink(picture, plane, disc(x, y, radius), bright[0])
    ink(picture, plane, np.minimum(disc(x, y, radius), aside), bright[1], see_through=True)
    _planks(picture, plane, dice, along, aside, radius=radius, inks=bright)
    beam = (along + np.float32(0.62)) * np.float32(dice.between(0.016, 0.034))
    ink(picture, plane, np.minimum(np.float32(0.62) - np.abs(along), beam - np.abs(aside)), deep)
    _satellites(picture, plane, dice, along, aside, radius=radius, inks=[deep, *bright])
    ink(
        picture,
        plane,
        disc(along + np.float32(radius * 0.42), aside + np.float32(radius * 0.38), radius * 0.23),
        palette.ground,
    )


def _panel(picture: Field, plane: Plane, dice: Dice, colour: str) -> None:
    """Print one pale panel off the middle, from edge to edge."""
    width = dice.between(0.22, 0.36)
    x = plane.x - np.float32(dice.pick((0.0, plane.right - width)) + width / 2.0)
    ink(picture, plane, np.float32(width / 2.0) - np.abs(x) + plane.y * np.float32(0), colour)


def _rings(
    picture: Field, plane: Plane, x: Field, y: Field, along: Field, *, radius: float, deep: str, bright: str
) -> None:
    """Print half rings about the disc, on the side the beam points to."""
    away = np.sqrt(x * x + y * y)
    for number in range(4):
        reach = radius * (1.22 + 0.2 * number)
        width = radius * (0.045 if number % 2 else 0.085)
        band = np.float32(width / 2.0) - np.abs(away - np.float32(reach))
        ink(picture, plane, np.minimum(band, along), bright if number % 2 else deep)


def _planks(
    picture: Field, plane: Plane, dice: Dice, along: Field, aside: Field, *, radius: float, inks: list[str]
) -> None:
    """Print planks across the beam's way, shorter and shorter."""
    side = dice.pick((-1.0, 1.0))
    for number in range(3 + dice.below(2)):
        half = radius * (0.9 - 0.2 * number)
        at = radius * (1.25 + 0.24 * number)
        shape = bar(along + np.float32(radius * 0.55), aside - np.float32(side * at), half, radius * 0.075)
        ink(picture, plane, shape, inks[(number + 1) % len(inks)])


def _satellites(
    picture: Field, plane: Plane, dice: Dice, along: Field, aside: Field, *, radius: float, inks: list[str]
) -> None:
    """Print small discs and fine lines at rest points along the beam."""
    for place, size in ((-2.0, 0.13), (-1.55, 0.07), (1.5, 0.2), (2.15, 0.1)):
        lift = radius * dice.between(0.35, 0.8) * dice.pick((-1.0, 1.0))
        shape = disc(along - np.float32(place * radius), aside - np.float32(lift), radius * size)
        ink(picture, plane, shape, dice.pick(inks[:3]))
    for number in range(6):
        shape = bar(
            along - np.float32(radius * 1.5),
            aside - np.float32(radius * (0.9 + 0.09 * number)),
            radius * 0.55,
            0.0016,
        )
        ink(picture, plane, shape, inks[0])
