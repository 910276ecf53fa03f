"""Nebulae, stars, and now and then a planet."""

import numpy as np

from services.generation.backends.canvas import bloom, cover, lighten, ramp, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import (
    Plane,
    clamp,
    cloud,
    falloff,
    noise,
    ridges,
    sample,
    smooth,
    stretch,
)
from services.generation.backends.prompt import COLOURS
from services.generation.backends.scenes import sky
from services.generation.backends.scenes.planet import planet
from services.generation.backends.scenes.scene import Scene

# Each gas from empty space to its glowing heart.
_GASES = {
    "blue": "05060f 0c1a3c 1c4a86 4a9ad0 bfe6f4 ffffff",
    "violet": "06040f 1c0d3a 4c2288 9050d0 dcb0f4 fff6ff",
    "pink": "0a040c 3a0c34 922868 e8628c ffc0b8 fffaf0",
    "red": "0a0406 34090f 861c22 d8503c ffb080 fff4e0",
    "orange": "0a0604 30140a 80401a d88838 ffd48c fffbe8",
    "gold": "080705 2a2010 74581e c8a040 ffe8a0 fffdf0",
    "teal": "03080c 082a34 126470 34b0a8 b0f0dc fafffc",
    "green": "04090a 0c2a20 1f6a48 5cb878 c8f4b8 fcfff4",
    "indigo": "04050f 10123c 2c2f88 6068d8 b8c0f8 f8faff",
}
_PAIRS = (
    ("blue", "pink"), ("violet", "teal"), ("teal", "orange"), ("blue", "gold"), ("indigo", "red"), ("violet", "pink"),
)  # fmt: skip


def draw(scene: Scene) -> Field:
    """Return a view into deep space."""
    plane, wishes, dice = scene.plane, scene.wishes, scene.dice.fork("cosmos")
    first, second = _gases(scene, dice.fork("gases"))
    one_asked = len(scene.wishes.wanted & COLOURS) == 1
    density, hue = _nebula(plane, dice.fork("nebula"))
    picture = ramp(_GASES[first].split(), density)
    cover(picture, ramp(_GASES[second].split(), density), hue * np.float32(0.3 if one_asked else 1.0))
    dust = ridges(dice.fork("dust"), plane, 1.6, 6, gain=0.6)
    picture *= np.float32(1) - smooth(dust, 0.6, 0.98) * np.float32(0.7)
    if not wishes.bans("stars"):
        _stars(picture, plane, dice.fork("stars"))
    bloom(picture, 0.8)
    if wishes.shows("planet", dice, 0.45) or wishes.wants("moon"):
        planet(
            picture,
            plane,
            dice.fork("planet"),
            _GASES[second].split(),
            ringed=wishes.shows("rings", dice, 0.5),
        )
    return picture


def _gases(scene: Scene, dice: Dice) -> tuple[str, str]:
    """Return the two gases the wishes name, or a pair that goes well together."""
    asked = [name for name in sorted(scene.wishes.wanted & COLOURS) if name in _GASES]
    allowed = [pair for pair in _PAIRS if not scene.wishes.banned & set(pair)] or [("blue", "indigo")]
    if len(asked) > 1:
        return asked[0], asked[1]
    if asked:
        partners = [pair for pair in allowed if asked[0] in pair] or [(asked[0], asked[0])]
        one, other = dice.pick(partners)
        return asked[0], other if one == asked[0] else one
    return dice.pick(allowed)


def _nebula(plane: Plane, dice: Dice) -> tuple[Field, Field]:
    """Return how dense the gas is, and which of the two gases it is (0 to 1)."""
    columns, rows = plane.columns, plane.rows
    reach = np.float32(dice.between(0.14, 0.22) * plane.unit)
    across = cloud(dice.fork("across"), plane, 1.8, 4) * np.float32(2) - np.float32(1)
    down = cloud(dice.fork("down"), plane, 1.8, 4) * np.float32(2) - np.float32(1)
    gas = cloud(dice.fork("gas"), plane, 2.1, 7, gain=0.56)
    gas = sample(gas, columns + across * reach, rows + down * reach)
    threads = ridges(dice.fork("threads"), plane, 1.5, 5, gain=0.52)
    threads = sample(threads, columns + down * reach, rows + across * reach)
    middle_x, middle_y = dice.between(0.3, 0.7) * plane.right, dice.between(0.3, 0.7) * plane.bottom
    tilt = dice.between(-0.9, 0.9)
    dx, dy = plane.x - np.float32(middle_x), plane.y - np.float32(middle_y)
    along, aside = dx + dy * np.float32(tilt), dy - dx * np.float32(tilt)
    heart = falloff(
        np.sqrt(along * along * np.float32(0.3) + aside * aside) + across * np.float32(0.08), 0.62
    )
    density = stretch(gas * np.float32(0.75) + threads * threads * np.float32(0.42)) * (
        np.float32(0.34) + heart
    )
    density = stretch(density) * np.float32(0.97)
    density = density * density * (np.float32(1.75) - np.float32(0.85) * density)
    hue = smooth(noise(dice.fork("hue"), plane, 1.3) + across * np.float32(0.6), -0.55, 0.65)
    return clamp(density), hue


def _stars(picture: Field, plane: Plane, dice: Dice) -> None:
    """Scatter stars: dust of them, some bright ones, a few with rays."""
    area = plane.right * plane.bottom
    tints = [rgb(code) for code in ("ffffff", "cfe2ff", "fff0d8", "ffd9c4", "e6dcff")]
    for _ in range(int(900 * area)):
        luck = dice.unit()
        size = luck * luck
        size = size * size * size * size
        x, y = dice.unit() * plane.right, dice.unit() * plane.bottom
        sky.spot(
            picture,
            plane,
            x,
            y,
            radius=0.0007 + 0.0021 * size,
            tint=dice.pick(tints),
            strength=0.3 + 0.7 * size,
        )
    for _ in range(5 + dice.below(5)):
        x, y = dice.unit() * plane.right, dice.unit() * plane.bottom
        _rayed(picture, plane, x, y, size=dice.between(0.4, 1.0), tint=dice.pick(tints))


def _rayed(picture: Field, plane: Plane, x: float, y: float, *, size: float, tint: Field) -> None:
    """Draw a bright star with four fine rays."""
    reach = 0.075 * size
    rows, columns = sky.window(plane, x - reach, y - reach, x + reach, y + reach)
    dx, dy = np.abs(plane.x[:, columns] - np.float32(x)), np.abs(plane.y[rows] - np.float32(y))
    core = falloff(np.sqrt(dx * dx + dy * dy), 0.0042 * size + 0.5 * plane.pixel)
    thin = 0.0011 * size + 0.4 * plane.pixel
    rays = falloff(dx, thin) * clamp(np.float32(1) - dy / np.float32(reach))
    rays = np.maximum(rays, falloff(dy, thin) * clamp(np.float32(1) - dx / np.float32(reach)))
    lighten(picture[:, rows, columns], tint, clamp(core + rays * rays * np.float32(0.8)))
