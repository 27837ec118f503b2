"""When the instances of a run ran, drawn as bars on one scale of time.

The scale is the time in which somebody worked at the run: between a run and its resume a day may lie.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby

from rich.text import Text

from pipectl.durations import format_duration
from pipectl.model import State
from pipectl.outline import steps, task_path
from pipectl.reports.marks import Marks
from pipectl.run_view import InstanceView, RunView, Span

_STYLES = {State.SUCCESS: "green", State.FAILED: "red", State.SKIPPED: "dim"}
_TICKS = [unit * n for unit in (0.001, 0.01, 0.1) for n in (1, 2, 5)]
_TICKS += [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800]
_ROUND = re.compile(r"\.0(?=s)| 0?0[smh]$")  # what a round time need not say
_BEYOND = 4  # columns of a time of which nothing is known
_BETWEEN = 10  # columns from tick to tick at least


class Timeline:
    """Bars `width` columns wide. `now`, in seconds since the epoch, is where what goes on ends for the present.

    A run that was `cut_off` ended some time after `now`, nobody knows when: what ran then reaches to the end of the
    bars, beyond the scale, and ends in `?`.
    """

    def __init__(self, view: RunView, width: int, marks: Marks, now: float, *, cut_off: bool = False) -> None:
        self._view = view
        self._whole = width
        self._width = width - _BEYOND if cut_off else width
        self._cut_off = cut_off
        self._marks = marks
        self._now = now
        self._total = max(0.001, self._seconds(now))

    def bar(self, one: InstanceView, needs: Sequence[str]) -> Text:
        """The attempts of an instance, and where it waited for a slot or its next attempt; each has a column at least.

        One that failed, or was lost with its runner, ends in a mark of its own; a wait goes on as if nothing had been.
        `needs` are names of what it waits for
        before it may start: instances, tasks with `foreach`, groups.
        """
        goes_on = one.state in {State.QUEUED, State.RETRYING}
        last = one.spans[-1].ended if one.spans and not goes_on else self._now
        full = self._marks.full if one.waits_for is None else self._marks.waiting
        return self._drawn(one.spans, last, needs, full, queued=one.state is State.QUEUED)

    def stretch(self, rows: Sequence[InstanceView], needs: Sequence[str]) -> Text:
        """The same of many instances: from the first start to the last end."""
        spans = [span for one in rows for span in (one.spans[:1] + one.spans[-1:])]
        if not spans:
            return self._drawn([], None, needs, self._marks.full, queued=any(one.state is State.QUEUED for one in rows))
        ends = [span.ended for span in spans if span.ended is not None]
        whole = Span(min(span.started for span in spans), max(ends) if len(ends) == len(spans) else None)
        whole.state = State.FAILED if any(one.state is State.FAILED for one in rows) else State.SUCCESS
        return self._drawn([whole], whole.ended, needs, self._marks.full, queued=False)

    def _drawn(
        self, spans: Sequence[Span], last: float | None, needs: Sequence[str], full: str, *, queued: bool
    ) -> Text:
        cells = [(" ", "")] * self._whole
        ready = self._ready(needs)
        if ready is not None and (spans or queued):
            self._draw(cells, Span(ready, last), self._marks.waiting, "dim")
        for span in spans:
            self._draw(cells, span, full, self._style(span))
        for span in spans:
            lost = span.state is None and span.ended is not None and full is self._marks.full
            if span.state is State.FAILED or lost:
                cells[self._columns(span).stop - 1] = (self._marks.bad, self._style(span))
        if self._cut_off and spans and spans[-1].ended is None:
            cells[-1] = ("?", "yellow")
        runs = ((style, "".join(cell for cell, _ in alike)) for style, alike in groupby(cells, lambda cell: cell[1]))
        return Text.assemble(*((text, style) for style, text in runs), no_wrap=True)

    def scale(self) -> str:
        """The times to which columns belong."""
        step = next((tick for tick in _TICKS if tick * self._width >= self._total * _BETWEEN), self._total)
        line = "0s"
        for number in range(1, self._width):
            label = _ROUND.sub("", format_duration(step * number))
            column = int(step * number / self._total * self._width)
            if column + len(label) > self._width:
                break
            line = f"{line:<{column}}{label}"
        return line

    def _ready(self, needs: Sequence[str]) -> float | None:
        """When all that it needs had ended; None where that is not so yet."""
        ends = [self._end_of(name) for name in needs]
        return None if None in ends else max((end for end in ends if end is not None), default=self._view.started)

    def _end_of(self, name: str) -> float | None:
        one = self._view.instances.get(name)
        return self._ends.get(name) if one is None else one.ended

    @cached_property
    def _ends(self) -> dict[str, float | None]:
        """When all had ended of each group, each copy of one, and each task with `foreach`; None while one has not."""
        found: dict[str, float | None] = {}
        for one in self._view.instances.values():
            parts = steps(one.name)
            for number, part in enumerate(parts, 1):
                around = parts[: number - 1]
                for name in {".".join([*around, part]), ".".join([*around, task_path(part)])}:
                    last = found.get(name, one.ended)
                    found[name] = None if last is None or one.ended is None else max(last, one.ended)
        return found

    def _style(self, span: Span) -> str:
        if span.ended is None:
            return "cyan"
        return "yellow" if span.state is None else _STYLES.get(span.state, "yellow")

    def _draw(self, cells: list[tuple[str, str]], span: Span, mark: str, style: str) -> None:
        for column in self._columns(span):
            cells[column] = (mark, style)

    def _columns(self, span: Span) -> range:
        scale = self._width / self._total
        first = min(self._width - 1, int(self._seconds(span.started) * scale))
        stop = int(self._seconds(self._now if span.ended is None else span.ended) * scale)
        if span.ended is None and self._cut_off:
            return range(first, self._whole)
        return range(first, max(first + 1, min(self._width, stop)))

    def _seconds(self, moment: float) -> float:
        return worked(self._view, moment, self._now)


def worked(view: RunView, moment: float, now: float) -> float:
    """How many seconds somebody had worked at the run until a moment; what goes on does so until `now`."""
    ends = ((one, now if one.ended is None else one.ended) for one in view.sessions)
    return sum(max(0.0, min(moment, ended) - one.started) for one, ended in ends)
