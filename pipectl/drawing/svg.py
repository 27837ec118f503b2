"""A graph as an SVG image that needs nothing else: no script, no font, and colours for light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from pipectl.drawing.layers import Point, arrange
from pipectl.drawing.picture import Box, Picture, reduced, visible

_NAME, _NOTE = 7.9, 6.7  # widths of a character of a monospaced font at 13px and 11px
_HEIGHT, _BETWEEN, _PASSING = 42.0, 14.0, 12.0
_COLUMN_GAP, _MARGIN = 56.0, 16.0
_LONGEST_NOTE = 44

_STYLE = """
.paper{fill:#fff}
text{font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:11px;fill:#59636e}
text.name{font-size:13px;font-weight:600;fill:#1f2328}
.box{fill:#f6f8fa;stroke:#afb8c1}
.edge{fill:none;stroke:#8c959f;stroke-width:1.5}
.head{fill:#8c959f}
.type{fill:#8b949e}.shell{fill:#2da44e}.python{fill:#2f81f7}.sql{fill:#bf8700}.http{fill:#a371f7}
@media (prefers-color-scheme:dark){
.paper{fill:#0d1117}
text{fill:#9198a1}
text.name{fill:#e6edf3}
.box{fill:#161b22;stroke:#4d5761}
.edge{stroke:#6e7681}
.head{fill:#6e7681}
}
"""


def svg(picture: Picture) -> str:
    """The picture, from left to right. Needs that follow from others are left out, and counted below."""
    needs = reduced(picture)
    layers = arrange(needs, box=_HEIGHT + _BETWEEN, gap=_PASSING)
    widths = [max((_width(picture.boxes[p.name]) for p in layer if p.name), default=0.0) for layer in layers]
    lefts = [_MARGIN]
    for width in widths:
        lefts.append(lefts[-1] + width + _COLUMN_GAP)
    bottom = max((point.y + point.height / 2 for layer in layers for point in layer), default=0.0) + _MARGIN
    implied = len(picture.edges) - sum(map(len, needs.values()))
    note = f"not drawn: {implied} needs that follow from others" if implied else ""
    width = max(lefts[-1] - _COLUMN_GAP + _MARGIN, 2 * _MARGIN + len(note) * _NOTE)
    height = bottom + (2 * _MARGIN if note else 0.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{escape(picture.title)}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0,0 L8,4 L0,8 z"/></marker></defs>',
        '<rect class="paper" width="100%" height="100%"/>',
        *_edges(layers, lefts, widths),
        *(
            _box(picture.boxes[p.name], lefts[p.layer], p.y, widths[p.layer])
            for layer in layers
            for p in layer
            if p.name
        ),
    ]
    if note:
        parts.append(f'<text x="{_MARGIN:.0f}" y="{height - _MARGIN:.0f}">{note}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _width(box: Box) -> float:
    return max(len(box.name) * _NAME, len(_notes(box)) * _NOTE) + 28.0


def _notes(box: Box) -> str:
    text = " · ".join((box.kind, *box.notes))
    return text if len(text) <= _LONGEST_NOTE else f"{text[: _LONGEST_NOTE - 1]}…"


def _box(box: Box, x: float, middle: float, width: float) -> str:
    y = middle + _MARGIN - _HEIGHT / 2
    told = escape("\n".join(filter(None, (box.name, visible(box.description), " · ".join((box.kind, *box.notes))))))
    return (
        f"<g><title>{told}</title>"
        f'<rect class="box" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_HEIGHT:.0f}" rx="6"/>'
        f'<rect class="type {box.kind}" x="{x + 6:.1f}" y="{y + 8:.1f}" width="4" height="{_HEIGHT - 16:.0f}" rx="2"/>'
        f'<text class="name" x="{x + 18:.1f}" y="{y + 18:.1f}">{escape(box.name)}</text>'
        f'<text x="{x + 18:.1f}" y="{y + 33:.1f}">{escape(_notes(box))}</text></g>'
    )


def _edges(layers: Sequence[Sequence[Point]], lefts: Sequence[float], widths: Sequence[float]) -> Iterator[str]:
    for layer in layers:
        for point in layer:
            for follower in point.after if point.name else ():
                yield f'<path class="edge" marker-end="url(#head)" d="{_path(point, follower, lefts, widths)}"/>'


def _path(start: Point, following: Point, lefts: Sequence[float], widths: Sequence[float]) -> str:
    """From the right side of a task through the layers that the edge passes to the left side of the next task."""
    x, y = lefts[start.layer] + widths[start.layer], start.y + _MARGIN
    steps = [f"M{x:.1f},{y:.1f}"]
    while True:
        end, below = lefts[following.layer], following.y + _MARGIN
        half = (x + end) / 2
        steps.append(f"C{half:.1f},{y:.1f} {half:.1f},{below:.1f} {end:.1f},{below:.1f}")
        if following.name:
            return " ".join(steps)
        x, y = end + widths[following.layer], below
        steps.append(f"H{x:.1f}")
        following = following.after[0]
