"""Stained glass: a landscape cut into panes, leaded, with light behind it."""

import numpy as np

from services.generation.backends.canvas import bloom, cover, lighten, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, blurred, clamp, cloud, noise, smooth
from services.generation.backends.scenes import landscape
from services.generation.backends.scenes.scene import Scene

COARSE = 16  # pixels: the nearest panes are looked for once in such a block
NEAREST = 8


def draw(scene: Scene) -> Field:
    """Return a window showing the landscape that the wishes describe."""
    plane, dice = scene.plane, scene.dice.fork("glass")
    view = landscape.view_of(scene)
    drawing = landscape.paint(view)
    sites = _sites(plane, dice.fork("sites"), view.disc.x, view.disc.y, view.disc.radius)
    pane, edge = _panes(plane, dice.fork("bend"), sites)
    return _leaded(plane, dice, drawing, sites, pane, edge)


def _sites(plane: Plane, dice: Dice, x: float, y: float, radius: float) -> Field:
    """Return the panes' middles (panes, 2): rings about the sun, and a loose grid elsewhere."""
    points: list[tuple[float, float]] = [(x, y)]
    for ring in range(1, 7):
        away = radius * 1.9 * ring
        count = 5 + 3 * ring
        start = dice.unit()
        points += [(x + away * dx, y + away * dy) for dx, dy in _circle(count, start)]
    pitch = 0.088
    for row in range(int(plane.bottom / pitch) + 1):
        for column in range(int(plane.right / pitch) + 1):
            px = (column + 0.5 * (row % 2) + dice.between(-0.3, 0.3)) * pitch
            py = (row + dice.between(-0.3, 0.3)) * pitch
            dx, dy = px - x, py - y
            if dx * dx + dy * dy > (radius * 1.9 * 6.7) ** 2:
                points.append((px, py))
    return np.array(points, dtype=np.float32)


def _circle(count: int, start: float) -> list[tuple[float, float]]:
    """Return points evenly about the unit circle, near enough, without trigonometry."""
    turns = (np.arange(count, dtype=np.float32) + np.float32(start)) / np.float32(count)
    from services.generation.backends.fields import wave

    sin, cos = wave(turns), wave(turns + np.float32(0.25))
    length = np.sqrt(sin * sin + cos * cos)
    return list(zip((cos / length).tolist(), (sin / length).tolist(), strict=True))


def _panes(plane: Plane, dice: Dice, sites: Field) -> tuple[Field, Field]:
    """Return each pixel's pane, and its distance from the pane's edge in units."""
    x = plane.x + noise(dice.fork("x"), plane, 5.0) * np.float32(0.006)
    y = plane.y + noise(dice.fork("y"), plane, 5.0) * np.float32(0.006)
    near = _candidates(plane, sites)
    best = np.full((plane.height, plane.width), np.float32(9))
    second, first_x, first_y = best.copy(), best * 0, best * 0
    second_x, second_y, pane = first_x.copy(), first_x.copy(), np.zeros(best.shape, dtype=np.int32)
    for rank in range(NEAREST):
        site = near[rank].repeat(COARSE, axis=0).repeat(COARSE, axis=1)
        site_x, site_y = sites[:, 0][site], sites[:, 1][site]
        dx, dy = x - site_x, y - site_y
        away = dx * dx + dy * dy
        closer = away < best
        runner = ~closer & (away < second)
        for target, of_first, of_site in ((second, best, away), (second_x, first_x, site_x), (second_y, first_y, site_y)):
            np.copyto(target, of_site, where=runner)
            np.copyto(target, of_first, where=closer)
        for target, of_site in ((best, away), (first_x, site_x), (first_y, site_y)):
            np.copyto(target, of_site, where=closer)
        np.copyto(pane, site, where=closer)
    dx, dy = first_x - second_x, first_y - second_y
    edge = (second - best) / (np.sqrt(dx * dx + dy * dy) * np.float32(2) + np.float32(1e-6))
    return pane, edge


def _candidates(plane: Plane, sites: Field) -> Field:
    """Return the nearest panes of every block of pixels, (rank, rows, columns)."""
    x, y = plane.xs[COARSE // 2 :: COARSE], plane.ys[COARSE // 2 :: COARSE]
    dx = x[None, :, None] - sites[:, 0]
    dy = y[:, None, None] - sites[:, 1]
    away = dx * dx + dy * dy
    return np.argsort(away, axis=-1, kind="stable")[..., :NEAREST].transpose(2, 0, 1).astype(np.int32)


def _leaded(plane: Plane, dice: Dice, drawing: Field, sites: Field, pane: Field, edge: Field) -> Field:
    """Return the panes in their colours, with the glass's grain and the lead between."""
    columns = np.minimum(np.maximum(sites[:, 0] * plane.unit, 0), plane.width - 1).astype(np.int32)
    rows = np.minimum(np.maximum(sites[:, 1] * plane.unit, 0), plane.height - 1).astype(np.int32)
    soft = np.stack([blurred(channel, 16) for channel in drawing])
    colours = soft[:, rows, columns]
    grey = (colours[0] + colours[1] + colours[2]) / np.float32(3)
    colours = clamp(grey + (colours - grey) * np.float32(1.55))
    colours = colours * (np.float32(0.8) + np.float32(0.42) * dice.units(len(sites)))[None]
    colours = clamp(colours + (dice.units(3, len(sites)) - np.float32(0.5)) * np.float32(0.09))
    picture = colours[:, pane]
    streaks = cloud(dice.fork("streaks"), plane, 4.0, 4, down=11.0, gain=0.6)
    picture *= np.float32(0.72) + np.float32(0.5) * streaks
    lighten(picture, rgb("fff6e0"), smooth(edge, 0.0, 0.05) * np.float32(0.13))
    picture *= np.float32(0.7) + np.float32(0.3) * smooth(edge, 0.0, 0.02)
    bloom(picture, 0.6, 16)
    half = 0.0036
    lead = smooth(edge, half + 0.8 * plane.pixel, half - 0.8 * plane.pixel)
    cover(picture, rgb("14130f"), lead)
    lighten(picture, rgb("8a8578"), smooth(edge, 0.0016, 0.0) * np.float32(0.45))
    return picture
