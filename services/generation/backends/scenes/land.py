"""Land: ridges one behind another, firs, dunes, skylines."""

from dataclasses import dataclass

import numpy as np

from services.generation.backends.canvas import blend, cover, lighten, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, clamp, gradient, line_noise, noise, ridges, smooth
from services.generation.backends.palettes import Scenic
from services.generation.backends.scenes.sky import window

RAGS = 64  # how many widths a fir's ragged edge has from top to foot


@dataclass(frozen=True, slots=True)
class Relief:
    """How light the slopes of a rough surface are: one field, read anew by every range of mountains."""

    slope: Field

    @classmethod
    def of(cls, dice: Dice, plane: Plane, sun_x: float) -> "Relief":
        """Return rough ground lit from the side the sun is on."""
        wide = Plane(2 * plane.width, plane.height, plane.unit)
        ground = ridges(dice, wide, 3.1, 6, gain=0.56)
        step = max(1, plane.unit // 170)
        left = sun_x < plane.right / 2.0
        lit = np.roll(ground, -step if left else step, axis=1) - ground
        lit += (np.roll(ground, step, axis=0) - ground) * np.float32(-0.35)
        return cls(clamp(lit * np.float32(3.6) + np.float32(0.5)))

    def under(self, crest: Field, rows: slice, shift: int) -> Field:
        """Return the slopes hanging from a crest line (pixel rows by column)."""
        height, width = self.slope.shape
        depth = np.arange(rows.start, rows.stop, dtype=np.int32)[:, None] - crest.astype(np.int32)[None, :]
        depth = np.minimum(np.abs(depth) + np.int32(height // 60), np.int32(height - 1))
        columns = np.arange(width // 2, dtype=np.int32) + np.int32(shift)
        lit: Field = self.slope.reshape(-1)[depth * np.int32(width) + columns[None, :]]
        return lit


def crest_line(dice: Dice, plane: Plane, base: float, *, height: float, cells: float, sharp: float) -> Field:
    """Return y of a mountain range's crest by column: rolling where `sharp` is 0, jagged where it is 1."""
    rolling = line_noise(dice, plane, cells, 5, gain=0.42)
    jagged = np.float32(0.75) - np.float32(1.9) * np.abs(line_noise(dice, plane, cells * 0.8, 7, gain=0.5))
    mixed = rolling * np.float32(1.0 - sharp) + jagged * np.float32(sharp)
    return np.float32(base) - mixed * np.float32(height)


def body(plane: Plane, crest: Field) -> tuple[slice, Field]:
    """Return the rows a range covers, and how much of each pixel in them."""
    rows = slice(plane.row(float(crest.min()) - 2.0 * plane.pixel), plane.height)
    mask = clamp((plane.y[rows] - crest[None, :]) * np.float32(plane.unit) + np.float32(0.5))
    return rows, mask


def mountain_range(
    picture: Field,
    plane: Plane,
    crest: Field,
    *,
    colour: str,
    haze: str,
    mist: float,
    relief: Field | None = None,
    light: str = "ffffff",
    contrast: float = 0.0,
    snow: float = 0.0,
) -> None:
    """Draw one range: its colour, light on its slopes, snow near its crest, mist at its foot."""
    rows, mask = body(plane, crest)
    depth = plane.y[rows] - crest[None, :]
    ground = np.broadcast_to(rgb(colour), (3, rows.stop - rows.start, plane.width)).copy()
    if relief is not None:
        lit = relief - np.float32(0.5)
        cover(ground, rgb(light), np.maximum(lit, 0) * np.float32(contrast))
        ground *= np.float32(1) + np.minimum(lit, 0) * np.float32(1.1 * contrast)
        if snow:
            line = smooth(depth + (np.float32(0.5) - relief) * np.float32(0.16), snow, snow * 0.35)
            white = rgb(blend(light, "ffffff", 0.5)) * (np.float32(0.62) + np.float32(0.38) * relief)
            cover(ground, white, line * np.float32(0.92))
    cover(ground, rgb(haze), smooth(depth, 0.0, 0.42) * np.float32(mist))
    cover(picture[:, rows], ground, mask)


def firs(
    picture: Field,
    plane: Plane,
    dice: Dice,
    crest: Field,
    colour: str,
    *,
    count: int,
    low: float,
    high: float,
) -> None:
    """Plant a row of firs along a crest line, `low` to `high` units tall."""
    ink = rgb(colour)
    for _ in range(count):
        x = dice.between(-0.03, plane.right + 0.03)
        column = max(0, min(plane.width - 1, int(x * plane.unit)))
        luck = dice.unit()
        fir(
            picture,
            plane,
            dice,
            ink,
            x=x,
            foot=float(crest[column]) + 0.012,
            height=low + (high - low) * luck * luck,
        )


def fir(
    picture: Field, plane: Plane, dice: Dice, ink: Field, *, x: float, foot: float, height: float
) -> None:
    """Draw one fir: tiers of drooping branches, wider towards the foot."""
    half = height * dice.between(0.17, 0.25)
    tiers = dice.between(6.0, 11.0)
    lean = dice.between(-0.02, 0.02)
    ragged = dice.units(RAGS, 2) * np.float32(0.22) + np.float32(0.89)
    rows, columns = window(plane, x - 1.4 * half, foot - height, x + 1.4 * half, foot)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    down = clamp((plane.y[rows] - np.float32(foot - height)) * np.float32(1.0 / height))
    across = plane.x[:, columns] - np.float32(x) + (down - np.float32(1)) * np.float32(lean * height)
    ragged = ragged[(down[:, 0] * np.float32(RAGS - 1)).astype(np.int32)]
    wide = np.where(across < 0, ragged[:, :1], ragged[:, 1:])
    tooth = down * np.float32(tiers)
    tooth = tooth - np.floor(tooth)
    reach = (down * np.float32(0.62) + (np.float32(0.12) + down * np.float32(0.36)) * tooth) * wide
    reach = np.maximum(reach * np.float32(half), np.float32(0.035 * half))
    mask = clamp((reach - np.abs(across)) * np.float32(plane.unit) + np.float32(0.5))
    cover(picture[:, rows, columns], ink, mask)


def dunes(picture: Field, plane: Plane, dice: Dice, palette: Scenic, *, horizon: float, sun_x: float) -> None:
    """Draw dunes with a lit and a shaded side, rippled near the viewer."""
    for index in range(5):
        near = index / 4.0
        base = horizon + 0.03 + near * near * (plane.bottom - horizon) * 0.62 + 0.05 * near
        fork = dice.fork(f"dune-{index}")
        swell = np.float32(0.55) - np.abs(line_noise(fork, plane, 1.1 + 1.3 * (1.0 - near), 1))
        swell += line_noise(fork.fork("soft"), plane, 1.0, 1) * np.float32(0.25)
        crest = np.float32(base) - swell * np.float32(0.03 + 0.1 * near)
        rows, mask = body(plane, crest)
        facing = -1.0 if sun_x > plane.right / 2.0 else 1.0
        slope = gradient(crest) * np.float32(plane.unit * facing)
        depth = plane.y[rows] - crest[None, :]
        drawn = plane.x + depth * np.float32(1.1 * facing) + noise(fork, plane, 2.0)[rows] * np.float32(0.03)
        column = np.minimum(np.maximum(drawn * np.float32(plane.unit), 0), plane.width - 1).astype(np.int32)
        side = smooth(slope, -0.03, 0.03)[column]
        lit = rgb(blend(palette.far, palette.light, 0.5 - 0.15 * near))
        dim = rgb(blend(palette.far, palette.near, 0.3 + 0.32 * near))
        wind = noise(fork.fork("wind"), plane, 9.0, 70.0)[rows] * np.float32(0.035 * near)
        ground = dim + (lit - dim) * (np.float32(1) - side + wind)
        ground = ground * (np.float32(1) - smooth(depth, 0.0, 0.5) * np.float32(0.45 * near))
        cover(ground, rgb(palette.sky[-1]), np.full_like(mask, np.float32(0.55 * (1.0 - near))))
        cover(picture[:, rows], ground, mask)


def skyline(
    picture: Field,
    plane: Plane,
    dice: Dice,
    palette: Scenic,
    *,
    foot: float,
    tall: float,
    near: float,
    lamps: float,
) -> None:
    """Draw one row of buildings standing at `foot`, with `lamps` of their windows lit (0 to 1)."""
    x, number = -0.05, 0
    wall = blend(palette.far, palette.near, 0.15 + 0.85 * near)
    glow = rgb(blend(palette.light, "ffc878", 0.5))
    while x < plane.right:
        number += 1
        lively = lamps * dice.between(0.25, 1.3)
        width = dice.between(0.035, 0.085) * (0.8 + 0.7 * near)
        centre = 1.0 - abs(2.0 * (x + width / 2.0) / plane.right - 1.0)
        height = tall * (0.25 + 0.75 * dice.unit()) * (0.55 + 0.6 * centre)
        rows, columns = window(plane, x, foot - height, x + width - 2.0 * plane.pixel, plane.bottom)
        tower = picture[:, rows, columns]
        if tower.size:
            fade = smooth(plane.y[rows] - np.float32(foot - height), 0.0, 0.6) * np.float32(
                0.5 * (1.0 - near)
            )
            cover(tower, rgb(wall), np.ones(tower.shape[1:], dtype=np.float32))
            cover(tower, rgb(palette.sky[-1]), np.broadcast_to(fade, tower.shape[1:]))
            _windows(
                tower, plane, dice.fork(f"tower-{number}"), glow, lamps=lively, strength=0.35 + 0.65 * near
            )
        if height > 0.7 * tall and dice.chance(0.5):
            _mast(
                picture,
                plane,
                rgb(wall),
                x=x + width / 2.0,
                top=foot - height,
                height=dice.between(0.03, 0.07),
            )
        x += width + dice.between(-0.012, 0.006)


def _windows(tower: Field, plane: Plane, dice: Dice, glow: Field, *, lamps: float, strength: float) -> None:
    """Light some of a tower's windows."""
    pitch_y, pitch_x = max(4, plane.unit // 82), max(3, plane.unit // 128)
    storeys, bays = tower.shape[1] // pitch_y, tower.shape[2] // pitch_x
    if not storeys or not bays:
        return
    lit = (dice.units(storeys, bays) < np.float32(lamps)) * (dice.units(storeys, bays) * 0.6 + 0.4).astype(
        np.float32
    )
    pane_y, pane_x = max(2, pitch_y * 5 // 9), max(1, pitch_x * 5 // 9)
    for dy in range(pane_y):
        for dx in range(pane_x):
            panes = tower[:, 2 + dy :: pitch_y, 1 + dx :: pitch_x][:, :storeys, :bays]
            lighten(panes, glow, lit[: panes.shape[1], : panes.shape[2]] * np.float32(strength))


def _mast(picture: Field, plane: Plane, ink: Field, *, x: float, top: float, height: float) -> None:
    rows, columns = window(plane, x - 0.001, top - height, x + 0.0006, top)
    picture[:, rows, columns] = ink
