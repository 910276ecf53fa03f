"""Bauhaus geometry: tiles of arcs and dots, or a poster of large plain shapes."""

from collections.abc import Callable

import numpy as np

from services.generation.backends.canvas import cover, darken, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, clamp, noise
from services.generation.backends.palettes import Abstract, abstract
from services.generation.backends.scenes.scene import Scene


def draw(scene: Scene) -> Field:
    """Return a print of plain shapes on paper."""
    plane, dice = scene.plane, scene.dice.fork("bauhaus")
    palette = abstract(scene.wishes, dice.fork("palette"), "classic")
    picture = np.broadcast_to(rgb(palette.ground), (3, plane.height, plane.width)).copy()
    poster = scene.wishes.wants("minimal", "calm") or dice.chance(0.5)
    (_poster if poster else _tiles)(picture, plane, dice.fork("shapes"), palette)
    tooth = noise(dice.fork("tooth"), plane, 120.0) * np.float32(0.012) + noise(dice.fork("worn"), plane, 7.0) * np.float32(0.012)
    picture *= np.float32(1) - np.maximum(tooth, np.float32(-0.03))
    return picture


def _ink(picture: Field, plane: Plane, inside: Field, colour: str, *, see_through: bool = False) -> None:
    """Print a shape given by how far inside it each pixel is, in units."""
    mask = clamp(inside * np.float32(plane.unit) + np.float32(0.5))
    (darken if see_through else cover)(picture, rgb(colour), mask)


# -- tiles ---------------------------------------------------------------------------------------------------

Motif = Callable[[Field, Field], list[Field]]


def _quarter(x: Field, y: Field) -> list[Field]:
    away = np.sqrt(x * x + y * y)
    return [np.float32(1) - away, np.float32(0.5) - away]


def _rings(x: Field, y: Field) -> list[Field]:
    away = np.sqrt(x * x + y * y)
    return [np.float32(level) - away for level in (1.0, 0.75, 0.5, 0.25)]


def _leaf(x: Field, y: Field) -> list[Field]:
    far_x, far_y = np.float32(1) - x, np.float32(1) - y
    return [np.minimum(np.float32(1) - np.sqrt(x * x + y * y), np.float32(1) - np.sqrt(far_x * far_x + far_y * far_y))]


def _dot(x: Field, y: Field) -> list[Field]:
    dx, dy = x - np.float32(0.5), y - np.float32(0.5)
    away = np.sqrt(dx * dx + dy * dy)
    return [np.float32(0.38) - away, np.float32(0.14) - away]


def _halves(x: Field, y: Field) -> list[Field]:
    dy = y - np.float32(0.5)
    away = np.sqrt(x * x + dy * dy)
    far = np.float32(1) - x
    return [np.float32(0.5) - away, np.float32(0.5) - np.sqrt(far * far + dy * dy)]


def _triangle(x: Field, y: Field) -> list[Field]:
    return [(np.float32(1) - x - y) * np.float32(0.707), (np.float32(0.5) - x - y) * np.float32(0.707)]


def _bars(x: Field, y: Field) -> list[Field]:
    turn = y * np.float32(3)
    return [(np.float32(0.25) - np.abs(turn - np.floor(turn) - np.float32(0.5))) / np.float32(3) + x * np.float32(0)]


_MOTIFS: tuple[Motif, ...] = (_quarter, _quarter, _rings, _leaf, _dot, _halves, _triangle, _bars)


def _tiles(picture: Field, plane: Plane, dice: Dice, palette: Abstract) -> None:
    """Cover the sheet with square tiles, each a motif turned at random."""
    across = dice.pick((4, 5, 6))
    side = 1.0 / across
    grounds = (palette.ground, palette.ground, *palette.inks)
    motifs = dice.shuffled(_MOTIFS)[: 4 + dice.below(3)]
    for row in range(int(plane.bottom * across + 0.999)):
        for column in range(int(plane.right * across + 0.999)):
            span = 2 if dice.chance(0.12) else 1
            _tile(picture, plane, dice, (column * side, row * side, span * side), dice.pick(grounds), palette, dice.pick(motifs))


def _tile(
    picture: Field, plane: Plane, dice: Dice, box: tuple[float, float, float], ground: str, palette: Abstract, motif: Motif
) -> None:
    left, top, side = box
    unit = plane.unit
    rows = slice(int(top * unit + 0.5), min(plane.height, int((top + side) * unit + 0.5)))
    columns = slice(int(left * unit + 0.5), min(plane.width, int((left + side) * unit + 0.5)))
    tile = picture[:, rows, columns]
    if not tile.size:
        return
    tile[:] = rgb(ground)
    x = (plane.x[:, columns] - np.float32(left)) / np.float32(side)
    y = (plane.y[rows] - np.float32(top)) / np.float32(side)
    if dice.chance(0.5):
        x = np.float32(1) - x
    if dice.chance(0.5):
        y = np.float32(1) - y
    inks = [ink for ink in dice.shuffled(palette.inks) if ink != ground] + [ground]
    for index, inside in enumerate(motif(x, y)):
        ink = palette.ground if motif is _rings and index % 2 else inks[index % len(inks)]
        _ink(tile, plane, inside * np.float32(side), ink)


# -- poster --------------------------------------------------------------------------------------------------


def _poster(picture: Field, plane: Plane, dice: Dice, palette: Abstract) -> None:
    """Compose a few large shapes about one diagonal, small ones answering them."""
    inks = list(palette.inks)
    turn = dice.between(-0.9, 0.9)
    cos, sin = _direction(turn)
    x, y = plane.x - np.float32(plane.right / 2.0), plane.y - np.float32(plane.bottom / 2.0)
    along, aside = x * np.float32(cos) + y * np.float32(sin), y * np.float32(cos) - x * np.float32(sin)
    _disc(picture, plane, dice, inks[0])
    for index in range(2):
        low = dice.between(-0.5, 0.35)
        wide, tall = dice.between(0.35, 0.7), dice.between(0.04, 0.15)
        box = np.minimum(
            np.float32(wide / 2.0) - np.abs(along - np.float32(low / 2.0)), np.float32(tall) - np.abs(aside - np.float32(low))
        )
        _ink(picture, plane, box, inks[1 + index], see_through=index == 0)
    _arcs(picture, plane, dice, inks)
    _beam(picture, plane, dice, inks[3], along, aside)
    for _ in range(3 + dice.below(3)):
        dx = x - np.float32(dice.between(-0.42, 0.42) * plane.right)
        dy = y - np.float32(dice.between(-0.42, 0.42) * plane.bottom)
        radius = dice.between(0.012, 0.045)
        _ink(picture, plane, np.float32(radius) - np.sqrt(dx * dx + dy * dy), dice.pick(inks[:4]))
    for step in range(dice.below(5) + 3):
        off = np.abs(aside - np.float32(0.3 - 0.022 * step))
        line = np.minimum(np.float32(0.0022) - off, np.float32(0.3 - 0.03 * step) - np.abs(along + np.float32(0.1)))
        _ink(picture, plane, line, inks[3])


def _direction(slope: float) -> tuple[float, float]:
    length = (1.0 + slope * slope) ** 0.5
    return 1.0 / length, slope / length


def _disc(picture: Field, plane: Plane, dice: Dice, ink: str) -> None:
    x = plane.x - np.float32(dice.between(0.32, 0.68) * plane.right)
    y = plane.y - np.float32(dice.between(0.3, 0.6) * plane.bottom)
    _ink(picture, plane, np.float32(dice.between(0.2, 0.32)) - np.sqrt(x * x + y * y), ink)


def _arcs(picture: Field, plane: Plane, dice: Dice, inks: list[str]) -> None:
    """Print concentric half rings."""
    x = plane.x - np.float32(dice.between(0.15, 0.85) * plane.right)
    y = plane.y - np.float32(dice.between(0.45, 0.9) * plane.bottom)
    away = np.sqrt(x * x + y * y)
    half = y if dice.chance(0.5) else -y
    outer, width = dice.between(0.18, 0.3), dice.between(0.022, 0.04)
    for ring in range(4):
        middle = outer - 2.0 * width * ring
        band = np.minimum(np.float32(width / 2.0) - np.abs(away - np.float32(middle)), half)
        _ink(picture, plane, band, inks[ring % 2 + 2])


def _beam(picture: Field, plane: Plane, dice: Dice, ink: str, along: Field, aside: Field) -> None:
    """Print one long thin triangle along the diagonal."""
    reach = np.float32(0.62) - np.abs(along)
    width = (along + np.float32(0.62)) * np.float32(dice.between(0.02, 0.07))
    _ink(picture, plane, np.minimum(reach, width - np.abs(aside - np.float32(dice.between(-0.2, 0.2)))), ink)
