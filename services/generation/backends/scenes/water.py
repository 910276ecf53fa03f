"""Water: a mirror with ripples, and the open sea under a low light."""

import numpy as np

from services.generation.backends.canvas import blend, cover, lighten, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, cloud, sample, smooth
from services.generation.backends.palettes import Scenic


def ripples(dice: Dice, plane: Plane, shore: float) -> tuple[slice, Field]:
    """Return the rows below the shore, and waves on them (-1 to 1), long and flat towards the horizon."""
    rows = slice(plane.row(shore), plane.height)
    side = 512
    tile = cloud(dice, Plane(side, side, side), 18.0, 4, gain=0.62) * np.float32(2) - np.float32(1)
    below = plane.y[rows] - np.float32(shore)
    far = np.float32(1) / (below + np.float32(0.07))
    x = (plane.x - np.float32(plane.right / 2.0)) * far * np.float32(34.0) + np.float32(side / 2.0)
    y = far * np.float32(110.0)
    fold_x = np.abs(
        x - np.floor(x / np.float32(2 * side - 2)) * np.float32(2 * side - 2) - np.float32(side - 1)
    )
    fold_y = np.abs(
        y - np.floor(y / np.float32(2 * side - 2)) * np.float32(2 * side - 2) - np.float32(side - 1)
    )
    shape = (rows.stop - rows.start, plane.width)
    return rows, sample(tile, np.broadcast_to(fold_x, shape), np.broadcast_to(fold_y, shape))


def mirror(picture: Field, plane: Plane, dice: Dice, palette: Scenic, *, shore: float, calm: float) -> None:
    """Fill everything below the shore with the picture above it, mirrored, rippled and a little darker."""
    rows, swell = ripples(dice, plane, shore)
    below = plane.y[rows] - np.float32(shore)
    bend = swell * (np.float32(0.006) + below * np.float32(0.16 * (1.25 - calm)))
    source = np.float32(shore) - below * np.float32(1.06) + bend
    up = np.minimum(np.maximum(source * np.float32(plane.unit), np.float32(0)), np.float32(rows.start - 1))
    slip = swell * below * np.float32(0.05 * plane.unit)
    columns = plane.columns + slip
    columns = np.minimum(np.maximum(columns, np.float32(0)), np.float32(plane.width - 1))
    at = up.astype(np.int32) * np.int32(plane.width) + columns.astype(np.int32)
    for channel in picture:
        channel[rows] = channel.reshape(-1)[at]
    water = picture[:, rows]
    deep = rgb(blend(palette.sky[0], palette.near, 0.45))
    cover(
        water,
        deep,
        np.broadcast_to(smooth(below, 0.0, 0.75) * np.float32(0.5) + np.float32(0.1), swell.shape),
    )
    lighten(
        water, rgb(palette.sky[-1]), smooth(swell, 0.45, 0.95) * smooth(below, 0.6, 0.0) * np.float32(0.16)
    )


def sea(picture: Field, plane: Plane, dice: Dice, palette: Scenic, *, horizon: float, sun_x: float) -> None:
    """Fill everything below the horizon with open sea, glittering under the light."""
    rows, swell = ripples(dice, plane, horizon)
    below = plane.y[rows] - np.float32(horizon)
    near = smooth(below, 0.0, plane.bottom - horizon)
    pale, deep = rgb(blend(palette.sky[-2], palette.far, 0.4)), rgb(blend(palette.sky[0], palette.near, 0.5))
    water = pale + (deep - pale) * (near * np.float32(0.85) + np.float32(0.08))
    water = water + (rgb(palette.sky[2]) - water) * (
        smooth(swell, -0.35, 0.55) * (np.float32(0.4) - near * 0.16)
    )
    away = np.abs(plane.x - np.float32(sun_x)) / (np.float32(0.05) + below * np.float32(0.62))
    path = np.float32(1) / (np.float32(1) + away * away * away)
    sparkle = smooth(swell + path * np.float32(0.45), 0.3, 0.62) * path
    sparkle *= np.float32(0.95) - near * np.float32(0.6)
    lighten(water, rgb(palette.light), sparkle + path * np.float32(0.2))
    picture[:, rows] = water


def sail(picture: Field, plane: Plane, ink: str, cloth: str, *, x: float, foot: float, size: float) -> None:
    """Draw a small sailing boat standing on the water at `foot`."""
    dx, dy = (plane.x - np.float32(x)) / np.float32(size), (plane.y - np.float32(foot)) / np.float32(size)
    edge = np.float32(size * plane.unit)
    hull = np.minimum(
        np.float32(0.62) + dy * np.float32(-0.9) - np.abs(dx), np.minimum(-dy + 0.02, dy + np.float32(0.17))
    )
    tall = np.minimum(
        np.minimum(dx - np.float32(0.03), np.float32(0.46) * (dy + np.float32(1.3)) - dx),
        -dy - np.float32(0.2),
    )
    short = np.minimum(
        np.minimum(-dx - np.float32(0.03), np.float32(0.36) * (dy + np.float32(1.1)) + dx),
        -dy - np.float32(0.2),
    )
    for shape, colour in ((tall, cloth), (short, blend(cloth, ink, 0.25)), (hull, ink)):
        mask = np.minimum(np.maximum(shape * edge + np.float32(0.5), 0), 1).astype(np.float32)
        cover(picture, rgb(colour), mask)
