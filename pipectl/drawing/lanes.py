"""A graph as one line for each task, with lanes beside the names, as `git log --graph` draws commits.

A lane starts at a task and leads down to those that need it; tasks that are needed by the same ones share a lane. So
following the lines upwards from a task leads to what it needs, and to nothing else:

    ○ fetch         ○─╮ a
    ├─○─╮ clean     ○─┤ b       c and d both need a and b
    ╰─○─┤ check     ├─○ c
    ○──←╯ load      ╰─○ d
    ● report

Of a horizontal line, what is left of the task leads to it, and what is right of it leads on from it; but a line from
above that ends in an arrow leads to it from the right. A filled circle hangs on the line above it, an open one does
not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

_JOINTS = {  # up, down, left, right
    (True, True, False, True): "├",
    (True, True, True, False): "┤",
    (True, True, True, True): "┼",
    (True, False, True, False): "╯",
    (True, False, False, True): "╰",
    (True, False, True, True): "┴",
    (False, True, True, False): "╮",
    (False, True, False, True): "╭",
    (False, True, True, True): "┬",
}
_ASCII = str.maketrans("├┤┼╯╰┴╮╭┬│─○●←…·×", "+++'`+..+|-o*<~-x")


@dataclass(frozen=True, slots=True)
class Row:
    """One line: the lanes, and the task that stands there, if one does. `unseen` are needs that no lane shows.

    `below` are the lanes that lead on to the next line, as they run through whatever is put between the two.
    """

    lanes: str
    name: str | None
    unseen: tuple[str, ...] = ()
    below: str = ""


@dataclass(slots=True, eq=False)
class _Lane:
    column: int
    targets: set[str]
    branched: bool = False


def draw(needs: Mapping[str, Sequence[str]], widest: int) -> list[Row]:
    """The rows of tasks that are given in the order in which they stand, each after all that it needs.

    Where the lanes would take more than `widest` characters, the longest are left out and named beside their ends.
    """
    place = {name: number for number, name in enumerate(needs)}
    edges = sorted(
        ((above, name) for name, above_all in needs.items() for above in above_all),
        key=lambda edge: place[edge[1]] - place[edge[0]],
    )
    rows = _Drawing(needs, edges, tight=False).rows(widest) or _Drawing(needs, edges, tight=True).rows(widest)
    if rows:
        return rows
    fits, too_many = 0, len(edges)
    while too_many - fits > 1 + len(edges) // 50:
        middle = (fits + too_many) // 2
        tried = _Drawing(needs, edges[:middle], tight=True).rows(widest)
        if tried is None:
            too_many = middle
        else:
            fits, rows = middle, tried
    return rows or _Drawing(needs, (), tight=False).rows(widest) or []


def as_ascii(text: str) -> str:
    """The text in characters that every terminal has."""
    return text.translate(_ASCII)


class _Drawing:
    """Places one task after the other. When `tight`, lanes to the same tasks are merged as soon as they are alike."""

    def __init__(self, needs: Mapping[str, Sequence[str]], edges: Iterable[tuple[str, str]], *, tight: bool) -> None:
        self._needs = needs
        self._tight = tight
        self._upstream: dict[str, set[str]] = {name: set() for name in needs}
        self._targets: dict[str, set[str]] = {name: set() for name in needs}
        for above, name in edges:
            self._upstream[name].add(above)
            self._targets[above].add(name)
        self._siblings = Counter(frozenset(targets) for targets in self._targets.values())
        self._lanes: list[_Lane] = []

    def rows(self, widest: int) -> list[Row] | None:
        """All rows; None where one would be wider than that."""
        rows: list[Row] = []
        for name in self._needs:
            placed = self._place(name)
            if any(len(row.lanes) > widest for row in placed):
                return None
            rows += placed
        return rows

    def _place(self, name: str) -> list[Row]:
        arriving = [lane for lane in self._lanes if name in lane.targets]
        before = {lane.column for lane in self._lanes}
        for lane in arriving:
            lane.targets.discard(name)
        self._lanes = [lane for lane in self._lanes if lane.targets]
        targets = self._targets[name]
        self._siblings[frozenset(targets)] -= 1
        alike = [lane for lane in self._lanes if lane.targets == targets]
        ends_branch = alike or not targets
        left = [lane.column for lane in arriving if lane.targets or (lane.branched and ends_branch)]
        column = self._free(max(left, default=-1) + 1)
        for lane in arriving:
            lane.branched = True
        onward = self._onward(column, alike, before, targets)
        ends = {column, *(lane.column for lane in arriving), *onward}
        unseen = tuple(above for above in self._needs[name] if above not in self._upstream[name])
        drawn = self._line(before, ends, (column, column in before))
        return [Row(drawn, name, unseen, self._below()), *self._merge(targets)]

    def _free(self, first: int, besides: Container[int] = ()) -> int:
        """The first column from there on in which no lane runs."""
        taken = {lane.column for lane in self._lanes}
        return next(column for column in count(first) if column not in taken and column not in besides)

    def _onward(self, column: int, alike: Sequence[_Lane], before: set[int], targets: set[str]) -> list[int]:
        """The column of the lane that leads on from the task, which is made where none is at its right."""
        if not targets:
            return []
        for lane in alike:
            if lane.column > column:
                return [lane.column]
        awaited = self._siblings[frozenset(targets)]  # they come into this lane from its left
        start = self._free(column + 1, before) if awaited else column
        self._lanes.append(_Lane(start, set(targets)))
        return [start]

    def _merge(self, targets: set[str]) -> list[Row]:
        """The lines that lead lanes to the same tasks into the rightmost of them."""
        rows = []
        awaited = bool(targets) and self._siblings[frozenset(targets)] > 0
        for merged in [lane.targets for lane in self._lanes] if self._tight else [targets] if awaited else ():
            alike = sorted(lane.column for lane in self._lanes if lane.targets == merged)
            if len(alike) > 1:
                before = {lane.column for lane in self._lanes}
                self._lanes = [lane for lane in self._lanes if lane.column not in alike[:-1]]
                rows.append(Row(self._line(before, set(alike), None), None, (), self._below()))
        return rows

    def _below(self) -> str:
        columns = {lane.column for lane in self._lanes}
        return "".join("│ " if column in columns else "  " for column in range(max(columns, default=-1) + 1)).rstrip()

    def _line(self, before: set[int], ends: set[int], task: tuple[int, bool] | None) -> str:
        """The line's characters, two for each column; `ends` are the columns that its horizontal line connects."""
        after = {lane.column for lane in self._lanes}
        first, last = min(ends), max(ends)
        cells: list[str] = []
        for column in range(max(*before, *after, last, 0) + 1):
            inside = first <= column <= last
            if task and column == task[0]:
                cell = "●" if task[1] else "○"
            elif column in ends:
                cell = _JOINTS[column in before, column in after, column > first, column < last]
            else:
                cell = "│" if column in after else "─" if inside else " "
            if task and column > task[0] and cell in "╯┴":
                cells[-1] = cells[-1][0] + "←"
            cells.append(cell + ("─" if inside and column < last else " "))
        return "".join(cells).rstrip()
