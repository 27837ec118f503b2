"""Charts as inline SVG: no library, no script, and they take the page's colours, in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH = 720
ROW = 26  # height of a horizontal bar with its gap
NAMES = 210  # width of the names beside horizontal bars


def columns(bars: Sequence[tuple[str, float]], title: str, height: int = 220) -> str:
    """Vertical bars, none below zero, with their labels below and their values above."""
    top = max(1.0, *(value for _, value in bars))
    step = WIDTH / len(bars)
    scale = (height - 44) / top
    drawn = []
    for place, (label, value) in enumerate(bars):
        tall = max(value, 0) * scale
        x, y = place * step, height - 22 - tall
        drawn.append(
            f'<rect x="{x + step * 0.12:.1f}" y="{y:.1f}" width="{step * 0.76:.1f}" height="{tall:.1f}" rx="2"/>'
            f"{_text(x + step / 2, y - 6, f'{value:.0f}', 'middle')}"
            f"{_text(x + step / 2, height - 6, label, 'middle', 'quiet')}"
        )
    return _svg(height, title, drawn)


def rows(bars: Sequence[tuple[str, float]], title: str, form: str = ".1f") -> str:
    """Horizontal bars, none below zero, each with its name before and its value behind."""
    scale = (WIDTH - NAMES - 60) / max(1e-9, *(value for _, value in bars))
    drawn = []
    for place, (label, value) in enumerate(bars):
        middle, long = place * ROW + ROW / 2, max(value, 0) * scale
        drawn.append(
            f"{_text(NAMES - 10, middle + 4, label, 'end')}"
            f'<rect x="{NAMES}" y="{middle - 8}" width="{long:.1f}" height="16" rx="2"/>'
            f"{_text(NAMES + long + 8, middle + 4, format(value, form), 'start', 'quiet')}"
        )
    return _svg(len(bars) * ROW, title, drawn)


def calibration(points: Sequence[tuple[float, float]], title: str, height: int = 300) -> str:
    """Predicted shares from left to right, those that came true upwards, and the line on which both are the same."""
    left, above, below = 50, 30, 44
    side = height - above - below
    top = 0.1 * (1 + int(10 * max(max(point) for point in points)))

    def place(predicted: float, true: float) -> tuple[float, float]:
        return left + predicted / top * (WIDTH - left - 20), above + side - true / top * side

    drawn = []
    for tenth in range(round(top * 10) + 1):
        (x, y), share = place(tenth / 10, tenth / 10), f"{tenth * 10}%"
        drawn.append(_line((left, y), (WIDTH - 20, y), "grid"))
        drawn.append(_text(left - 8, y + 4, share, "end", "quiet") + _text(x, height - 26, share, "middle", "quiet"))
    drawn.append(_line(place(0, 0), place(top, top), "dashes"))
    for point in points:
        x, y = place(*point)
        drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"/>')
    drawn.append(_text((WIDTH + left) / 2, height - 6, "predicted", "middle", "quiet"))
    drawn.append(_text(left, 14, "left late", "middle", "quiet"))
    return _svg(height, title, drawn)


def _svg(height: float, title: str, drawn: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(drawn)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'
