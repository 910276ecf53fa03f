"""Flow fields: ribbons that follow one current and never cross."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from services.generation.backends.canvas import blend
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, gradient, noise
from services.generation.backends.palettes import Abstract, abstract
from services.generation.backends.scenes.scene import Scene

GRID = 200  # cells per unit: how finely ribbons keep clear of each other
LONGEST = 130  # cells
SCALE = 2  # drawn this much larger, then reduced, for smooth edges
_SIZES = (
    (0.026, 60, 26),
    (0.0135, 220, 20),
    (0.0065, 500, 16),
    (0.003, 900, 12),
)  # half width, tries, least length


@dataclass(frozen=True, slots=True)
class Ribbon:
    """A ribbon's middle line and its two edges, (points, 2) in units."""

    middle: Field
    left: Field
    right: Field


def draw(scene: Scene) -> Field:
    """Return ribbons laid along a current, on plain ground."""
    plane, dice = scene.plane, scene.dice.fork("flow")
    palette = abstract(scene.wishes, dice.fork("palette"))
    sheet = Image.new("RGB", (plane.width * SCALE, plane.height * SCALE), f"#{palette.ground}")
    pen = ImageDraw.Draw(sheet)
    colours = dice.fork("colours")
    sparse = scene.wishes.wants("minimal")
    for ribbon in _ribbons(plane, dice.fork("ribbons"), sparse=sparse):
        _lay(pen, ribbon, plane.unit * SCALE, palette, colours)
    picture = np.asarray(sheet.reduce(SCALE), dtype=np.float32).transpose(2, 0, 1) / np.float32(255)
    tooth = noise(dice.fork("tooth"), plane, 80.0)
    return picture * (np.float32(1) + tooth * np.float32(0.02))


def _current(plane: Plane, dice: Dice) -> Field:
    """Return the current's direction at every cell, (rows, columns, 2), each of length 1."""
    grid = Plane(int(plane.right * GRID), int(plane.bottom * GRID), GRID)
    cells = dice.between(0.8, 1.5)
    hills = noise(dice, grid, cells) + noise(dice, grid, cells * 2.3) * np.float32(dice.between(0.05, 0.3))
    hills += grid.y * np.float32(dice.between(-2.2, 2.2)) + grid.x * np.float32(dice.between(-1.5, 1.5))
    flow = np.zeros((grid.height, grid.width, 2), dtype=np.float32)
    flow[1:-1, :, 0] = hills[2:] - hills[:-2]
    flow[:, 1:-1, 1] = hills[:, :-2] - hills[:, 2:]
    length = np.sqrt(flow[..., 0] * flow[..., 0] + flow[..., 1] * flow[..., 1]) + np.float32(1e-7)
    return flow / length[..., None]


def _traces(current: Field, starts: Field) -> Field:
    """Return the paths from the starts along the current, (steps, paths, 2) in cells."""
    rows, columns = current.shape[:2]
    flat = current.reshape(-1, 2)
    at = starts.copy()
    paths = np.empty((LONGEST, *starts.shape), dtype=np.float32)
    for step in range(LONGEST):
        paths[step] = at
        column = np.minimum(np.maximum(at[:, 0], 0), columns - 1).astype(np.int32)
        row = np.minimum(np.maximum(at[:, 1], 0), rows - 1).astype(np.int32)
        at = at + flat[row * columns + column]
    return paths


def _ribbons(plane: Plane, dice: Dice, *, sparse: bool) -> Iterator[Ribbon]:
    """Yield ribbons that keep clear of each other, the widest first."""
    current = _current(plane, dice.fork("current"))
    rows, columns = current.shape[:2]
    pad = 16
    taken = np.zeros((rows + 2 * pad, columns + 2 * pad), dtype=bool)
    area = plane.right * plane.bottom
    for half, tries, least in _SIZES[: 3 if sparse else 4]:
        count = int(tries * area)
        starts = (dice.units(count, 2) * np.float32(1.1) - np.float32(0.05)) * np.array(
            [columns, rows], np.float32
        )
        paths = _traces(current, starts)
        ahead = gradient(paths)
        ahead[3:-3] = paths[6:] - paths[:-6]
        length = np.sqrt(ahead[..., 0] * ahead[..., 0] + ahead[..., 1] * ahead[..., 1]) + np.float32(1e-6)
        aside = np.stack([-ahead[..., 1], ahead[..., 0]], axis=-1) / length[..., None]
        reach = int(half * GRID) + 1
        for index in range(count):
            path, normal = paths[:, index], aside[:, index]
            across = np.arange(-reach, reach + 1, dtype=np.float32)[None, :, None]
            cells = (path[:, None] + normal[:, None] * across).astype(np.int32) + pad
            x = np.minimum(np.maximum(cells[..., 0], 0), columns + 2 * pad - 1)
            y = np.minimum(np.maximum(cells[..., 1], 0), rows + 2 * pad - 1)
            free = ~taken[y, x].any(axis=1)
            steps = LONGEST if free.all() else int(free.argmin())
            if steps < least:
                continue
            taken[y[:steps], x[:steps]] = True
            middle = path[:steps] / np.float32(GRID)
            edge = normal[:steps] * np.float32(half)
            yield Ribbon(middle, middle - edge, middle + edge)


def _lay(pen: ImageDraw.ImageDraw, ribbon: Ribbon, unit: int, palette: Abstract, dice: Dice) -> None:
    """Draw a ribbon in one ink, or cut into lengths of several."""
    inks = palette.inks
    count = len(ribbon.middle)
    first = dice.pick((*inks, inks[0], inks[1], inks[2]))
    cut = dice.below(7) + 4 if dice.chance(0.16) else count
    second = dice.pick((palette.ground, *inks))
    shade = dice.between(0.0, 0.22)
    for number, start in enumerate(range(0, count - 1, cut)):
        stop = min(start + cut, count - 1) + 1
        ink = blend(second if number % 2 else first, palette.ground, shade)
        outline = np.concatenate([ribbon.left[start:stop], ribbon.right[start:stop][::-1]]) * np.float32(unit)
        pen.polygon([(x, y) for x, y in outline.tolist()], fill=f"#{ink}")
