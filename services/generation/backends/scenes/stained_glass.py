"""Stained glass: sun, hills or sea cut into panes, leaded, with light behind them."""

from dataclasses import dataclass

import numpy as np

from services.generation.backends.canvas import blend, bloom, cover, lighten, ramp, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import (
    Plane,
    clamp,
    cloud,
    falloff,
    gradient,
    line_noise,
    noise,
    smooth,
    wave,
)
from services.generation.backends.palettes import Scenic, scenic
from services.generation.backends.scenes import sky
from services.generation.backends.scenes.panes import Panes, panes
from services.generation.backends.scenes.scene import Scene

SUBJECTS = ("mountain", "sea", "forest", "desert", "city")
JAGGED = 2  # only the farthest ranges are mountains; what is nearer are hills
LEAD = 0.0033  # half the width of the lead, in units


@dataclass(frozen=True, slots=True)
class Window:
    """What the window shows: its colours, the sun, and the edges of land or water from far to near."""

    palette: Scenic
    sun: sky.Disc
    horizon: float
    crests: list[Field]


def draw(scene: Scene) -> Field:
    """Return a window showing the landscape that the wishes describe."""
    plane, dice = scene.plane, scene.dice.fork("glass")
    subject = _subject(scene, dice.fork("subject"))
    palette = scenic(scene.wishes, dice.fork("palette"), f"{subject} vivid warm")
    horizon = dice.between(0.52, 0.62) * plane.bottom
    x, y = dice.pick((0.32, 0.5, 0.68)) * plane.right, horizon - dice.between(0.1, 0.26)
    sun = sky.Disc(x, y, dice.between(0.06, 0.085), moon=False)
    window = Window(palette, sun, horizon, _crests(plane, dice.fork("crests"), subject, horizon))
    bent_x = plane.x + noise(dice.fork("x"), plane, 5.0) * np.float32(0.007)
    bent_y = plane.y + noise(dice.fork("y"), plane, 5.0) * np.float32(0.007)
    flat = 1.1 if subject == "sea" else 0.25
    bent_y += np.maximum(bent_y - np.float32(horizon), 0) * np.float32(flat)
    sites = _sites(plane, dice.fork("sites"), sun)
    pane, edge = panes(plane, bent_x, bent_y, sites)
    layer, lead = _layers(plane, window, edge)
    table = _colours(window, dice.fork("colours"), sites)
    picture = table.reshape(3, -1)[:, layer % np.int32(table.shape[1]) * np.int32(len(sites)) + pane]
    return _lit(picture, plane, dice.fork("glass"), np.minimum(edge, lead), lead)


def _subject(scene: Scene, dice: Dice) -> str:
    allowed = [name for name in ("mountain", "mountain", "sea", "desert") if not scene.wishes.bans(name)]
    return scene.wishes.first(SUBJECTS) or dice.pick(allowed or ["mountain"])


def _crests(plane: Plane, dice: Dice, subject: str, horizon: float) -> list[Field]:
    """Return y by column of each edge of land or water, from far to near."""
    if subject == "sea":
        return _shores(plane, dice, horizon)
    crests = []
    for index in range(4):
        fork = dice.fork(f"crest-{index}")
        height = line_noise(fork, plane, 1.6, 2, gain=0.35) * np.float32(0.06)
        if subject in ("mountain", "city") and index < JAGGED:
            folds = np.abs(line_noise(fork.fork("peak"), plane, 1.7, 2, gain=0.3))
            height = np.float32(0.12) - folds * np.float32(0.29)
        if subject == "forest":
            spread = line_noise(fork.fork("gap"), plane, 2.0, 1) * np.float32(0.4)
            tooth = plane.xs * np.float32(7.0 - index) + spread
            tooth = np.abs(tooth - np.floor(tooth) - np.float32(0.5))
            height = height + tooth * np.float32(0.2 - 0.01 * index)
        base = horizon + 0.02 + (plane.bottom - horizon) * 0.24 * index
        crests.append(np.float32(base) - height)
    return crests


def _shores(plane: Plane, dice: Dice, horizon: float) -> list[Field]:
    """Return an island, the sea's edge, and three long waves."""
    shore = np.full(plane.width, np.float32(horizon))
    hills = np.maximum(line_noise(dice.fork("isle"), plane, 1.3, 3), 0) * np.float32(0.12)
    waves = []
    for drop in (0.09, 0.2, 0.33):
        swell = line_noise(dice.fork(f"wave-{drop}"), plane, 2.2, 1)
        waves.append(np.float32(horizon + drop) + swell * np.float32(0.018))
    isle = np.minimum(np.float32(horizon + 0.03) - hills, shore + np.float32(0.001))
    return [isle, shore, *waves]


def _sites(plane: Plane, dice: Dice, sun: sky.Disc) -> Field:
    """Return the panes' middles (panes, 2): rays about the sun, and a loose grid elsewhere."""
    points: list[tuple[float, float]] = []
    rays, reach = 14, 0.0
    away = sun.radius * 1.55
    for ring in range(4):
        start = 0.5 * (ring % 2)
        points += [(sun.x + away * dx, sun.y + away * dy) for dx, dy in _circle(rays, start)]
        reach = away * 1.22
        away *= 1.55
    pitch = 0.078
    for row in range(int(2.2 * plane.bottom / pitch) + 1):
        for column in range(int(plane.right / pitch) + 2):
            x = (column + 0.5 * (row % 2) + dice.between(-0.3, 0.3)) * pitch
            y = (row + dice.between(-0.3, 0.3)) * pitch
            dx, dy = x - sun.x, y - sun.y
            if dx * dx + dy * dy > reach * reach:
                points.append((x, y))
    return np.array(points, dtype=np.float32)


def _circle(count: int, start: float) -> list[tuple[float, float]]:
    """Return points evenly about the unit circle."""
    turns = (np.arange(count, dtype=np.float32) + np.float32(start)) / np.float32(count)
    across, down = wave(turns + np.float32(0.25)), wave(turns)
    length = np.sqrt(across * across + down * down)
    return list(zip((across / length).tolist(), (down / length).tolist(), strict=True))


def _layers(plane: Plane, window: Window, edge: Field) -> tuple[Panes, Field]:
    """Return which layer each pixel is in (0 the sky, -1 the sun), and its distance from the layer's edge."""
    sun = window.sun
    layer = np.zeros(edge.shape, dtype=np.int32)
    lead = np.full(edge.shape, np.float32(1))
    for index, crest in enumerate(window.crests):
        slope = gradient(crest) * np.float32(plane.unit)
        below = plane.y - crest[None, :]
        covered = below > 0
        np.copyto(lead, np.float32(1), where=covered)
        lead = np.minimum(lead, np.abs(below) / np.sqrt(np.float32(1) + slope * slope)[None, :])
        np.copyto(layer, np.int32(index + 1), where=covered)
    away = sky.distance(plane, sun.x, sun.y)
    above = layer == 0
    np.copyto(layer, np.int32(-1), where=above & (away < np.float32(sun.radius)))
    rim = np.abs(away - np.float32(sun.radius))
    np.copyto(lead, np.minimum(lead, rim), where=above)
    np.copyto(edge, np.float32(1), where=layer == -1)
    return layer, lead


def _colours(window: Window, dice: Dice, sites: Field) -> Field:
    """Return the colour of every pane in every layer, (3, layers, panes), the sun's last."""
    palette, count = window.palette, len(window.crests)
    luck = dice.units(len(sites))
    dx, dy = sites[:, 0] - np.float32(window.sun.x), sites[:, 1] - np.float32(window.sun.y)
    near_sun = falloff(np.sqrt(dx * dx + dy * dy), 0.3)
    height = sites[:, 1] / np.float32(window.horizon)
    heaven = ramp(palette.sky, clamp(height + (luck - np.float32(0.5)) * np.float32(0.3)))
    heaven += (rgb(palette.light)[:, :, 0] - heaven) * near_sun * np.float32(0.75)
    layers = [heaven]
    for index in range(count):
        base = blend(palette.far, palette.near, 0.8 * (index + 0.35) / count)
        shared = ((palette.near, 0.35), (base, 0.0), (palette.sky[-2], 0.55), (palette.light, 0.4))
        stops = [blend(base, other, share) for other, share in shared]
        layers.append(ramp(stops, luck * np.float32(0.85) + near_sun * np.float32(0.3)))
    glow = rgb(blend(palette.light, palette.sky[-1], 0.3))[:, :, 0]
    table = np.stack([*layers, np.broadcast_to(glow, heaven.shape)], axis=1)
    grey = (table[0] + table[1] + table[2]) / np.float32(3)
    table = clamp(grey + (table - grey) * np.float32(1.7))
    table *= np.float32(0.82) + np.float32(0.3) * dice.units(len(sites))
    return table


def _lit(picture: Field, plane: Plane, dice: Dice, edge: Field, lead: Field) -> Field:
    """Shine light through the panes' grain, and draw the lead between them."""
    streaks = cloud(dice.fork("streaks"), plane, 4.0, 4, down=11.0, gain=0.6)
    picture *= np.float32(0.74) + np.float32(0.5) * streaks
    lighten(picture, rgb("fff6e0"), smooth(edge, 0.0, 0.05) * np.float32(0.12))
    picture *= np.float32(0.66) + np.float32(0.34) * smooth(edge, 0.0, 0.018)
    bloom(picture, 0.7, 16)
    for distance, half in ((edge, LEAD), (lead, LEAD * 1.5)):
        cover(picture, rgb("14130f"), smooth(distance, half + 0.8 * plane.pixel, half - 0.8 * plane.pixel))
    lighten(picture, rgb("8a8578"), smooth(edge, 0.0016, 0.0) * np.float32(0.4))
    return picture
