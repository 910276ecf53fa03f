"""A sheet of square tiles: arcs, rings, leaves and dots turned this way and that."""

from collections.abc import Callable

import numpy as np

from services.generation.backends.canvas import rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane
from services.generation.backends.palettes import Abstract
from services.generation.backends.scenes.print import Box, ink

Motif = Callable[[Field, Field], list[Field]]


def _quarter(x: Field, y: Field) -> list[Field]:
    away = np.sqrt(x * x + y * y)
    return [np.float32(1) - away, np.float32(0.5) - away]


def _rings(x: Field, y: Field) -> list[Field]:
    away = np.sqrt(x * x + y * y)
    return [np.float32(level) - away for level in (1.0, 0.75, 0.5, 0.25)]


def _leaf(x: Field, y: Field) -> list[Field]:
    far_x, far_y = np.float32(1) - x, np.float32(1) - y
    return [
        np.minimum(
            np.float32(1) - np.sqrt(x * x + y * y), np.float32(1) - np.sqrt(far_x * far_x + far_y * far_y)
        )
    ]


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
    return [
        (np.float32(0.25) - np.abs(turn - np.floor(turn) - np.float32(0.5))) / np.float32(3)
        + x * np.float32(0)
    ]


_MOTIFS: tuple[Motif, ...] = (_quarter, _quarter, _rings, _leaf, _dot, _halves, _triangle, _bars)


def tiles(picture: Field, plane: Plane, dice: Dice, palette: Abstract) -> None:
    """Cover the sheet with square tiles, each a motif turned at random."""
    across = dice.pick((4, 5, 6))
    side = 1.0 / across
    grounds = (palette.ground, palette.ground, *palette.inks)
    motifs = dice.shuffled(_MOTIFS)[: 4 + dice.below(3)]
    for row in range(int(plane.bottom * across + 0.999)):
        for column in range(int(plane.right * across + 0.999)):
            span = 2 if dice.chance(0.12) else 1
            _tile(
                picture,
                plane,
                dice,
                (column * side, row * side, span * side),
                palette,
                ground=dice.pick(grounds),
                motif=dice.pick(motifs),
            )


def _tile(
    picture: Field, plane: Plane, dice: Dice, box: Box, palette: Abstract, *, ground: str, motif: Motif
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
    inks = [code for code in dice.shuffled(palette.inks) if code != ground] + [ground]
    for index, inside in enumerate(motif(x, y)):
        colour = palette.ground if motif is _rings and index % 2 else inks[index % len(inks)]
        ink(tile, plane, inside * np.float32(side), colour)
