"""What is drawn: the tasks of a pipeline and who needs whom, with the few words that stand beside a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipectl.graph import Node, link
from pipectl.model import Pipeline, Task, TriggerRule
from pipectl.template import bare


@dataclass(frozen=True, slots=True)
class Box:
    """One task. `notes` are what is unusual about it: a trigger other than the default, a condition, …"""

    name: str
    type: str | None
    notes: tuple[str, ...]
    description: str
    needs: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Its type in a word."""
        return self.type or "join"


@dataclass(frozen=True, slots=True)
class Picture:
    """The tasks by name, each after all that it needs."""

    title: str
    boxes: Mapping[str, Box]

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Who is needed by whom, as (upstream, downstream)."""
        return [(above, box.name) for box in self.boxes.values() for above in box.needs]


def picture(pipeline: Pipeline) -> Picture:
    """The picture of a pipeline: branches stay together, short ones come first."""
    order = _depth_first(pipeline.tasks)
    return Picture(pipeline.name, {name: _box(pipeline.tasks[name]) for name in order})


def reduced(picture: Picture) -> dict[str, tuple[str, ...]]:
    """What each task needs, without what follows from the rest: of `a < b < c`, that `c` needs `a` too."""
    bits = {name: 1 << number for number, name in enumerate(picture.boxes)}
    above: dict[str, int] = {}
    kept = {}
    for name, box in picture.boxes.items():
        implied = 0
        for need in box.needs:
            implied |= above[need]
        kept[name] = tuple(need for need in box.needs if not bits[need] & implied)
        above[name] = implied
        for need in kept[name]:
            above[name] |= bits[need]
    return kept


def _box(task: Task) -> Box:
    notes = [] if task.trigger is TriggerRule.ALL_SUCCESS else [str(task.trigger)]
    if task.when is not None:
        notes.append(f"when {visible(bare(task.when))}")
    if task.retries.max:
        notes.append(f"retries {task.retries.max}")
    if task.allow_failure:
        notes.append("may fail")
    return Box(task.name, task.type, tuple(notes), task.description, task.needs)


def visible(text: str) -> str:
    """The text with escapes (`\\u202e`) for characters that nobody sees, and that may turn or hide others."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _depth_first(tasks: Mapping[str, Task]) -> Sequence[str]:
    nodes = link(tasks)
    missing = {name: node.upstream for name, node in nodes.items()}
    pending = [node for node in reversed(nodes.values()) if not node.upstream]
    order = []
    while pending:
        node = pending.pop()
        order.append(node.name)
        for down in sorted(node.downstream, key=_shortest_first, reverse=True):
            missing[down.name] -= 1
            if not missing[down.name]:
                pending.append(down)
    return order


def _shortest_first(node: Node) -> tuple[int, int]:
    _, longest_below, place_in_file = node.rank
    return -longest_below, place_in_file
