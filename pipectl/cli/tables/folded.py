"""The lines of a run's table: groups with what is in them further right, many instances of one task as one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipectl.model import State
from pipectl.outline import Place, beside, steps, task_path
from pipectl.reports.folding import FEW, standing
from pipectl.run_view import InstanceView

_Named = tuple[InstanceView, list[str]]
"""An instance, and the parts of its name from group to group."""


@dataclass(frozen=True)
class Line:
    """An instance, or many of one task or group: `name` is theirs, `depth` is how far right it stands.

    `is_header` says that lines below it tell of the same instances.
    """

    name: str
    label: str
    depth: int
    place: Place
    rows: Sequence[InstanceView]
    is_header: bool = False

    @property
    def one(self) -> InstanceView | None:
        """The instance, where it is one."""
        return None if self.is_header or len(self.rows) > 1 else self.rows[0]

    @property
    def state(self) -> State:
        """The state that tells most of them."""
        return self.standing[0]

    @cached_property
    def standing(self) -> tuple[State, str]:
        """Where they stand: as one state, and in words."""
        return standing(Counter(one.state for one in self.rows))

    @cached_property
    def started(self) -> float | None:
        """When the first of them started."""
        return min((one.started for one in self.rows if one.started is not None), default=None)

    @cached_property
    def ended(self) -> float | None:
        """When the last of them ended; None while one has not."""
        ends = [one.ended for one in self.rows if one.ended is not None]
        return max(ends) if len(ends) == len(self.rows) else None

    @property
    def duration(self) -> float | None:
        """Seconds from the first start to the last end."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    @property
    def needs(self) -> list[str]:
        """The names of what it waits for before it may start, what the groups around it need included."""
        return [beside(self.name, need) for place in (self.place, *self.place.around()) for need in place.needs]


def fold(rows: Sequence[InstanceView], places: Mapping[str, Place], *, unfold: bool = False) -> Iterator[Line]:
    """The lines of instances in the order of the file; to `unfold` gives each a line, else they are told together.

    Few instances of one `foreach` have lines of their own in any case.
    """
    yield from _Folding(places, unfold).level([(one, steps(one.name)) for one in rows], "", 0, 0, folded=False)


class _Folding:
    def __init__(self, places: Mapping[str, Place], unfold: bool) -> None:
        self._places = places
        self._unfold = unfold

    def level(self, rows: Sequence[_Named], group: str, at: int, depth: int, *, folded: bool) -> Iterator[Line]:
        """What stands in a group, at such a place of their names."""
        for name, inner in _grouped(rows, lambda parts: task_path(parts[at])):
            place = self._places[group + name]
            if folded or place.task.foreach is None:
                yield from self._told(inner, place, at, depth, name, folded=folded)
            elif len(inner) <= FEW or self._unfold:
                yield from self._copies(inner, place, at, depth)
            else:
                yield from self._told(inner, place, at, depth, name, folded=True)

    def _copies(self, rows: Sequence[_Named], place: Place, at: int, depth: int) -> Iterator[Line]:
        if len(rows) > FEW:
            yield _line(rows, place, at, depth, place.name, is_header=True)
            depth += 1
        for label, copy in _grouped(rows, lambda parts: parts[at]):
            yield from self._told(copy, place, at, depth, label, folded=False)

    def _told(
        self, rows: Sequence[_Named], place: Place, at: int, depth: int, label: str, *, folded: bool
    ) -> Iterator[Line]:
        inner = [row for row in rows if len(row[1]) > at + 1]
        yield _line(rows, place, at, depth, label, is_header=bool(inner))
        if inner:
            yield from self.level(inner, f"{place.path}.", at + 1, depth + 1, folded=folded)


def _line(rows: Sequence[_Named], place: Place, at: int, depth: int, label: str, *, is_header: bool) -> Line:
    name = ".".join([*rows[0][1][:at], label])
    return Line(name, label, depth, place, [one for one, _ in rows], is_header)


def _grouped(rows: Sequence[_Named], key: Callable[[list[str]], str]) -> Iterator[tuple[str, list[_Named]]]:
    found: dict[str, list[_Named]] = {}
    for row in rows:
        found.setdefault(key(row[1]), []).append(row)
    yield from found.items()
