"""A graph as an SVG image that needs nothing else: no script, no font, and colours for light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from pipectl.drawing.layers import Point, arrange
from pipectl.drawing.notes import visible
from pipectl.drawing.picture import Box, Picture, siblings

_NAME, _NOTE = 7.9, 6.7  # widths of a character of a monospaced font at 13px and 11px
_HEIGHT, _BETWEEN, _PASSING = 42.0, 14.0, 12.0
_COLUMN_GAP, _MARGIN = 56.0, 16.0
_TITLE = 34.0  # above what is in a group
_LONGEST_NOTE = 44

_STYLE = """
.paper{fill:#fff}
text{font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:11px;fill:#59636e}
text.name{font-size:13px;font-weight:600;fill:#1f2328}
.box{fill:#f6f8fa;stroke:#afb8c1}
.group{fill:#818b98;fill-opacity:.08;stroke:#afb8c1;stroke-dasharray:4 3}
.edge{fill:none;stroke:#8c959f;stroke-width:1.5}
.head{fill:#8c959f}
.type{fill:#8b949e}.shell{fill:#2da44e}.python{fill:#2f81f7}.sql{fill:#bf8700}.http{fill:#a371f7}
.wait,.approve{fill:#e16f24}
@media (prefers-color-scheme:dark){
.paper{fill:#0d1117}
text{fill:#9198a1}
text.name{fill:#e6edf3}
.box{fill:#161b22;stroke:#4d5761}
.group{stroke:#4d5761}
.edge{stroke:#6e7681}
.head{fill:#6e7681}
}
"""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What stands in a rectangle, whose upper left corner is 0, 0."""

    parts: Sequence[str]
    width: float
    height: float


def svg(picture: Picture) -> str:
    """The picture, from left to right. Needs that follow from others are left out, and counted below."""
    whole = _level(picture, "")
    implied = len(picture.edges) - sum(map(len, picture.reduced.values()))
    note = f"not drawn: {implied} needs that follow from others" if implied else ""
    width = max(whole.width, len(note) * _NOTE) + 2 * _MARGIN
    height = whole.height + 2 * _MARGIN + (2 * _MARGIN if note else 0.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{escape(picture.title)}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0,0 L8,4 L0,8 z"/></marker></defs>',
        '<rect class="paper" width="100%" height="100%"/>',
        _moved(whole, _MARGIN, _MARGIN),
    ]
    if note:
        parts.append(f'<text x="{_MARGIN:.0f}" y="{height - _MARGIN:.0f}">{note}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _level(picture: Picture, group: str) -> _Drawn:
    """All that is in a group, or in none, with the edges between. One that leads into another group ends at that."""
    boxes = {box.name: _box(picture, box) for box in picture.inner[group]}
    needs = _needs(picture, group)
    layers = arrange(needs, {name: box.height + _BETWEEN for name, box in boxes.items()}, gap=_PASSING)
    widths = [max((boxes[p.name].width for p in layer if p.name), default=0.0) for layer in layers]
    lefts = [0.0]
    for width in widths:
        lefts.append(lefts[-1] + width + _COLUMN_GAP)
    tasks = [(boxes[p.name], lefts[p.layer], p.y) for layer in layers for p in layer if p.name]
    bottom = max((point.y + point.height / 2 for layer in layers for point in layer), default=0.0)
    rights = {name: box.width for name, box in boxes.items()}
    return _Drawn(
        [
            *_edges(layers, lefts, widths, rights),
            *(_moved(box, left, y - box.height / 2) for box, left, y in tasks),
        ],
        max(0.0, lefts[-1] - _COLUMN_GAP),
        bottom,
    )


def _needs(picture: Picture, group: str) -> dict[str, list[str]]:
    """What each box of one level needs of the others there, for itself or for what is in it."""
    found: dict[str, dict[str, None]] = {box.name: {} for box in picture.inner[group]}
    ahead = list(picture.inner[group])
    for box in ahead:
        ahead += picture.inner.get(box.name, ())
        for need in picture.reduced[box.name]:
            user, above = siblings(box.name, need)
            if user in found and above in found:
                found[user][above] = None
    return {name: list(needs) for name, needs in found.items()}


def _moved(drawn: _Drawn, x: float, y: float) -> str:
    return "\n".join([f'<g transform="translate({x:.1f},{y:.1f})">', *drawn.parts, "</g>"])


def _box(picture: Picture, box: Box) -> _Drawn:
    told = escape("\n".join(filter(None, (box.name, visible(box.description), " · ".join((box.kind, *box.notes))))))
    width = max(len(box.label) * _NAME, len(_notes(box)) * _NOTE) + 28.0
    if box.name in picture.inner:
        return _group(box, _level(picture, box.name), width, told)
    return _Drawn(
        [
            f"<title>{told}</title>",
            f'<rect class="box" width="{width:.1f}" height="{_HEIGHT:.0f}" rx="6"/>',
            f'<rect class="type {box.kind}" x="6" y="8" width="4" height="{_HEIGHT - 16:.0f}" rx="2"/>',
            f'<text class="name" x="18" y="18">{escape(box.label)}</text>',
            f'<text x="18" y="33">{escape(_notes(box))}</text>',
        ],
        width,
        _HEIGHT,
    )


def _group(box: Box, inner: _Drawn, width: float, told: str) -> _Drawn:
    width = max(width, inner.width + 2 * _MARGIN)
    height = inner.height + _TITLE + _MARGIN
    return _Drawn(
        [
            f"<title>{told}</title>",
            f'<rect class="group" width="{width:.1f}" height="{height:.1f}" rx="8"/>',
            f'<text class="name" x="{_MARGIN:.0f}" y="18">{escape(box.label)}</text>',
            f'<text x="{_MARGIN:.0f}" y="31">{escape(_notes(box))}</text>',
            _moved(inner, _MARGIN, _TITLE),
        ],
        width,
        height,
    )


def _notes(box: Box) -> str:
    text = " · ".join((box.kind, *box.notes))
    return text if len(text) <= _LONGEST_NOTE else f"{text[: _LONGEST_NOTE - 1]}…"


def _edges(
    layers: Sequence[Sequence[Point]], lefts: Sequence[float], widths: Sequence[float], rights: dict[str, float]
) -> Iterator[str]:
    for layer in layers:
        for point in layer:
            for follower in point.after if point.name else ():
                path = _path(point, follower, lefts, widths, rights)
                yield f'<path class="edge" marker-end="url(#head)" d="{path}"/>'


def _path(
    start: Point, following: Point, lefts: Sequence[float], widths: Sequence[float], rights: dict[str, float]
) -> str:
    """From the right side of a task through the layers that the edge passes to the left side of the next task."""
    x, y = lefts[start.layer] + rights[start.name], start.y
    steps = [f"M{x:.1f},{y:.1f}"]
    x = lefts[start.layer] + widths[start.layer]
    if x > lefts[start.layer] + rights[start.name]:
        steps.append(f"H{x:.1f}")
    while True:
        end, below = lefts[following.layer], following.y
        half = (x + end) / 2
        steps.append(f"C{half:.1f},{y:.1f} {half:.1f},{below:.1f} {end:.1f},{below:.1f}")
        if following.name:
            return " ".join(steps)
        x, y = end + widths[following.layer], below
        steps.append(f"H{x:.1f}")
        following = following.after[0]
