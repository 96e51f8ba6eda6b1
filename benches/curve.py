"""A small line chart as SVG, in colours that can be read on white and on black."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#4477AA", "#EE6677", "#228833")  # Paul Tol's "bright" scheme: https://personal.sron.nl/~pault/
INK = "#808080"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 56, 20, 44, 48
TICKS = 5

Point = tuple[float, float]


def chart(lines: Mapping[str, Sequence[Point]], level: tuple[str, float], x: str, y: str) -> str:
    """Lines from (0, 0) of the axes to the largest x and to 1.

    Args:
        lines: by name; points are (x, y), y in 0..1.
        level: a dashed horizontal line, and its name.
        x, y: what the axes are.
    """
    most = max(point[0] for points in lines.values() for point in points) or 1.0

    def at(point: Point) -> tuple[float, float]:
        across = LEFT + point[0] / most * (WIDTH - LEFT - RIGHT)
        return round(across, 1), round(HEIGHT - BOTTOM - point[1] * (HEIGHT - TOP - BOTTOM), 1)

    size = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">']
    for tick in range(TICKS + 1):
        share = tick / TICKS
        left, height = at((0, share))
        parts.append(f'<path d="M{left} {height}H{WIDTH - RIGHT}" stroke="{INK}" stroke-opacity="0.3"/>')
        parts.append(_text(LEFT - 8, height + 4, f"{share:g}", "end"))
        parts.append(_text(at((most * share, 0))[0], HEIGHT - BOTTOM + 18, f"{most * share:.0f}", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x, "middle"))
    parts.append(_text(LEFT - 40, TOP - 26, y, "start"))
    name, height = level
    parts.append(f'<path d="M{LEFT} {at((0, height))[1]}H{WIDTH - RIGHT}" stroke="{INK}" stroke-dasharray="6 4"/>')
    parts.append(_text(WIDTH - RIGHT, at((0, height))[1] + 18, name, "end"))
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number]
        places = " ".join(f"{left},{height}" for left, height in map(at, points))
        parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{left}" cy="{height}" r="3.5" fill="{colour}"/>' for left, height in map(at, points)]
        parts.append(_text(WIDTH - RIGHT, HEIGHT - BOTTOM - 8 - 15 * number, name, "end", colour))
    return "\n".join([*parts, "</svg>", ""])


def _text(left: float, height: float, words: str, anchor: str, colour: str = INK) -> str:
    return f'<text x="{left}" y="{height}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
