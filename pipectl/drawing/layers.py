"""Where the boxes of a graph stand when it is drawn in layers: Sugiyama's method in its plainest form.

Each task stands one layer after the last of what it needs. An edge over several layers passes each of them at a point
of its own. The order within a layer follows the middle of the neighbours, swept forth and back; then every box moves
as near to the middle of its neighbours as the others let it.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_SWEEPS = 8


@dataclass(slots=True, eq=False)
class Point:
    """A task in its layer, or, where `name` is empty, a place that an edge passes. `height` is the room it takes."""

    name: str
    layer: int
    height: float
    y: float = 0.0
    before: list[Point] = field(default_factory=list)
    after: list[Point] = field(default_factory=list)


def arrange(needs: Mapping[str, Sequence[str]], heights: Mapping[str, float], *, gap: float) -> list[list[Point]]:
    """The layers from left to right, each from top to bottom. `y` is the middle of a point, from 0 at the top.

    `needs` are in an order in which each task comes after what it needs; `heights` are those of the tasks, `gap` that
    of an edge that passes.
    """
    layers = _layers(needs, heights, gap)
    layers = _best_order(layers)
    _stack(layers)
    for sweep in range(_SWEEPS):
        _straighten(layers, forth=sweep % 2 == 0)
    top = min((point.y - point.height / 2 for layer in layers for point in layer), default=0.0)
    for layer in layers:
        for point in layer:
            point.y -= top
    return layers


def _layers(needs: Mapping[str, Sequence[str]], heights: Mapping[str, float], gap: float) -> list[list[Point]]:
    layers: list[list[Point]] = []
    points: dict[str, Point] = {}
    for name, above in needs.items():
        number = 1 + max((points[need].layer for need in above), default=-1)
        point = points[name] = Point(name, number, heights[name])
        _add(layers, point)
        for need in above:
            _connect(layers, points[need], point, gap)
    return layers


def _add(layers: list[list[Point]], point: Point) -> None:
    while len(layers) <= point.layer:
        layers.append([])
    layers[point.layer].append(point)


def _connect(layers: list[list[Point]], start: Point, end: Point, gap: float) -> None:
    """Joins the two, by a point in each layer between them."""
    last = start
    for number in range(start.layer + 1, end.layer):
        passing = Point("", number, gap)
        _add(layers, passing)
        _join(last, passing)
        last = passing
    _join(last, end)


def _join(left: Point, right: Point) -> None:
    left.after.append(right)
    right.before.append(left)


def _best_order(layers: list[list[Point]]) -> list[list[Point]]:
    """The layers in the order, of all that the sweeps come to, in which the fewest edges cross."""
    best, fewest = layers, math.inf
    for sweep in range(_SWEEPS):
        _order(layers, forth=sweep % 2 == 0)
        crossings = sum(map(_crossings, layers))
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _crossings(layer: Sequence[Point]) -> int:
    """How many edges cross between the layer, whose points are numbered by `y`, and the next."""
    crossings = 0
    ends: list[float] = []
    for point in layer:
        followers = sorted(follower.y for follower in point.after)
        crossings += sum(len(ends) - bisect_right(ends, y) for y in followers)
        for y in followers:
            insort(ends, y)
    return crossings


def _order(layers: Sequence[list[Point]], *, forth: bool) -> None:
    """Sorts each layer by the middle of its neighbours in the layer that was sorted before it."""
    for layer in layers if forth else reversed(layers):
        place = {id(point): float(number) for number, point in enumerate(layer)}
        layer.sort(key=lambda point: _middle(point.before if forth else point.after, place[id(point)]))
        for number, point in enumerate(layer):
            point.y = number


def _middle(points: Iterable[Point], otherwise: float) -> float:
    places = [point.y for point in points]
    return sum(places) / len(places) if places else otherwise


def _stack(layers: Iterable[list[Point]]) -> None:
    """Puts the points of each layer below each other, around a common middle."""
    for layer in layers:
        y = -sum(point.height for point in layer) / 2
        for point in layer:
            point.y = y + point.height / 2
            y += point.height


def _straighten(layers: Sequence[list[Point]], *, forth: bool) -> None:
    for layer in layers if forth else reversed(layers):
        wanted = [_middle(point.before if forth else point.after, point.y) for point in layer]
        for point, y in zip(layer, _apart(layer, wanted), strict=True):
            point.y = y


def _apart(layer: Sequence[Point], wanted: Sequence[float]) -> list[float]:
    """The places nearest to those wanted in which no point overlaps the next (isotonic regression)."""
    offsets = [0.0]
    for above, below in pairwise(layer):
        offsets.append(offsets[-1] + (above.height + below.height) / 2)
    blocks: list[tuple[float, int]] = []  # the mean of what its points want, less their offsets; how many they are
    for y, offset in zip(wanted, offsets, strict=True):
        mean, size = y - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, others = blocks.pop()
            mean = (mean * size + other * others) / (size + others)
            size += others
        blocks.append((mean, size))
    means = [mean for mean, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
