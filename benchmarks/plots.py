"""Drawings for the documentation, as plain SVG: bars, and lines over a number of tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.figures import duration

COLOURS = ("#4269d0", "#c05621", "#2f855a", "#805ad5")
WIDTH = 720
LEFT, RIGHT = 210, 70
ROW = 34
PLOT = (60, 50, 640, 260)
"""Of a drawing of lines: left, top, right and bottom of the part with the lines."""
Points = Sequence[tuple[float, float]]


def bars(title: str, values: Sequence[tuple[str, float]], *, caption: str) -> str:
    """Draw a bar for each (label, seconds)."""
    longest = max(seconds for _, seconds in values)
    body = []
    for number, (label, seconds) in enumerate(values):
        y = 50 + number * ROW
        width = max(1.0, (WIDTH - LEFT - RIGHT) * seconds / longest)
        colour = COLOURS[number % len(COLOURS)]
        body += [
            _text(LEFT - 10, y + 16, label, anchor="end"),
            f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="22" fill="{colour}"/>',
            _text(LEFT + width + 6, y + 16, duration(seconds)),
        ]
    return _drawing(title, body, 50 + len(values) * ROW, caption)


def lines(
    title: str, series: Mapping[str, Points], *, limit: float, limit_text: str, caption: str
) -> str:
    """Draw a line for each series of (number of the test, seconds), and the goal as a dashed one.

    limit: seconds; limit_text: what it says there.
    """
    left, top, right, bottom = PLOT
    every = [point for points in series.values() for point in points]
    most_x = max(x for x, _ in every)
    most_y = 1.1 * max(limit, *(y for _, y in every))

    def place(x: float, y: float) -> str:
        across, up = (right - left) * x / most_x, (bottom - top) * y / most_y
        return f"{left + across:.1f},{bottom - up:.1f}"

    height = bottom - (bottom - top) * limit / most_y
    body = [
        f'<path d="M{left},{top} V{bottom} H{right}" fill="none" stroke="#333"/>',
        f'<path d="M{left},{height:.1f} H{right}" stroke="#c53030" stroke-dasharray="6 4"/>',
        _text(right, height - 5, limit_text, anchor="end"),
        _text(left - 6, top + 4, duration(most_y), anchor="end"),
        _text(left - 6, bottom + 4, "0", anchor="end"),
        _text(right, bottom + 18, f"test {most_x:.0f}", anchor="end"),
    ]
    for number, (label, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(place(x, y) for x, y in points)
        body += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<rect x="{left + 150 * number}" y="{bottom + 30}" width="12" height="12" '
            f'fill="{colour}"/>',
            _text(left + 150 * number + 18, bottom + 41, label),
        ]
    return _drawing(title, body, bottom + 50, caption)


def _drawing(title: str, body: Sequence[str], bottom: float, caption: str) -> str:
    height = bottom + 34
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            'font-family="sans-serif" font-size="13" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>',
            _text(20, 28, title, size=16),
            *body,
            _text(20, height - 12, caption, size=11),
            "</svg>",
            "",
        ]
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 13) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="#222">{escape(text)}</text>'
    )
