"""Skies: gradient, sun and moon, stars, clouds, birds."""

from dataclasses import dataclass

import numpy as np

from services.generation.backends.canvas import blend, cover, lighten, ramp, rgb
from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, clamp, cloud, falloff, noise, smooth
from services.generation.backends.palettes import Scenic

STARLIGHT = "fdfbff"


@dataclass(frozen=True, slots=True)
class Disc:
    """The sun or the moon: where it stands and how large it is, in units."""

    x: float
    y: float
    radius: float
    moon: bool


def backdrop(plane: Plane, palette: Scenic, dice: Dice, horizon: float) -> Field:
    """Return the sky's gradient down to the horizon, and the horizon's colour below."""
    drift = noise(dice, plane, 1.1) * np.float32(0.045)
    height = plane.y * np.float32(1.0 / horizon) + drift
    return ramp(palette.sky, height)


def distance(plane: Plane, x: float, y: float) -> Field:
    """Return the distance of every pixel from a point."""
    dx, dy = plane.x - np.float32(x), plane.y - np.float32(y)
    away: Field = np.sqrt(dx * dx + dy * dy)
    return away


def shine(picture: Field, plane: Plane, disc: Disc, light: str) -> None:
    """Draw the sun or the moon with its glow."""
    away = distance(plane, disc.x, disc.y)
    colour = rgb(light)
    lighten(picture, colour, falloff(away, disc.radius * 7.0) * np.float32(0.55))
    lighten(picture, colour, falloff(away, disc.radius * 2.2) * np.float32(0.6))
    edge = 1.2 * plane.pixel
    face = smooth(away, disc.radius + edge, disc.radius - edge)
    cover(picture, rgb(blend(light, "ffffff", 0.45)), face)


def maria(picture: Field, plane: Plane, disc: Disc, dice: Dice, shadow: str) -> None:
    """Darken the moon's face with its seas."""
    away = distance(plane, disc.x, disc.y)
    seas = smooth(noise(dice, plane, 1.6 / disc.radius), 0.0, 1.0)
    cover(picture, rgb(shadow), seas * smooth(away, disc.radius, disc.radius * 0.94) * np.float32(0.2))


def stars(picture: Field, plane: Plane, dice: Dice, *, count: int, floor: float) -> None:
    """Scatter stars above `floor`, many faint and few bright, fading towards it."""
    places = dice.units(count, 3)
    tint = rgb(STARLIGHT)
    for across, down, luck in places.tolist():
        size = luck * luck * luck * luck
        y = down * floor
        strength = (0.25 + 0.75 * size) * (1.0 - 0.75 * down * down)
        spot(
            picture,
            plane,
            across * plane.right,
            y,
            radius=0.0009 + 0.0016 * size,
            tint=tint,
            strength=strength,
        )


def spot(
    picture: Field, plane: Plane, x: float, y: float, *, radius: float, tint: Field, strength: float
) -> None:
    """Add a small soft point of light."""
    reach = 5.0 * radius + plane.pixel
    rows, columns = window(plane, x - reach, y - reach, x + reach, y + reach)
    dx, dy = plane.x[:, columns] - np.float32(x), plane.y[rows] - np.float32(y)
    glow = falloff(np.sqrt(dx * dx + dy * dy), max(radius, 0.55 * plane.pixel)) * np.float32(strength)
    lighten(picture[:, rows, columns], tint, glow)


def window(plane: Plane, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    """Return the rows and columns of a box given in units, cut to the picture."""
    unit = plane.unit
    rows = slice(max(0, int(top * unit)), max(0, min(plane.height, int(bottom * unit) + 2)))
    columns = slice(max(0, int(left * unit)), max(0, min(plane.width, int(right * unit) + 2)))
    return rows, columns


def clouds(picture: Field, plane: Plane, dice: Dice, palette: Scenic, *, floor: float, amount: float) -> None:
    """Draw long clouds, lit from below by the horizon's light and dim at their backs."""
    bank = cloud(dice, plane, 1.3, 6, down=4.2, gain=0.55)
    shift = max(2, plane.unit // 48)
    under = np.roll(bank, -shift, axis=0)
    lit = clamp((bank - under) * np.float32(3.2) + np.float32(0.5))
    height = clamp(plane.y / np.float32(floor))
    cover_by = smooth(bank, 0.74 - 0.3 * amount, 0.98 - 0.22 * amount)
    cover_by = cover_by * smooth(height, 1.02, 0.7) * np.float32(0.75)
    bright = rgb(blend(palette.light, palette.sky[-1], 0.35))
    dim = rgb(blend(palette.sky[len(palette.sky) // 2], palette.far, 0.5))
    cover(picture, dim + (bright - dim) * lit, cover_by)


def birds(picture: Field, plane: Plane, dice: Dice, colour: str, floor: float) -> None:
    """Draw a small flock, each bird two bent strokes."""
    centre_x, centre_y = dice.between(0.25, 0.75) * plane.right, dice.between(0.3, 0.7) * floor
    ink = rgb(colour)
    for _ in range(5 + dice.below(6)):
        x = centre_x + dice.between(-0.16, 0.16)
        y = centre_y + dice.between(-0.07, 0.07)
        bird(picture, plane, x, y, span=dice.between(0.008, 0.017), lift=dice.between(0.25, 0.6), ink=ink)


def bird(picture: Field, plane: Plane, x: float, y: float, *, span: float, lift: float, ink: Field) -> None:
    """Draw one bird with wings `span` wide."""
    rows, columns = window(plane, x - span, y - span, x + span, y + span)
    across = np.abs(plane.x[:, columns] - np.float32(x)) * np.float32(1.0 / span)
    wing = np.float32(lift * span) * (
        across * (np.float32(2.2) * (across - np.float32(1)) + np.float32(0.35))
    )
    off = np.abs(plane.y[rows] - np.float32(y) - wing)
    thick = (np.float32(1) - across) * np.float32(0.16 * span) + np.float32(0.25 * plane.pixel)
    mask = clamp((thick - off) * np.float32(plane.unit) + np.float32(0.5)) * (across < np.float32(1))
    cover(picture[:, rows, columns], ink, mask)
