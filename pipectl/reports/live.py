"""What goes on, on a terminal: a few rows that are repainted, below lines that say what ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain, groupby, islice

from pipectl.durations import format_duration
from pipectl.events import (
    ApprovalAnswered,
    AttemptFinished,
    AttemptStarted,
    AttemptWaiting,
    Event,
    RunResumed,
    RunStopping,
    TaskClosed,
    TaskOpened,
)
from pipectl.model import Pipeline, State
from pipectl.outline import task_path
from pipectl.reports.base import Report
from pipectl.reports.console import Console
from pipectl.reports.folding import FEW, left, names, progress, standing
from pipectl.reports.forecast import Forecast
from pipectl.reports.marks import marks_for
from pipectl.reports.next_up import NextUp
from pipectl.reports.region import MOST_ROWS, Active, Folded, Standing, paint
from pipectl.reports.screen import Screen
from pipectl.reports.summary import NO_ITEMS, answer_hint, answered, closed, closing, outcome, summary, waiting
from pipectl.reports.text import COLOURS, coloured
from pipectl.run_view import InstanceView
from pipectl.store.rows import Run
from pipectl.store.store import Store

_MOST_SUCCESSES = 100
"""A larger run tells its successes by count alone: line by line they would push its failures out of sight."""

_MOST_FAILURES = 5  # of a task with many instances, that are told one by one
_PAUSE = 0.08  # seconds between paints: what changes faster nobody reads
_SHARE = 20  # a paint that takes long is followed by so many times its length without one
_LOOK_AHEAD = 1.0  # seconds between forecasts
_WIDEST_NAME = 30
_LONGEST_END = 1 << 10
_MOST_WAITS = 2


class LiveReport(Report):
    """Repaints what runs and what waits; what failed or is tried again stays, and successes where they are few.

    Of what tasks print it shows the newest line. A task with many instances has a row that says how far they are.
    """

    def __init__(self, run: Run, pipeline: Pipeline, store: Store, state_option: str) -> None:
        super().__init__(run, pipeline, store, state_option)
        self._console = Console()
        self._screen = Screen()
        self._colour = self._console.colour
        self._marks = marks_for(sys.stderr.encoding)
        self._longest = max((len(name) for name in pipeline.tasks), default=0)
        self._said: list[str] = []
        self._alike: list[InstanceView] = []
        self._begun: dict[str, float] = {}  # when the first instance of a task with many started
        self._ends: dict[str, bytes] = {}  # of what those that run have printed
        self._heard = self._painted = time.monotonic()
        self._pause = _PAUSE
        self._looked = 0.0
        self._remaining: float | None = None
        self._screen.paint([f"run {run.id} of {pipeline.name}"], [])

    @cached_property
    def _next_up(self) -> NextUp:
        return NextUp(self.pipeline.tasks, self.view)

    @cached_property
    def _forecast(self) -> Forecast:
        return Forecast(self.pipeline.tasks, self._store.durations(self.run.pipeline))

    # What happens

    def event(self, event: Event) -> None:
        """Takes in what happened, for the next paint."""
        super().event(event)
        self._heard = time.monotonic()
        match event:
            case TaskOpened() if event.items == [] and not self.many(event.instance, FEW):
                self._tell(State.SKIPPED, event.instance, NO_ITEMS)
            case AttemptStarted() if "[" in event.instance:
                self._begun.setdefault(task_path(event.instance), event.at)
            case AttemptFinished() | TaskClosed():
                self._ended(event)
            case AttemptWaiting() if self.task_of(self.view.instances[event.instance]).type == "approve":
                self._asks(self.view.instances[event.instance])
            case ApprovalAnswered():
                self._tell(State.WAITING, event.instance, answered(event))
            case RunStopping():
                self.say(f"stopping{' at once' if event.at_once else ''}: {event.reason}")
            case RunResumed():
                still = len(self.view.open)
                self.say(f"resuming: {still:,} of {len(self.view.instances):,} tasks are left")

    def _asks(self, one: InstanceView) -> None:
        self._tell(State.WAITING, one.name, waiting(one.waits_for or ""))
        self.say(answer_hint(self, one))

    def _ended(self, event: AttemptFinished | TaskClosed) -> None:
        self._ends.pop(event.instance, None)
        one = self.view.instances.get(event.instance)
        states = self.many(event.instance, FEW)
        if one is None:
            if not states and (words := closed(event)):
                self._tell(event.state or State.PENDING, event.instance, words)
        elif states:
            self._one_of_many(one, event, states)
        elif one.state in {State.SKIPPED, State.UPSTREAM_FAILED, State.CANCELLED}:
            self._alike.append(one)
        elif one.state is State.QUEUED and not self.task_of(one).holds_slot:
            pass  # what waits was left, and is waited for again
        elif one.state not in {State.SUCCESS, State.CACHED} or len(self.view.by_task) <= _MOST_SUCCESSES:
            self._tell(one.state, one.name, outcome(one, event))

    def _one_of_many(self, one: InstanceView, event: AttemptFinished | TaskClosed, states: Mapping[State, int]) -> None:
        if one.state is State.FAILED and self.view.by_task[one.task][State.FAILED] <= _MOST_FAILURES:
            self._tell(one.state, one.name, outcome(one, event))
        if not left(states) and not self.task_of(one).is_group:
            state, words = standing(states)
            begun = self._begun.get(one.task)
            took = "" if begun is None else f" in {format_duration(event.at - begun)}"
            self._tell(state, one.task, words + took)

    def _tell(self, state: State, name: str, words: str) -> None:
        self.say(self._line(state, f"{name:<{self._width}} {words}"))

    @property
    def _width(self) -> int:
        """How wide the names are that stand before how it ended: what a narrow terminal has room for."""
        columns, _ = self._screen.size()
        return min(_WIDEST_NAME, self._longest, columns // 3)

    def output(self, instance: str, attempt: int, data: bytes) -> None:
        """Keeps the end of what was printed."""
        self._ends[instance] = (self._ends.get(instance, b"") + data)[-_LONGEST_END:]
        self.tick()

    def say(self, line: str) -> None:
        """Leaves a line above what is repainted."""
        self._gather()
        self._said.append(line)

    def _gather(self) -> None:
        """What ended alike, one after the other, takes one line."""
        for _, alike in groupby(self._alike, lambda one: (one.state, one.closed_by)):
            first, *others = alike
            told = f"{first.name:<{self._width}} {closing(first)}"
            if others:
                words = closing(replace(first, started=None, error=None))
                told = f"{words}: {names([first, *others])}"
            self._said.append(self._line(first.state, told))
        self._alike.clear()

    def _line(self, state: State, words: str) -> str:
        return f"{coloured(self._marks.states[state], COLOURS.get(state), self._colour)} {words}"

    # Painting

    def tick(self) -> None:
        """Paints, if it is time to and the terminal keeps up."""
        began = time.monotonic()
        if began < self._painted + self._pause or not self._screen.ready():
            return
        self._gather()
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
        self._gather()
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
        active = list(self._first())
        return Standing(
            counts=self.view.counts(),
            elapsed=now - (self.began or now),
            remaining=None if self._remaining is None else self._remaining - (now - self._looked),
            stopping=self.view.stopping,
            allowed=self.view.allowed,
            folded=self._folded(active),
            active=[self._active(one, now) for one in active],
            waiting=self._next_up.of(active),
        )

    def _first(self) -> Iterator[InstanceView]:
        """Those of what waits, runs or retries that can have a row."""
        states = self.view.by_state
        waits = islice(states[State.WAITING].values(), _MOST_WAITS)
        return islice(chain(waits, states[State.RUNNING].values(), states[State.RETRYING].values()), MOST_ROWS)

    def _folded(self, active: list[InstanceView]) -> list[Folded]:
        """The tasks with many instances of which some are active."""
        many = {one.task: states for one in active if (states := self.many(one.name, FEW))}
        return [Folded(task, progress(states)) for task, states in many.items()]

    def _active(self, one: InstanceView, now: float) -> Active:
        seconds = now - one.spans[-1].started if one.retry_at is None else one.retry_at - now
        if one.state is State.WAITING:
            return Active(one.name, one.state, seconds, one.attempts, waiting(one.waits_for or ""))
        said = self._ends.get(one.name, b"").decode(errors="ignore").rstrip()
        return Active(one.name, one.state, seconds, one.attempts, said.rpartition("\n")[2])
