"""A run as people see it, built from its events: what commands show and reports tell, live or later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipectl.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    RunFinished,
    RunResumed,
    RunStarted,
    RunStopping,
    TaskClosed,
    TaskOpened,
)
from pipectl.model import ENDED, RunState, State


@dataclass(slots=True)
class Span:
    """A stretch of time, in seconds since the epoch; `ended` is None while it goes on.

    Of an attempt, `state` is what it came to, or None where it was lost with its runner or goes on.
    """

    started: float
    ended: float | None = None
    state: State | None = None


@dataclass(slots=True)
class InstanceView:
    """One instance; times are seconds since the epoch, `started` that of its first attempt that was not lost.

    `spans` are all its attempts, those before a resume opened it again too.
    """

    name: str
    task: str
    state: State = State.PENDING
    attempts: int = 0
    started: float | None = None
    ended: float | None = None
    error: str | None = None
    exit_code: int | None = None
    allowed: bool = False
    closed_by: str | None = None
    retry_at: float | None = None
    spans: list[Span] = field(default_factory=list)

    @property
    def duration(self) -> float | None:
        """Seconds from its first start to its end, None while there is no end."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    @property
    def is_failure(self) -> bool:
        """Whether it makes the run fail."""
        return self.state is State.FAILED and not self.allowed


class RunView:
    """The instances of a run, by name and in the order of the file, and where the run stands.

    `by_state` holds the same instances by their state, in the order in which they came to it. `sessions` are the
    stretches of time in which a runner worked at the run; of one that was killed, up to the last that is known of it.
    """

    def __init__(self, tasks: Iterable[str]) -> None:
        self.instances = {name: InstanceView(name, name) for name in tasks}
        self.by_state: dict[State, dict[str, InstanceView]] = {state: {} for state in State}
        self.by_state[State.PENDING].update(self.instances)
        self.state = RunState.RUNNING
        self.started: float | None = None
        self.ended: float | None = None
        self.stopping: str | None = None
        self.sessions: list[Span] = []
        self.heard = 0.0  # when the newest event was

    def apply(self, event: Event) -> None:
        """Takes in what happened."""
        match event:
            case AttemptStarted(at, name, attempt):
                self._start(self.instances[name], at, attempt)
            case AttemptFinished():
                self._finish(self.instances[event.instance], event)
            case TaskOpened(_, name):
                self._move(self.instances[name], State.QUEUED)
            case TaskClosed(at, name, state, by, error, allowed):
                one = self.instances[name]
                self._move(one, state)
                one.ended, one.closed_by, one.allowed = at, by, allowed
                one.error, one.retry_at = error or one.error, None
            case RunStarted(at):
                self.started = at
                self.sessions.append(Span(at))
            case RunStopping(_, reason):
                self.stopping = reason
            case RunResumed(at, reopened):
                self._resume(at, reopened)
            case RunFinished(at, state):
                self.ended, self.state = at, state
                self.sessions[-1].ended = at
        self.heard = event.at

    def _move(self, one: InstanceView, state: State) -> None:
        del self.by_state[one.state][one.name]
        one.state = state
        self.by_state[state][one.name] = one

    def _start(self, one: InstanceView, at: float, attempt: int) -> None:
        self._move(one, State.RUNNING)
        one.attempts, one.retry_at, one.error = attempt, None, None
        one.spans.append(Span(at))
        if one.started is None:
            one.started = at

    def _finish(self, one: InstanceView, event: AttemptFinished) -> None:
        one.exit_code, one.error = event.exit_code, event.error
        span = one.spans[-1]
        span.ended, span.state = event.at, event.state
        if event.state is None:
            self._move(one, State.QUEUED)
            one.started = None
            span.ended = self.sessions[-2].ended if len(self.sessions) > 1 else event.at
        elif event.retry_at is not None:
            self._move(one, State.RETRYING)
            one.retry_at = event.retry_at
        else:
            self._move(one, event.state)
            one.ended, one.allowed = event.at, event.allowed

    def _resume(self, at: float, reopened: Iterable[str]) -> None:
        self.state, self.ended, self.stopping = RunState.RUNNING, None, None
        self.sessions[-1].ended = self.heard
        self.sessions.append(Span(at))
        for name in reopened:
            before = self.instances[name]
            self._move(before, State.PENDING)
            again = InstanceView(name, before.task, attempts=before.attempts, spans=before.spans)
            self.instances[name] = self.by_state[State.PENDING][name] = again

    @property
    def failures(self) -> list[InstanceView]:
        """What made the run fail, the first to fail first: mostly the root of the others."""
        failed = (one for one in self.by_state[State.FAILED].values() if one.is_failure)
        return sorted(failed, key=lambda one: one.ended or 0.0)

    @property
    def allowed(self) -> int:
        """How many failures do not make the run fail."""
        return sum(one.allowed for one in self.by_state[State.FAILED].values())

    def counts(self) -> dict[State, int]:
        """How many instances are in each state, in the order of the states; those of none are left out."""
        return {state: len(found) for state, found in self.by_state.items() if found}

    @property
    def open(self) -> list[InstanceView]:
        """What has not ended, by state."""
        return [one for state, found in self.by_state.items() if state not in ENDED for one in found.values()]
