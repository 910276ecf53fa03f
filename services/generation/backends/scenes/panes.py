"""Cutting a picture into panes: the nearest of many points, and how far the cut is."""

import numpy as np
import numpy.typing as npt

from services.generation.backends.dice import Field
from services.generation.backends.fields import Plane

COARSE = 16  # pixels: the nearest panes are looked for once in such a block
NEAREST = 8

Panes = npt.NDArray[np.int32]


def panes(plane: Plane, x: Field, y: Field, sites: Field) -> tuple[Panes, Field]:
    """Return each pixel's pane, and its distance from that pane's edge in units.

    Args:     x, y: where each pixel is, in units, perhaps bent; sites: the panes' middles, (panes, 2).
    """
    near = _candidates(x, y, sites)
    shape = (plane.height, plane.width)
    best, second = np.full(shape, np.float32(9)), np.full(shape, np.float32(9))
    first_x, first_y = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    second_x, second_y, pane = first_x.copy(), first_x.copy(), np.zeros(shape, dtype=np.int32)
    for block in near:
        site = block.repeat(COARSE, axis=0).repeat(COARSE, axis=1)
        site_x, site_y = sites[:, 0][site], sites[:, 1][site]
        dx, dy = x - site_x, y - site_y
        away = dx * dx + dy * dy
        closer = away < best
        runner = ~closer & (away < second)
        for target, first, new in (
            (second, best, away),
            (second_x, first_x, site_x),
            (second_y, first_y, site_y),
        ):
            np.copyto(target, new, where=runner)
            np.copyto(target, first, where=closer)
        for target, new in ((best, away), (first_x, site_x), (first_y, site_y)):
            np.copyto(target, new, where=closer)
        np.copyto(pane, site, where=closer)
    dx, dy = first_x - second_x, first_y - second_y
    return pane, (second - best) / (np.sqrt(dx * dx + dy * dy) * np.float32(2) + np.float32(1e-6))


def _candidates(x: Field, y: Field, sites: Field) -> Panes:
    """Return the nearest panes of every block of pixels, (rank, rows, columns)."""
    middle = slice(COARSE // 2, None, COARSE)
    dx = x[middle, middle, None] - sites[:, 0]
    dy = y[middle, middle, None] - sites[:, 1]
    away = dx * dx + dy * dy
    return np.argsort(away, axis=-1, kind="stable")[..., :NEAREST].transpose(2, 0, 1).astype(np.int32)
