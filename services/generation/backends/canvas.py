"""Colour on the picture plane: gradients, blending, light, and the finish every picture gets.

A picture is an array (3, rows, columns) of sRGB values, 0 to 1.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.generation.backends.dice import Dice, Field
from services.generation.backends.fields import Plane, blurred, clamp, smooth

RAMP = 1024


def rgb(code: str) -> Field:
    """Return the colour of an `rrggbb` code, ready to broadcast over a picture."""
    return (np.array(list(bytes.fromhex(code)), dtype=np.float32) / np.float32(255)).reshape(3, 1, 1)


def blend(first: str, second: str, share: float) -> str:
    """Return the code of a colour between two, `share` of the way to the second."""
    pairs = zip(bytes.fromhex(first), bytes.fromhex(second), strict=True)
    return bytes(int(a + (b - a) * share + 0.5) for a, b in pairs).hex()


def lightness(code: str) -> float:
    """Return about how light a colour looks, 0 to 1."""
    red, green, blue = bytes.fromhex(code)
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255.0


def ramp(stops: Sequence[str], at: Field) -> Field:
    """Return colours read off a gradient through the stops, at each position 0 to 1."""
    step = 1.0 / (len(stops) - 1)
    table = np.empty((3, RAMP), dtype=np.float32)
    t = np.arange(RAMP, dtype=np.float32) / np.float32(RAMP - 1)
    table[:] = rgb(stops[0])[:, :, 0]
    for number, colour in enumerate(stops[1:]):
        share = clamp((t - np.float32(number * step)) / np.float32(step))
        table += (rgb(colour)[:, :, 0] - table) * share
    index = (clamp(at) * np.float32(RAMP - 1)).astype(np.int32)
    return np.stack([table[channel][index] for channel in range(3)])


def cover(picture: Field, colour: Field, mask: Field) -> None:
    """Paint a colour (or picture) over a picture where the mask says, in place."""
    picture += (colour - picture) * mask


def lighten(picture: Field, colour: Field | np.float32, amount: Field) -> None:
    """Add light of a colour, as two projectors on one screen would, in place."""
    picture += (np.float32(1) - picture) * (colour * amount)


def darken(picture: Field, colour: Field, amount: Field) -> None:
    """Lay a transparent ink of a colour over a picture, in place."""
    picture *= np.float32(1) - (np.float32(1) - colour) * amount


def bloom(picture: Field, amount: float, step: int = 32) -> None:
    """Let the bright parts of a picture glow into their surroundings, in place."""
    for channel in picture:
        glow = blurred(np.maximum(channel - np.float32(0.55), np.float32(0)), step)
        lighten(channel, np.float32(amount), glow)


def vignette(plane: Plane) -> Field:
    """Return how far towards the corners each pixel is: 0 in the middle, 1 in the corners."""
    dx = plane.x / np.float32(plane.right) * np.float32(2) - np.float32(1)
    dy = plane.y / np.float32(plane.bottom) * np.float32(2) - np.float32(1)
    return smooth(dx * dx + dy * dy, 0.35, 2.1)


def finish(
    picture: Field, plane: Plane, dice: Dice, *, grain: float, corners: float
) -> npt.NDArray[np.uint8]:
    """Return the picture as 8-bit rows, with film grain, darker corners and a gentle contrast curve."""
    picture = clamp(picture)
    if corners:
        picture *= np.float32(1) - vignette(plane) * np.float32(corners)
    curve = picture * picture * (np.float32(3) - picture - picture)
    picture += (curve - picture) * np.float32(0.22)
    count = plane.width * plane.height
    speckle = dice.bytes(count).astype(np.float32) + dice.bytes(count).astype(np.float32)
    speckle = (speckle.reshape(plane.height, plane.width) - np.float32(255)) * np.float32(grain)
    scaled = picture * np.float32(255)
    scaled += speckle + np.float32(0.5)
    rows: npt.NDArray[np.uint8] = np.minimum(np.maximum(scaled, 0), 255).astype(np.uint8)
    return rows.transpose(1, 2, 0)
