"""How much of each thing a growing load uses, as an SVG: both axes are logarithmic, so every line is straight."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 230, 56, 56
COLOURS = ("#0b7285", "#5f3dc4", "#e8590c", "#c2255c", "#2b8a3e")
LOWEST, HIGHEST = 1e-3, 1e2
LABEL_GAP = 17


@dataclass(frozen=True)
class Line:
    """One thing. Args: use: how much of it the base load takes, 1 being all."""

    what: str
    use: float


def drawn(lines: Sequence[Line], factors: Sequence[int]) -> str:
    """Return the plot of lines over multiples of the base load."""
    ordered = sorted(lines, key=lambda line: -line.use)
    places = _apart([_y(line.use * factors[-1]) for line in ordered])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="Inter, Helvetica, Arial, sans-serif" font-size="12" fill="#343a40">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#fff"/>',
        f'<text x="{LEFT}" y="30" font-size="15" font-weight="600">What a growing load uses</text>',
        *_grid(factors),
        *(
            _line(line, factors, COLOURS[number % len(COLOURS)], place)
            for number, (line, place) in enumerate(zip(ordered, places, strict=True))
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(factors: Sequence[int]) -> list[str]:
    end = WIDTH - RIGHT
    full = _y(1)
    found = [f'<rect x="{LEFT}" y="{TOP}" width="{end - LEFT}" height="{full - TOP:.1f}" fill="#fff0f0"/>']
    for exponent in range(round(log10(LOWEST)), round(log10(HIGHEST)) + 1):
        y = _y(10**exponent)
        said = f"{10**exponent:.0%}" if exponent >= -2 else f"{100 * 10**exponent:g}%"
        found.append(f'<path d="M{LEFT} {y:.1f}H{end}" stroke="#e9ecef"/>')
        found.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#868e96">{said}</text>')
    found.append(f'<path d="M{LEFT} {full:.1f}H{end}" stroke="#e03131" stroke-dasharray="5 4"/>')
    found.append(f'<text x="{LEFT + 8}" y="{full - 7:.1f}" fill="#e03131">one is not enough</text>')
    for factor in factors:
        x = _x(factor, factors)
        found.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle">{factor:,}x</text>')
    middle = (LEFT + end) / 2
    found.append(
        f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle" fill="#868e96">times the base load</text>'
    )
    return found


def _line(line: Line, factors: Sequence[int], colour: str, label_y: float) -> str:
    points = [(_x(factor, factors), _y(line.use * factor)) for factor in factors]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in points)
    return (
        f'<g stroke="{colour}" fill="{colour}"><polyline points="{path}" fill="none" stroke-width="2.5"/>'
        f'<g stroke="#fff" stroke-width="1.2">{dots}</g>'
        f'<text x="{WIDTH - RIGHT + 14}" y="{label_y + 4:.1f}" stroke="none">{escape(line.what)}</text></g>'
    )


def _apart(places: Sequence[float]) -> list[float]:
    """Move labels down until none lies on the one above it."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + LABEL_GAP) if found else place)
    return found


def _x(factor: float, factors: Sequence[int]) -> float:
    share = log10(factor / factors[0]) / log10(factors[-1] / factors[0])
    return LEFT + 14 + share * (WIDTH - RIGHT - LEFT - 28)


def _y(use: float) -> float:
    held = min(max(use, LOWEST), HIGHEST)
    share = log10(held / LOWEST) / log10(HIGHEST / LOWEST)
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
