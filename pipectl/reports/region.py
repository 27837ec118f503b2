"""The rows that a live run repaints: what runs, what waits for it, and how far the run is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipectl.durations import format_duration
from pipectl.model import ENDED, State
from pipectl.reports.cells import Piece, cells, fit, one_line, padded
from pipectl.reports.marks import Marks
from pipectl.reports.text import COLOURS, allowed_text

MOST_ROWS = 12
_WIDEST_NAME = 40
_WIDEST_BAR = 24
_DIM = "2"
_ACTIVE = (State.RUNNING, State.RETRYING, State.WAITING)


@dataclass(frozen=True, slots=True)
class Active:
    """An instance that runs, waits or is to be tried again.

    `seconds` since its attempt started, or until the next one. `said` is its newest line, or what it waits for.
    """

    name: str
    state: State
    seconds: float
    attempt: int = 1
    said: str = ""


@dataclass(frozen=True, slots=True)
class Folded:
    """A task with many instances, and how far they are in words."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """An instance that waits for others: some of them by name, and how many more."""

    name: str
    needs: Sequence[str]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands; times are seconds.

    `allowed` failures do not fail it. `active` are the first of those that wait, run or retry, oldest first.
    """

    counts: Mapping[State, int]
    elapsed: float
    remaining: float | None = None
    stopping: str | None = None
    allowed: int = 0
    folded: Sequence[Folded] = ()
    active: Sequence[Active] = ()
    waiting: Sequence[Waiting] = ()


def rows_for(lines: int) -> int:
    """How many rows of a terminal with so many lines a run repaints: few enough to leave what is above to be read."""
    return max(1, min(MOST_ROWS, lines // 3))


def paint(standing: Standing, columns: int, lines: int, marks: Marks, *, colour: bool) -> list[str]:
    """The rows, at most `rows_for(lines)`, none wider than the terminal less its last column, which may wrap."""
    width = columns - 1
    total = fit(_total(standing, width, marks), width, colour=colour)
    room = rows_for(lines) - 1
    if columns < 20 or not room:
        return [total]
    waiting = standing.waiting[: room // 3]
    folded = standing.folded[: room // 3]
    active = list(standing.active[: room - len(waiting) - len(folded)])
    hidden = sum(standing.counts.get(state, 0) for state in _ACTIVE) - len(active)
    if hidden and active:
        active.pop()
        hidden += 1
    names = [*(one.name for one in folded), *(one.name for one in active), *(one.name for one in waiting)]
    widest = min(_WIDEST_NAME, columns // 3, max((cells(one_line(name)) for name in names), default=0))
    rows = [_folded(one, widest, marks) for one in folded]
    rows += [_active(one, widest, marks) for one in active]
    if hidden > 0:
        rows.append([(f"  … and {hidden:,} more", _DIM)])
    rows += [_waiting(one, widest, marks) for one in waiting]
    return [*(fit(row, width, colour=colour) for row in rows), total]


def _active(one: Active, widest: int, marks: Marks) -> list[Piece]:
    name = padded(one_line(one.name), widest)
    took, said = format_duration(one.seconds), one_line(one.said)
    if one.state is State.RETRYING:
        return [_mark(one.state, marks), (name, ""), (f" attempt {one.attempt + 1} in {took}", COLOURS[one.state])]
    again = f" attempt {one.attempt}" if one.attempt > 1 else ""
    return [_mark(one.state, marks), (name, ""), (f" {took:>7}{again}", ""), (f"  {said}" if said else "", _DIM)]


def _folded(one: Folded, widest: int, marks: Marks) -> list[Piece]:
    return [_mark(State.RUNNING, marks), (padded(one_line(one.name), widest), "1"), (f"  {one_line(one.words)}", "")]


def _waiting(one: Waiting, widest: int, marks: Marks) -> list[Piece]:
    more = f" and {one.more:,} more" if one.more else ""
    needs = ", ".join(map(one_line, one.needs))
    return [_mark(State.PENDING, marks), (f"{padded(one_line(one.name), widest)} waits for {needs}{more}", _DIM)]


def _mark(state: State, marks: Marks) -> Piece:
    return f"{marks.states[state]} ", COLOURS.get(state, _DIM)


def _total(standing: Standing, width: int, marks: Marks) -> list[Piece]:
    """The counts and times; in a narrow terminal those that matter least are left out."""
    told = list(_counts(standing))
    while len(told) > 1 and _length(told) > width:
        told.remove(max(told, key=lambda one: one[0]))
    bar = min(_WIDEST_BAR, width - _length(told) - 2)
    pieces = _bar(standing.counts, bar, marks) if bar >= 8 else []
    for _, text, code in told:
        pieces += [("  ", ""), (text, code)] if pieces else [(text, code)]
    return pieces


def _length(told: list[tuple[int, str, str]]) -> int:
    return sum(cells(text) + 2 for _, text, _ in told) - 2


def _counts(standing: Standing) -> Iterator[tuple[int, str, str]]:
    """What there is to tell, as it is told from left to right: its rank, the text, the colour."""
    counts = standing.counts
    done = sum(counts.get(state, 0) for state in ENDED)
    yield 0, f"{done:,}/{sum(counts.values()):,}", "1"
    pending = counts.get(State.PENDING, 0) + counts.get(State.QUEUED, 0)
    failed = counts.get(State.FAILED, 0)
    for rank, words, state, count in (
        (1, f"failed{allowed_text(failed, standing.allowed)}", State.FAILED, failed),
        (4, "running", State.RUNNING, counts.get(State.RUNNING, 0)),
        (5, "retrying", State.RETRYING, counts.get(State.RETRYING, 0)),
        (5, "waiting", State.WAITING, counts.get(State.WAITING, 0)),
        (6, "pending", State.PENDING, pending),
    ):
        if count:
            yield rank, f"{count:,} {words}", COLOURS.get(state, _DIM)
    yield 2, format_duration(standing.elapsed), ""
    if standing.stopping:
        yield 1, f"stopping: {one_line(standing.stopping)}", COLOURS[State.CANCELLED]
    elif standing.remaining is not None and standing.remaining >= 0.5:
        yield 3, f"~{format_duration(standing.remaining)} left", ""


def _bar(counts: Mapping[State, int], width: int, marks: Marks) -> list[Piece]:
    total = sum(counts.values())
    bad = counts.get(State.FAILED, 0)
    well = sum(counts.get(state, 0) for state in ENDED) - bad
    failed = min(width, -(-width * bad // total)) if total else 0
    done = min(width - failed, width * well // total) if total else 0
    code = COLOURS[State.SUCCESS]
    parts = ((done, marks.full, code), (failed, marks.full, COLOURS[State.FAILED]))
    return [(mark * n, code) for n, mark, code in parts if n] + [(marks.empty * (width - done - failed), _DIM)]
