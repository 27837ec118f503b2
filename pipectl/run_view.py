"""A run as people see it, built from its events: what commands show and reports tell, live or later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
class InstanceView:
    """One instance; times are seconds since the epoch, `started` that of its first attempt that was not lost."""

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

    @property
    def duration(self) -> float | None:
        """Seconds from its first start to its end, None while there is no end."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    @property
    def is_failure(self) -> bool:
        """Whether it makes the run fail."""
        return self.state is State.FAILED and not self.allowed


class RunView:
    """The instances of a run, by name and in the order of the file, and where the run stands."""

    def __init__(self, tasks: Iterable[str]) -> None:
        self.instances = {name: InstanceView(name, name) for name in tasks}
        self.state = RunState.RUNNING
        self.started: float | None = None
        self.ended: float | None = None
        self.stopping: str | None = None

    def apply(self, event: Event) -> None:
        """Takes in what happened."""
        match event:
            case AttemptStarted(at, name, attempt):
                self._start(self.instances[name], at, attempt)
            case AttemptFinished():
                self._finish(self.instances[event.instance], event)
            case TaskOpened(_, name):
                self.instances[name].state = State.QUEUED
            case TaskClosed(at, name, state, by, error, allowed):
                one = self.instances[name]
                one.state, one.ended, one.closed_by, one.allowed = state, at, by, allowed
                one.error, one.retry_at = error or one.error, None
            case RunStarted(at):
                self.started = at
            case RunStopping(_, reason):
                self.stopping = reason
            case RunResumed(_, reopened):
                self._resume(reopened)
            case RunFinished(at, state):
                self.ended, self.state = at, state

    def _start(self, one: InstanceView, at: float, attempt: int) -> None:
        one.state, one.attempts, one.retry_at, one.error = State.RUNNING, attempt, None, None
        if one.started is None:
            one.started = at

    def _finish(self, one: InstanceView, event: AttemptFinished) -> None:
        one.exit_code, one.error = event.exit_code, event.error
        if event.state is None:
            one.state, one.started = State.QUEUED, None
        elif event.retry_at is not None:
            one.state, one.retry_at = State.RETRYING, event.retry_at
        else:
            one.state, one.ended, one.allowed = event.state, event.at, event.allowed

    def _resume(self, reopened: Iterable[str]) -> None:
        self.state, self.ended, self.stopping = RunState.RUNNING, None, None
        for name in reopened:
            attempts = self.instances[name].attempts
            self.instances[name] = InstanceView(name, self.instances[name].task, attempts=attempts)

    @property
    def failures(self) -> list[InstanceView]:
        """What made the run fail, the first to fail first: mostly the root of the others."""
        return sorted((one for one in self.instances.values() if one.is_failure), key=lambda one: one.ended or 0.0)

    def counts(self) -> dict[State, int]:
        """How many instances are in each state, in the order of the states; those of none are left out."""
        found = dict.fromkeys(State, 0)
        for one in self.instances.values():
            found[one.state] += 1
        return {state: count for state, count in found.items() if count}

    @property
    def open(self) -> list[InstanceView]:
        """What has not ended."""
        return [one for one in self.instances.values() if one.state not in ENDED]
