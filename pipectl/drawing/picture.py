"""What is drawn: the tasks of a pipeline and who needs whom, with the few words that stand beside a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from pipectl.drawing.notes import copies, notes_of
from pipectl.model import Pipeline
from pipectl.outline import Place, outline
from pipectl.task_tree import heights

_KINDS = {None: "join", "tasks": "group"}


@dataclass(frozen=True, slots=True)
class Box:
    """One task, or a group, by its path. `notes` are what is unusual about it: a trigger other than the default, …

    `group` is the path of the group that it is in, empty for none. `needs` are paths. `copies` is how many of it its
    own `foreach` makes: None where only the run can tell. `file` is that of a sub-pipeline.
    """

    name: str
    label: str
    group: str
    type: str | None
    notes: tuple[str, ...]
    description: str
    needs: tuple[str, ...]
    copies: int | None = 1
    file: str | None = None

    @property
    def kind(self) -> str:
        """Its type in a word."""
        return _KINDS.get(self.type, self.type or "")


@dataclass(frozen=True)
class Picture:
    """Tasks and groups by path, each after all that it needs; after a group come those in it."""

    title: str
    boxes: Mapping[str, Box]

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Who is needed by whom, as (upstream, downstream)."""
        return [(above, box.name) for box in self.boxes.values() for above in box.needs]

    @cached_property
    def inner(self) -> Mapping[str, Sequence[Box]]:
        """What is in each group, by its path; those in no group under an empty one."""
        found: dict[str, list[Box]] = {"": []}
        for box in self.boxes.values():
            found.setdefault(box.group, []).append(box)
        return found

    @cached_property
    def reduced(self) -> Mapping[str, Sequence[str]]:
        """What each box needs, without what follows from the rest: of `a < b < c`, that `c` needs `a` too."""
        return _Reduction(self).kept


def picture(pipeline: Pipeline, depth: int | None = None) -> Picture:
    """The picture of a pipeline: branches stay together, short ones come first.

    `depth` is how many levels of groups are drawn with what is in them; what is left out is seen as its group.
    """
    places = outline(pipeline.tasks)
    shown = {path: place for path, place in places.items() if depth is None or path.count(".") <= depth}
    order = _order(places, heights(pipeline.tasks))
    boxes = {path: _box(shown[path], shown) for path in order if path in shown}
    return Picture(pipeline.name, boxes)


def siblings(user: str, need: str) -> tuple[str, str]:
    """The two, or the groups that they are in, that stand beside each other."""
    theirs, ours = need.split("."), user.split(".")
    shared = 0
    while shared < min(len(theirs), len(ours)) - 1 and theirs[shared] == ours[shared]:
        shared += 1
    return ".".join(ours[: shared + 1]), ".".join(theirs[: shared + 1])


def _box(place: Place, shown: Mapping[str, Place]) -> Box:
    task = place.task
    hidden = [one for one in place.inner if one.path not in shown]
    standing_for = list(_within(place, hidden))
    needs = dict.fromkeys(_seen(need, shown) for one in standing_for for need in one.needs)
    tasks = sum(not one.task.is_group for one in standing_for[1:])
    inside = f"{place.path}."
    return Box(
        name=place.path,
        label=place.name,
        group=place.parent.path if place.parent else "",
        type=task.type,
        notes=(*notes_of(task), *([f"{tasks:,} task{'s' * (tasks > 1)}"] if hidden else [])),
        description=task.description,
        needs=tuple(need for need in needs if need != place.path and not need.startswith(inside)),
        copies=copies(task.foreach),
        file=None if task.pipeline is None else PurePath(task.pipeline.file).name,
    )


def _within(place: Place, hidden: Sequence[Place]) -> Iterable[Place]:
    """The place, and all below it that is not drawn."""
    ahead = [place, *hidden]
    for one in ahead:
        yield one
        if one is not place:
            ahead += one.inner


def _seen(path: str, shown: Mapping[str, Place]) -> str:
    while path not in shown:
        path = path.rpartition(".")[0]
    return path


def _order(places: Mapping[str, Place], tall: Mapping[str, int]) -> list[str]:
    """The paths, each level in an order in which branches stay together."""
    file_order = {path: number for number, path in enumerate(places)}
    needs: dict[str, set[str]] = {path: set() for path in places}
    for place in places.values():
        for need in place.needs:
            user, above = siblings(place.path, need)
            needs[user].add(above)
    below: dict[str, list[str]] = {path: [] for path in places}
    for path in places:
        for above in needs[path]:
            below[above].append(path)
    missing = {path: len(above) for path, above in needs.items()}
    pending = [path for path, place in reversed(list(places.items())) if place.parent is None and not missing[path]]
    order = []
    while pending:
        path = pending.pop()
        order.append(path)
        for down in sorted(below[path], key=lambda one: (tall[one], file_order[one]), reverse=True):
            missing[down] -= 1
            if not missing[down]:
                pending.append(down)
        pending += [one.path for one in reversed(places[path].inner) if not missing[one.path]]
    return order


class _Reduction:
    """Leaves out needs that follow from others, those of the groups around and those within what is needed too."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._bits = {name: 1 << number for number, name in enumerate(picture.boxes)}
        self._above: dict[str, int] = {}
        self._whole: dict[str, int] = {}
        self.kept: dict[str, Sequence[str]] = {}
        for box in picture.boxes.values():
            implied = self._above.get(box.group, 0)
            for need in box.needs:
                implied |= self._before(need)
            self.kept[box.name] = tuple(need for need in box.needs if not self._bits[need] & implied)
            self._above[box.name] = implied
            for need in self.kept[box.name]:
                self._above[box.name] |= self._bits[need]

    def _before(self, name: str) -> int:
        """All that has ended before the box ends, but for itself."""
        inner = self._picture.inner.get(name)
        if inner is None:
            return self._above[name]
        if name not in self._whole:
            found = self._above[name]
            for box in inner:
                found |= self._bits[box.name] | self._before(box.name)
            self._whole[name] = found
        return self._whole[name]
