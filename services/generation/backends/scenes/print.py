"""Printing plain shapes: each is given by how far inside it a pixel is."""

import numpy as np

from services.generation.backends.canvas import cover, darken, rgb
from services.generation.backends.dice import Field
from services.generation.backends.fields import Plane, clamp

Box = tuple[float, float, float]  # left, top, side


def ink(picture: Field, plane: Plane, inside: Field, colour: str, *, see_through: bool = False) -> None:
    """Print a shape in one colour. Args: inside: units from the shape's edge, positive within it."""
    mask = clamp(inside * np.float32(plane.unit) + np.float32(0.5))
    (darken if see_through else cover)(picture, rgb(colour), mask)


def disc(x: Field, y: Field, radius: float) -> Field:
    """Return how far inside a disc about the origin each point is."""
    return np.float32(radius) - np.sqrt(x * x + y * y)


def bar(x: Field, y: Field, half_width: float, half_height: float) -> Field:
    """Return how far inside a rectangle about the origin each point is."""
    return np.minimum(np.float32(half_width) - np.abs(x), np.float32(half_height) - np.abs(y))
