"""The critical path of a run: the chain of instances that takes longest, each of which waited for the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipectl.events import AttemptFinished, AttemptStarted, Event, TaskClosed, TaskOpened
from pipectl.graph import Container, Graph, Node, lookup

_Point = tuple[Node, bool]
"""The beginning of a node, or, where true, its end."""


@dataclass(slots=True)
class _Times:
    """When each node began and ended, by name; a group with those in it."""

    began: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)  # of those that ran


def critical_path(graph: Graph, events: Iterable[Event]) -> tuple[list[str], float]:
    """The instances of the path, and how many seconds they took together, whatever the slots.

    A task that starts as soon as one of its upstreams is done waited for those that had ended by then.
    """
    times = _times(graph, events)
    longest: dict[_Point, float] = {}
    before: dict[_Point, _Point] = {}
    last: _Point | None = None
    for point in _ordered(graph, times):
        node, is_end = point
        above = max(_above(point, times), key=longest.__getitem__, default=None)
        own = times.took.get(node.name, 0.0) if is_end else 0.0
        longest[point] = own + (0.0 if above is None else longest[above])
        if above is not None:
            before[point] = above
        if last is None or longest[point] > longest[last]:
            last = point
    path = []
    ahead = last
    while ahead is not None:
        if ahead[1] and ahead[0].name in times.took:
            path.append(ahead[0].name)
        ahead = before.get(ahead)
    return path[::-1], longest[last] if last else 0.0


def _times(graph: Graph, events: Iterable[Event]) -> _Times:
    times = _Times()
    opened: dict[str, float] = {}
    for event in events:
        match event:
            case AttemptStarted(at, instance):
                times.began.setdefault(instance, at)
            case AttemptFinished() | TaskClosed():
                times.ended[event.instance] = event.at
            case TaskOpened(at, instance):
                opened[instance] = at
    times.took = {name: times.ended[name] - at for name, at in times.began.items() if name in times.ended}
    for node in reversed(graph.nodes.values()):
        if isinstance(node, Container):
            within = [child.name for child in node.children]
            closed = times.ended.get(node.name, opened.get(node.name, 0.0))
            times.ended[node.name] = max((times.ended[name] for name in within if name in times.ended), default=closed)
            times.began[node.name] = min((times.began[name] for name in within if name in times.began), default=closed)
        elif node.name in times.ended:
            times.began.setdefault(node.name, times.ended[node.name])
    return times


def _ordered(graph: Graph, times: _Times) -> Iterator[_Point]:
    """All points, each after those above it; without recursion, so that chains may be long."""
    done: set[_Point] = set()
    for node in graph.nodes.values():
        ahead: list[_Point] = [(node, True)]
        while ahead:
            point = ahead[-1]
            missing = [] if point in done else [one for one in _above(point, times) if one not in done]
            if missing:
                ahead += missing
                continue
            ahead.pop()
            if point not in done:
                done.add(point)
                yield point


def _above(point: _Point, times: _Times) -> Iterator[_Point]:
    node, is_end = point
    if is_end:
        yield (node, False)
        if isinstance(node, Container):
            yield from ((child, True) for child in node.children)
        return
    if node.parent is not None and node.parent.parent is not None:
        yield (node.parent, False)
    for need in node.task.needs if node.index is None else ():
        above = lookup(node, need)
        if times.ended.get(above.name, 0.0) <= times.began.get(node.name, 0.0):
            yield (above, True)
