"""Smooth random fields over the picture plane.

Only operations that IEEE 754 rounds exactly are used (+ - * / sqrt, floor, comparison), because sin, exp, pow
and matrix products differ in the last bit between processors, and a last bit is enough to change a file.
Distances are in units of the picture's shorter side, so a picture is the same at every size.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from services.generation.backends.dice import Dice, Field

Index = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Plane:
    """The picture plane: x to the right, y down, `unit` pixels to the unit (the shorter side)."""

    width: int
    height: int
    unit: int

    @classmethod
    def of(cls, width: int, height: int) -> "Plane":
        """Return the plane of a picture of so many pixels."""
        return cls(width, height, min(width, height))

    @property
    def right(self) -> float:
        """Return x at the right edge."""
        return self.width / self.unit

    @property
    def bottom(self) -> float:
        """Return y at the bottom edge."""
        return self.height / self.unit

    @property
    def pixel(self) -> float:
        """Return the size of one pixel in units."""
        return 1.0 / self.unit

    @cached_property
    def xs(self) -> Field:
        """Return x of every column's middle."""
        return (np.arange(self.width, dtype=np.float32) + np.float32(0.5)) / np.float32(self.unit)

    @cached_property
    def ys(self) -> Field:
        """Return y of every row's middle."""
        return (np.arange(self.height, dtype=np.float32) + np.float32(0.5)) / np.float32(self.unit)

    @property
    def x(self) -> Field:
        """Return x as one row, to broadcast."""
        return self.xs[None, :]

    @property
    def y(self) -> Field:
        """Return y as one column, to broadcast."""
        return self.ys[:, None]

    @property
    def columns(self) -> Field:
        """Return every column's number as one row, to broadcast."""
        return np.arange(self.width, dtype=np.float32).reshape(1, -1)

    @property
    def rows(self) -> Field:
        """Return every row's number as one column, to broadcast."""
        return np.arange(self.height, dtype=np.float32).reshape(-1, 1)

    def row(self, y: float) -> int:
        """Return the pixel row at y, inside the picture."""
        return max(0, min(self.height, int(y * self.unit)))


def clamp(value: Field) -> Field:
    """Return the value held within [0, 1]."""
    return np.minimum(np.maximum(value, np.float32(0)), np.float32(1))


def smooth(value: Field, low: float, high: float) -> Field:
    """Return a soft step from 0 at `low` to 1 at `high` (either way round)."""
    t = clamp((value - np.float32(low)) * np.float32(1.0 / (high - low)))
    step: Field = t * t * (np.float32(3) - t - t)
    return step


def wave(turns: Field) -> Field:
    """Return about sin(2 pi turns), to three digits, by a polynomial."""
    t = turns - np.floor(turns + np.float32(0.5))
    y = t * (np.float32(8) - np.float32(16) * np.abs(t))
    fitted: Field = y * (np.float32(0.775) + np.float32(0.225) * np.abs(y))
    return fitted


def falloff(distance: Field, radius: float) -> Field:
    """Return a bell that is 1 at distance 0, 1/4 at `radius`, and never quite 0."""
    q = distance * np.float32(1.0 / radius)
    q = np.float32(1) / (np.float32(1) + q * q)
    bell: Field = q * q
    return bell


def stretch(value: Field) -> Field:
    """Return the field scaled to fill [0, 1]."""
    low, high = value.min(), value.max()
    scaled: Field = (value - low) / np.maximum(high - low, np.float32(1e-6))
    return scaled


def gradient(field: Field, axis: int = 0) -> Field:
    """Return how much a field rises from one cell to the next along an axis."""
    return np.asarray(np.gradient(field, axis=axis), dtype=np.float32)


def _weights(at: Field) -> tuple[Index, tuple[Field, Field, Field, Field]]:
    """Return the first lattice index and the four cubic B-spline weights at each position."""
    cell = np.floor(at)
    t = at - cell
    s = np.float32(1) - t
    t2, s2 = t * t, s * s
    sixth = np.float32(1.0 / 6.0)
    two_thirds = np.float32(2.0 / 3.0)
    half = np.float32(0.5)
    weights = (
        s2 * s * sixth,
        two_thirds - t2 * (np.float32(1) - half * t),
        two_thirds - s2 * (np.float32(1) - half * s),
        t2 * t * sixth,
    )
    return cell.astype(np.int32), weights


def spline_line(lattice: Field, at: Field) -> Field:
    """Return the cubic B-spline through a row of lattice values, at each position (lattice units)."""
    first, weights = _weights(at)
    total = lattice[first] * weights[0]
    for step in (1, 2, 3):
        total += lattice[first + step] * weights[step]
    return total


def spline(lattice: Field, down: Field, across: Field) -> Field:
    """Return the cubic B-spline surface through a lattice, at every crossing of two position rows."""
    first, weights = _weights(across)
    columns = lattice[:, first] * weights[0]
    for step in (1, 2, 3):
        columns += lattice[:, first + step] * weights[step]
    first, weights = _weights(down)
    surface = columns[first] * weights[0][:, None]
    for step in (1, 2, 3):
        surface += columns[first + step] * weights[step][:, None]
    return surface


def line_noise(dice: Dice, plane: Plane, cells: float, octaves: int, gain: float = 0.5) -> Field:
    """Return fractal noise along x, about -1 to 1, `cells` bumps per unit in the first octave."""
    total = np.zeros(plane.width, dtype=np.float32)
    amplitude = 1.0
    for _ in range(octaves):
        lattice = dice.units(int(plane.right * cells) + 5) * np.float32(2) - np.float32(1)
        total += spline_line(lattice, plane.xs * np.float32(cells)) * np.float32(1.6 * amplitude)
        amplitude *= gain
        cells *= 2.03
    return total


def noise(dice: Dice, plane: Plane, across: float, down: float | None = None) -> Field:
    """Return one octave of smooth noise, about -1 to 1, with that many cells per unit."""
    down = across if down is None else down
    lattice = dice.units(int(plane.bottom * down) + 5, int(plane.right * across) + 5)
    lattice = lattice * np.float32(4) - np.float32(2)
    return spline(lattice, plane.ys * np.float32(down), plane.xs * np.float32(across))


def cloud(
    dice: Dice, plane: Plane, across: float, octaves: int, *, down: float | None = None, gain: float = 0.5
) -> Field:
    """Return fractal noise, scaled to fill [0, 1]."""
    down = across if down is None else down
    total = noise(dice, plane, across, down)
    amplitude = 1.0
    for _ in range(octaves - 1):
        across, down, amplitude = across * 2.03, down * 2.03, amplitude * gain
        total += noise(dice, plane, across, down) * np.float32(amplitude)
    return stretch(total)


def ridges(dice: Dice, plane: Plane, across: float, octaves: int, gain: float = 0.5) -> Field:
    """Return fractal noise with sharp crests, scaled to fill [0, 1]."""
    total = np.zeros((plane.height, plane.width), dtype=np.float32)
    amplitude = 1.0
    for _ in range(octaves):
        total -= np.abs(noise(dice, plane, across)) * np.float32(amplitude)
        across, amplitude = across * 2.07, amplitude * gain
    return stretch(total)


def sample(field: Field, x: Field, y: Field) -> Field:
    """Return the field read between its pixels at (x, y) in pixels, held at the edges."""
    rows, columns = field.shape
    x = np.minimum(np.maximum(x, np.float32(0)), np.float32(columns - 1.001))
    y = np.minimum(np.maximum(y, np.float32(0)), np.float32(rows - 1.001))
    left, top = np.floor(x), np.floor(y)
    fx, fy = x - left, y - top
    flat = field.reshape(-1)
    at = top.astype(np.int32) * np.int32(columns) + left.astype(np.int32)
    upper: Field = flat[at]
    upper += (flat[at + 1] - upper) * fx
    at += np.int32(columns)
    lower = flat[at]
    lower += (flat[at + 1] - lower) * fx
    lower -= upper
    lower *= fy
    upper += lower
    return upper


def blurred(field: Field, step: int) -> Field:
    """Return the field smoothed over about `step` pixels (a divisor of its sides), for glows and mists."""
    small = field[::step, ::step].copy()
    for dy, dx in ((0, step // 2), (step // 2, 0), (step // 2, step // 2)):
        small += field[dy::step, dx::step]
    small = np.pad(small * np.float32(0.25), ((1, 3), (1, 3)), mode="edge")
    down, across = (
        np.maximum(
            (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(step) - np.float32(0.5), 0
        )
        for side in field.shape
    )
    return spline(small, down, across)
