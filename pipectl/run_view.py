"""A run as people see it, built from its events: what commands show and reports tell, live or later."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from pipectl.events import (
    ApprovalAnswered,
    AttemptFinished,
    AttemptStarted,
    AttemptWaiting,
    Event,
    RunFinished,
    RunLeft,
    RunResumed,
    RunStarted,
    RunStopping,
    TaskClosed,
    TaskOpened,
)
from pipectl.labels import item_labels
from pipectl.model import ENDED, RunState, State, Task


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

    `task` is the path of its task through all groups, `order` its place among all. `waits_for` says what an instance
    waits for, `answered` who answered its question. `spans` are all its attempts, those before a resume opened it again
    too.
    """

    name: str
    task: str
    order: tuple[int, ...] = ()
    state: State = State.PENDING
    attempts: int = 0
    started: float | None = None
    ended: float | None = None
    error: str | None = None
    exit_code: int | None = None
    allowed: bool = False
    closed_by: str | None = None
    retry_at: float | None = None
    waits_for: str | None = None
    answered: ApprovalAnswered | None = None
    spans: list[Span] = field(default_factory=list)

    @property
    def duration(self) -> float | None:
        """Seconds from its first start to its end, None while there is no end."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    @property
    def is_failure(self) -> bool:
        """Whether it makes the run fail."""
        return self.state is State.FAILED and not self.allowed


_GOOD = frozenset({State.SUCCESS, State.CACHED})


@dataclass(slots=True)
class _Folder:
    """A group, a copy of one, or a task with `foreach`: what is in it, by name."""

    name: str
    path: str
    task: Task
    order: tuple[int, ...]
    is_fan: bool
    inside: list[str] = field(default_factory=list)


class RunView:
    """The instances of a run, by name, and where the run stands.

    A task whose `foreach` has not been opened yet is one instance, by its path, and so is each task of such a group. A
    group is none, unless it failed itself. `by_state` holds the same instances by their state, in the order in which
    they came to it, `by_task` how many are in each state by the path of their task; `allowed` is how many failures do
    not make the run fail. `sessions` are the stretches of time in which a runner worked at the run; of one that was
    killed, up to the last that is known of it.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self.instances: dict[str, InstanceView] = {}
        self.by_state: dict[State, dict[str, InstanceView]] = {state: {} for state in State}
        self.by_task: dict[str, Counter[State]] = defaultdict(Counter)
        self.allowed = 0
        self.state = RunState.RUNNING
        self.started: float | None = None
        self.ended: float | None = None
        self.stopping: str | None = None
        self.sessions: list[Span] = []
        self.heard = 0.0  # when the newest event was
        self._folders: dict[str, _Folder] = {}
        self._former: dict[str, InstanceView] = {}  # what a resume has folded, with its attempts
        for index, (name, task) in enumerate(tasks.items()):
            self._add(task, name, name, (index,))

    @property
    def rows(self) -> list[InstanceView]:
        """The instances in the order of the file, those of one `foreach` in that of its items."""
        return sorted(self.instances.values(), key=lambda one: one.order)

    def apply(self, event: Event) -> None:
        """Takes in what happened; what is told of instances that an edited definition has no more is passed over."""
        match event:
            case RunStarted(at):
                self.started = at
                self.sessions.append(Span(at))
            case RunStopping(_, reason):
                self.stopping = reason
            case RunResumed(at, reopened):
                self._resume(at, reopened)
            case RunLeft(at):
                self.sessions[-1].ended = at
            case RunFinished(at, state):
                self.ended, self.state = at, state
                self.sessions[-1].ended = at
            case TaskOpened() | TaskClosed() if event.instance in self._folders:
                self._apply_to_folder(self._folders[event.instance], event)
            case _:
                one = self.instances.get(getattr(event, "instance", ""))
                if one is not None:
                    self._apply_to(one, event)
        self.heard = event.at

    def _apply_to(self, one: InstanceView, event: Event) -> None:
        match event:
            case AttemptStarted(at, _, attempt):
                self._start(one, at, attempt)
            case AttemptFinished():
                self._finish(one, event)
            case TaskOpened():
                self._move(one, State.QUEUED)
            case TaskClosed():
                self._close(one, event, event.state)
            case AttemptWaiting():
                self._move(one, State.WAITING)
                one.waits_for = event.on
            case ApprovalAnswered():
                one.answered = event

    def _move(self, one: InstanceView, state: State, *, allowed: bool = False) -> None:
        self._leave(one)
        one.state, one.allowed = state, allowed
        self._enter(one)

    def _enter(self, one: InstanceView) -> None:
        self.by_state[one.state][one.name] = one
        self.by_task[one.task][one.state] += 1
        self.allowed += one.allowed

    def _leave(self, one: InstanceView) -> None:
        del self.by_state[one.state][one.name]
        self.by_task[one.task][one.state] -= 1
        self.allowed -= one.allowed

    def _start(self, one: InstanceView, at: float, attempt: int) -> None:
        self._move(one, State.RUNNING)
        one.attempts, one.retry_at, one.error = attempt, None, None
        one.spans.append(Span(at))
        if one.started is None:
            one.started = at

    def _finish(self, one: InstanceView, event: AttemptFinished) -> None:
        if not one.spans:
            return
        one.exit_code, one.error = event.exit_code, event.error
        span = one.spans[-1]
        span.ended, span.state = event.at, event.state
        if event.state is None:
            if one.state is not State.PENDING:  # where it was opened again with the whole of what it is in
                self._move(one, State.QUEUED)
            one.started = None
            span.ended = self.sessions[-2].ended if len(self.sessions) > 1 else event.at
        elif event.retry_at is not None:
            self._move(one, State.RETRYING)
            one.retry_at = event.retry_at
        else:
            self._move(one, event.state, allowed=event.allowed and event.state is State.FAILED)
            one.ended = event.at

    def _close(self, one: InstanceView, event: TaskClosed, state: State) -> None:
        self._move(one, state, allowed=event.allowed and state is State.FAILED)
        one.ended, one.closed_by = event.at, event.by
        one.error, one.retry_at = event.error or one.error, None

    # Groups

    def _apply_to_folder(self, folder: _Folder, event: TaskOpened | TaskClosed) -> None:
        if isinstance(event, TaskClosed):
            self._close_folder(folder, event)
        elif folder.is_fan and event.items is not None:
            self._unfold(folder, event)

    def _unfold(self, fan: _Folder, event: TaskOpened) -> None:
        if not event.items:
            nothing = TaskClosed(event.at, fan.name, State.SKIPPED, "foreach")
            for one in self._rows_within(fan):
                self._close(one, nothing, State.SKIPPED)
            return
        self._empty(fan)
        for index, label in enumerate(event.labels or item_labels(event.items)):
            name = f"{fan.name}[{label}]"
            fan.inside.append(name)
            self._add_copy(fan.task, name, fan.path, (*fan.order, index))

    def _close_folder(self, folder: _Folder, event: TaskClosed) -> None:
        if event.by == "tasks":
            for one in self._rows_within(folder):
                if event.allowed and one.state is State.FAILED:
                    self._move(one, State.FAILED, allowed=True)
            return
        inner = State.UPSTREAM_FAILED if event.state is State.FAILED else event.state
        for one in self._rows_within(folder):
            if one.state not in ENDED:
                self._close(one, event, event.state if one.name == folder.name else inner)
                one.error = event.error if one.name == folder.name else None
        if event.state is State.FAILED and folder.name not in self.instances:
            self._add_row(folder.name, folder.path, folder.order)
            self._close(self.instances[folder.name], event, State.FAILED)

    def _add(self, task: Task, name: str, path: str, order: tuple[int, ...]) -> None:
        """A task as it is before its `foreach` is opened."""
        if task.foreach is None:
            self._add_copy(task, name, path, order)
            return
        fan = self._folders[name] = _Folder(name, path, task, order, is_fan=True)
        self._add_placeholders(fan)

    def _add_placeholders(self, fan: _Folder) -> None:
        if fan.task.is_group:
            self._add_within(fan)
        else:
            self._add_row(fan.name, fan.path, fan.order)

    def _add_copy(self, task: Task, name: str, path: str, order: tuple[int, ...]) -> None:
        if task.is_group:
            group = self._folders[name] = _Folder(name, path, task, order, is_fan=False)
            self._add_within(group)
        else:
            self._add_row(name, path, order)

    def _add_within(self, folder: _Folder) -> None:
        for index, (name, task) in enumerate(folder.task.children.items()):
            full = f"{folder.name}.{name}"
            folder.inside.append(full)
            self._add(task, full, f"{folder.path}.{name}", (*folder.order, index))

    def _add_row(self, name: str, path: str, order: tuple[int, ...]) -> None:
        former = self._former.pop(name, None)
        one = InstanceView(name, path, order)
        if former is not None:
            one.attempts, one.spans = former.attempts, former.spans
        self.instances[name] = one
        self._enter(one)

    def _rows_within(self, folder: _Folder) -> Iterator[InstanceView]:
        if folder.name in self.instances:
            yield self.instances[folder.name]
        for name in folder.inside:
            if name in self._folders:
                yield from self._rows_within(self._folders[name])
            else:
                yield self.instances[name]

    def _empty(self, folder: _Folder) -> None:
        """Forgets all in it."""
        for one in list(self._rows_within(folder)):
            del self.instances[one.name]
            self._leave(one)
            if one.attempts:
                self._former[one.name] = one
                if one.spans and one.spans[-1].ended is None:
                    one.spans[-1].ended = self.heard  # lost with its runner
        ahead = [folder]
        for one_in in ahead:
            ahead += [self._folders.pop(name) for name in one_in.inside if name in self._folders]
            one_in.inside = []

    # Resuming

    def _resume(self, at: float, reopened: Iterable[str]) -> None:
        self.state, self.ended, self.stopping = RunState.RUNNING, None, None
        self.sessions[-1].ended = self.sessions[-1].ended or self.heard
        self.sessions.append(Span(at))
        chosen = frozenset(reopened)
        for name in reopened:
            if name in self._folders:
                self._reopen_folder(self._folders[name], chosen)
            elif name in self.instances:
                self._reopen_row(self.instances[name])

    def _reopen_folder(self, folder: _Folder, chosen: Set[str]) -> None:
        """Opens it again; what succeeded in it stands, but for the chosen."""
        if all(one.state not in _GOOD or one.name in chosen for one in self._rows_within(folder)):
            self._empty(folder)
            self._add_placeholders(folder) if folder.is_fan else self._add_within(folder)
            return
        for name in folder.inside:
            if name in self._folders:
                self._reopen_folder(self._folders[name], chosen)
            elif self.instances[name].state not in _GOOD or name in chosen:
                self._reopen_row(self.instances[name])

    def _reopen_row(self, before: InstanceView) -> None:
        self._leave(before)
        again = InstanceView(before.name, before.task, before.order, attempts=before.attempts, spans=before.spans)
        self.instances[before.name] = again
        self._enter(again)

    @property
    def failures(self) -> list[InstanceView]:
        """What made the run fail, the first to fail first: mostly the root of the others."""
        failed = (one for one in self.by_state[State.FAILED].values() if one.is_failure)
        return sorted(failed, key=lambda one: one.ended or 0.0)

    def counts(self) -> dict[State, int]:
        """How many instances are in each state, in the order of the states; those of none are left out."""
        return {state: len(found) for state, found in self.by_state.items() if found}

    @property
    def open(self) -> list[InstanceView]:
        """What has not ended, by state."""
        return [one for state, found in self.by_state.items() if state not in ENDED for one in found.values()]
