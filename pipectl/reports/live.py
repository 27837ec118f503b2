"""What goes on, on a terminal: a few rows that are repainted, below lines that say what ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain, groupby, islice

from pipectl.events import AttemptFinished, Event, RunResumed, RunStopping, TaskClosed
from pipectl.graph import Node, link
from pipectl.model import ENDED, Pipeline, State
from pipectl.reports.base import Report
from pipectl.reports.console import Console
from pipectl.reports.forecast import Forecast
from pipectl.reports.marks import marks_for
from pipectl.reports.region import MOST_ROWS, Active, Standing, Waiting, paint
from pipectl.reports.screen import Screen
from pipectl.reports.summary import closing, outcome, summary
from pipectl.reports.text import COLOURS, coloured, listed
from pipectl.run_view import InstanceView
from pipectl.store.rows import Run
from pipectl.store.store import Store

_MOST_SUCCESSES = 100
"""A larger run tells its successes by count alone: line by line they would push its failures out of sight."""

_PAUSE = 0.08  # seconds between paints: what changes faster nobody reads
_SHARE = 20  # a paint that takes long is followed by so many times its length without one
_LOOK_AHEAD = 1.0  # seconds between forecasts
_WIDEST_NAME = 30
_LONGEST_END = 1 << 10
_CANDIDATES = 20
_NAMED = 3


class LiveReport(Report):
    """Repaints what runs and what waits; what failed or is tried again stays, and successes where they are few.

    Of what tasks print it shows the newest line.
    """

    def __init__(self, run: Run, pipeline: Pipeline, store: Store, state_option: str) -> None:
        super().__init__(run, pipeline, store, state_option)
        self._console = Console()
        self._screen = Screen()
        self._colour = self._console.colour
        self._marks = marks_for(sys.stderr.encoding)
        self._longest = max((len(name) for name in pipeline.tasks), default=0)
        self._said: list[str] = []
        self._folded: list[InstanceView] = []
        self._ends: dict[str, bytes] = {}  # of what those that run have printed
        self._heard = self._painted = time.monotonic()
        self._pause = _PAUSE
        self._looked = 0.0
        self._remaining: float | None = None
        self._screen.paint([f"run {run.id} of {pipeline.name}"], [])

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        return link(self.pipeline.tasks)

    @cached_property
    def _forecast(self) -> Forecast:
        return Forecast(self._nodes, self._store.durations(self.run.pipeline))

    # What happens

    def event(self, event: Event) -> None:
        """Takes in what happened, for the next paint."""
        super().event(event)
        self._heard = time.monotonic()
        match event:
            case AttemptFinished() | TaskClosed():
                self._ended(self.view.instances[event.instance], event)
            case RunStopping():
                self._say(f"stopping{' at once' if event.at_once else ''}: {event.reason}")
            case RunResumed():
                left = len(self.view.open)
                self._say(f"resuming: {left} of {len(self.view.instances)} tasks are left")

    def _ended(self, one: InstanceView, event: AttemptFinished | TaskClosed) -> None:
        self._ends.pop(one.name, None)
        if one.state in {State.SKIPPED, State.UPSTREAM_FAILED, State.CANCELLED}:
            self._folded.append(one)
        elif one.state not in {State.SUCCESS, State.CACHED} or len(self.view.instances) <= _MOST_SUCCESSES:
            self._say(self._line(one.state, f"{one.name:<{self._width}} {outcome(one, event)}"))

    @property
    def _width(self) -> int:
        """How wide the names are that stand before how it ended: what a narrow terminal has room for."""
        columns, _ = self._screen.size()
        return min(_WIDEST_NAME, self._longest, columns // 3)

    def output(self, instance: str, attempt: int, data: bytes) -> None:
        """Keeps the end of what was printed."""
        self._ends[instance] = (self._ends.get(instance, b"") + data)[-_LONGEST_END:]
        self.tick()

    def _say(self, line: str) -> None:
        self._unfold()
        self._said.append(line)

    def _unfold(self) -> None:
        """What ended alike, one after the other, takes one line."""
        for _, alike in groupby(self._folded, lambda one: (one.state, one.closed_by)):
            first, *others = alike
            told = f"{first.name:<{self._width}} {closing(first)}"
            if others:
                words = closing(replace(first, started=None, error=None))
                told = f"{words}: {listed([first.name, *(one.name for one in others)])}"
            self._said.append(self._line(first.state, told))
        self._folded.clear()

    def _line(self, state: State, words: str) -> str:
        return f"{coloured(self._marks.states[state], COLOURS.get(state), self._colour)} {words}"

    # Painting

    def tick(self) -> None:
        """Paints, if it is time to and the terminal keeps up."""
        began = time.monotonic()
        if began < self._painted + self._pause or not self._screen.ready():
            return
        self._unfold()
        columns, lines = self._screen.size()
        region = []
        if self._screen.in_front():
            region = paint(self._standing(), columns, lines, self._marks, colour=self._colour)
        self._screen.paint(self._said, region)
        self._said.clear()
        self._painted = time.monotonic()
        self._pause = max(_PAUSE, _SHARE * (self._painted - began))

    def close(self) -> None:
        """Says what is left to say, and takes away what was repainted."""
        self._unfold()
        self._screen.close(self._said)
        self._said.clear()

    def finish(self) -> None:
        """Tells the summary."""
        self.close()
        self._console.say(["", *summary(self, colour=self._colour)])

    # Where the run stands

    def _standing(self) -> Standing:
        now = self.view.heard + time.monotonic() - self._heard
        if now >= self._looked + _LOOK_AHEAD:
            self._looked, self._remaining = now, self._forecast.seconds(self.view, now)
        return Standing(
            counts=self.view.counts(),
            elapsed=now - (self.began or now),
            remaining=None if self._remaining is None else self._remaining - (now - self._looked),
            stopping=self.view.stopping,
            allowed=self.view.allowed,
            active=[self._active(one, now) for one in self._first()],
            waiting=self._waiting(),
        )

    def _first(self) -> Iterator[InstanceView]:
        """Those of what runs or retries that can have a row."""
        states = self.view.by_state
        return islice(chain(states[State.RUNNING].values(), states[State.RETRYING].values()), MOST_ROWS)

    def _active(self, one: InstanceView, now: float) -> Active:
        seconds = now - one.spans[-1].started if one.retry_at is None else one.retry_at - now
        said = self._ends.get(one.name, b"").decode(errors="ignore").rstrip()
        return Active(one.name, one.state, seconds, one.attempts, said.rpartition("\n")[2])

    def _waiting(self) -> list[Waiting]:
        """What comes next: what needs the least of those that run, and other things besides."""
        needy = (down for one in self._first() for down in self._nodes[one.name].downstream)
        pending = self.view.by_state[State.PENDING]
        candidates = {node.name: self._missing(node) for node in islice(needy, _CANDIDATES) if node.name in pending}
        first = sorted(candidates.items(), key=lambda one: len(one[1]))
        return [Waiting(name, missing[:_NAMED], max(0, len(missing) - _NAMED)) for name, missing in first[:MOST_ROWS]]

    def _missing(self, node: Node) -> list[str]:
        instances = self.view.instances
        return [name for name in node.task.needs if instances[name].state not in ENDED]
