"""Lines on standard error: who did what, and what each task printed, a line never split by another."""

from __future__ import annotations

from collections.abc import Mapping

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
from pipectl.model import ENDED, Pipeline, State
from pipectl.reports.base import Report
from pipectl.reports.console import Console
from pipectl.reports.folding import left, progress, standing
from pipectl.reports.summary import NO_ITEMS, answer_hint, answered, closed, outcome, summary, waiting
from pipectl.reports.text import COLOURS, clean, coloured
from pipectl.run_view import InstanceView
from pipectl.store.rows import Run
from pipectl.store.store import Store

_WIDEST_NAME = 30
_LONGEST_LINE = 64 << 10
_MANY = 200
_MOST_FAILURES = 20
_SHARE = 10  # a line each time that so much of the whole has ended
_PAUSE = 30.0  # seconds from one such line to the next at most, while something ends


class PlainReport(Report):
    """Everything, as lines that begin with the name of their task.

    Of a task with many instances it tells how far they are, and the first failures: what they print is in their logs.
    """

    def __init__(self, run: Run, pipeline: Pipeline, store: Store, state_option: str) -> None:
        super().__init__(run, pipeline, store, state_option)
        self._console = Console()
        self._partial: dict[str, bytes] = {}
        self._told: dict[str, tuple[int, float]] = {}  # how many had ended of a task with many, and when that was told
        self._width = min(_WIDEST_NAME, max((len(name) for name in pipeline.tasks), default=0))
        self._console.say([f"run {run.id} of {pipeline.name}"])

    def event(self, event: Event) -> None:
        """Tells starts, waits, ends and stops."""
        super().event(event)
        match event:
            case TaskOpened() if event.items is not None and not self.many(event.instance, _MANY):
                count = len(event.items)
                words = f"{count:,} item{'s' * (count > 1)}" if count else NO_ITEMS
                self._line(event.instance, words, "2")
            case AttemptStarted() | AttemptWaiting() | ApprovalAnswered():
                self._goes_on(self.view.instances[event.instance], event)
            case AttemptFinished() | TaskClosed():
                self._ended(event)
            case RunStopping():
                self._console.say([f"stopping{' at once' if event.at_once else ''}: {event.reason}"])
            case RunResumed():
                still = len(self.view.open)
                self._console.say([f"resuming: {still:,} of {len(self.view.instances):,} tasks are left"])

    def _goes_on(self, one: InstanceView, event: AttemptStarted | AttemptWaiting | ApprovalAnswered) -> None:
        if self.many(one.name, _MANY):
            return
        match event:
            case AttemptStarted() if self.task_of(one).holds_slot:
                again = f" again (attempt {event.attempt})" if event.attempt > 1 else ""
                self._line(one.name, f"started{again}", "2")
            case AttemptWaiting():
                self._line(one.name, waiting(event.on), COLOURS[State.WAITING])
                if self.task_of(one).type == "approve":
                    self._console.say([answer_hint(self, one)])
            case ApprovalAnswered():
                self._line(one.name, answered(event), None)

    def _ended(self, event: AttemptFinished | TaskClosed) -> None:
        self._flush(event.instance)
        one = self.view.instances.get(event.instance)
        states = self.many(event.instance, _MANY)
        if one is None:
            if not states and (words := closed(event)):
                self._line(event.instance, words, COLOURS.get(event.state or State.PENDING))
        elif states:
            self._one_of_many(one, event, states)
        elif one.state is not State.QUEUED or self.task_of(one).holds_slot:
            self._line(one.name, outcome(one, event), COLOURS.get(one.state))

    def _one_of_many(self, one: InstanceView, event: AttemptFinished | TaskClosed, states: Mapping[State, int]) -> None:
        if one.state is State.FAILED and self.view.by_task[one.task][State.FAILED] <= _MOST_FAILURES:
            self._line(one.name, outcome(one, event), COLOURS[one.state])
        if one.state not in ENDED or self.task_of(one).is_group:
            return
        everything, still = sum(states.values()), left(states)
        before, when = self._told.get(one.task, (0, self.began or event.at))
        ended = everything - still
        if still and (ended - before) * _SHARE < everything and event.at < when + _PAUSE:
            return
        self._told[one.task] = ended, event.at
        state, words = standing(states)
        self._line(one.task, progress(states) if still else words, None if still else COLOURS.get(state))

    def output(self, instance: str, attempt: int, data: bytes) -> None:
        """Tells whole lines; keeps what has no end yet."""
        if self._console.silent or self.many(instance, _MANY):
            return
        data = self._partial.pop(instance, b"") + data
        end = data.rfind(b"\n") + 1
        if len(data) - end > _LONGEST_LINE:
            end = len(data)
        if end < len(data):
            self._partial[instance] = data[end:]
        if end:
            self._say(instance, data[:end])

    def say(self, line: str) -> None:
        """Tells the line."""
        self._console.say([line])

    def _flush(self, instance: str) -> None:
        if rest := self._partial.pop(instance, b""):
            self._say(instance, rest)

    def _say(self, instance: str, data: bytes) -> None:
        text = clean(data.decode(errors="replace")).removesuffix("\n")
        prefix = coloured(f"{instance:<{self._room(instance)}} | ", "2", self._console.colour)
        self._console.say([prefix + text.replace("\n", f"\n{prefix}")])

    def finish(self) -> None:
        """Tells the summary."""
        self._console.say(["", *summary(self, colour=self._console.colour)])

    def _line(self, name: str, words: str, colour: str | None) -> None:
        self._console.say([f"{name:<{self._room(name)}}   {coloured(words, colour, self._console.colour)}"])

    def _room(self, name: str) -> int:
        """How wide names are so far: those of instances are known as they come."""
        self._width = min(_WIDEST_NAME, max(self._width, len(name)))
        return self._width
