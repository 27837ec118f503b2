"""The loop: decide, start, wait, finish, until every instance has ended.

A turn's events are applied to the plan as they come and recorded in one transaction; nothing is started, ended, shown
or told before that transaction returned.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipectl.engine.clock import Clock
from pipectl.engine.journal import Journal
from pipectl.engine.outputs import Outputs
from pipectl.engine.prepare import Preparer
from pipectl.engine.verdict import Verdict, delay, judge, may_retry, shown
from pipectl.errors import InternalError
from pipectl.events import (
    AttemptFinished,
    AttemptHandle,
    AttemptStarted,
    Event,
    RunFinished,
    RunStopping,
    TaskClosed,
    TaskOpened,
)
from pipectl.executors.base import Executor
from pipectl.graph import Node
from pipectl.masking import Masker
from pipectl.model import Cause, Job, Outcome, RunState, State
from pipectl.plan import Decision, Plan
from pipectl.store.rows import Held, Log
from pipectl.tasks.base import TaskFailed
from pipectl.template import TemplateError

_LOOK_EVERY = 0.5  # seconds between looks for requests of others

Listener = Callable[[Event], None]


class Signals(Protocol):
    """Where signals come from; see `executors.guard`."""

    def fileno(self) -> int:
        """Readable when there is something to take."""

    def signals(self) -> Sequence[int]:
        """The numbers of the signals that came since. Raises GuardDied where the guard is gone."""


@dataclass(slots=True)
class _Turn:
    """What one turn of the loop records, and does once that is recorded."""

    events: list[Event] = field(default_factory=list)
    outputs: list[tuple[str, str]] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    starts: list[Node] = field(default_factory=list)
    cancels: list[tuple[str, bool]] = field(default_factory=list)


class Runner:
    """Carries out one run whose lock is held; `plan` has taken in all that was recorded of it so far."""

    def __init__(
        self,
        *,
        held: Held,
        recorded: int,
        plan: Plan,
        store: Journal,
        executor: Executor,
        preparer: Preparer,
        outputs: Outputs,
        masker: Masker,
        clock: Clock,
        capacity: int,
        timeout: float | None = None,
        fail_fast: bool = False,
        signals: Signals | None = None,
        listeners: Iterable[Listener] = (),
        on_turn: Callable[[], None] = lambda: None,
        rng: random.Random | None = None,
        look_every: float = _LOOK_EVERY,
    ) -> None:
        self._run = held.run
        self._recorded = recorded
        self._plan = plan
        self._store = store
        self._executor = executor
        self._preparer = preparer
        self._outputs = outputs
        self._masker = masker
        self._clock = clock
        self._capacity = capacity
        self._fail_fast = fail_fast
        self._signals = signals
        self._listeners = list(listeners)
        self._on_turn = on_turn
        self._rng = rng or random.Random()
        self._turn = _Turn()
        self._unstartable: list[Outcome] = []
        self._grace_ends: dict[str, float] = {}
        self._request = held.heard
        self._next_look = 0.0
        self._look_every = look_every
        self._deadline = None if timeout is None else clock.now() + timeout
        self.signal: int | None = None

    def execute(self, first: Iterable[Event] = ()) -> RunState:
        """Runs until every instance has ended, after recording the events of how it was taken up.

        Returns the run's state; `signal` is then the number of the signal that stopped it, if one did. Raises
        StateError where the state cannot be written, and GuardDied; whatever runs then is ended.
        """
        try:
            for event in first:
                self._emit(event)
            self._commit()
            self._attach()
            while not self._finish_run():
                self._step()
            return self._plan.verdict
        finally:
            self._executor.close()

    def _step(self) -> None:
        self._choose()
        self._commit()
        self._act()
        self._on_turn()
        for outcome in self._wait():
            self._finish(outcome)
        self._hear()
        self._look()

    def _finish_run(self) -> bool:
        self._decide()
        if not self._plan.finished:
            return False
        self._emit(RunFinished(self._clock.now(), self._plan.verdict))
        self._commit()
        return True

    # Recording

    def _emit(self, event: Event) -> None:
        self._turn.events.append(event)
        self._plan.apply(event)

    def _commit(self) -> None:
        turn = self._turn
        if not turn.events:
            return
        self._recorded = self._store.record(self._run, self._recorded, turn.events, turn.outputs, turn.logs)
        self._outputs.fresh.clear()
        for event in turn.events:
            for listener in self._listeners:
                listener(event)
        turn.events, turn.outputs, turn.logs = [], [], []

    # Deciding and starting

    def _decide(self) -> None:
        while True:
            if self._fail_fast and self._plan.failed and not self._plan.stopping:
                self._stop("fail_fast")
            decision = self._plan.next_decision()
            if decision is None:
                return
            self._emit(self._answer(decision))

    def _answer(self, decision: Decision) -> Event:
        node, now = decision.node, self._clock.now()
        if decision.state is not None:
            return TaskClosed(now, node.name, decision.state, decision.by)
        assert node.task.when is not None
        try:
            if self._preparer.holds(node.task.when, node.task):
                return TaskOpened(now, node.name)
        except (TemplateError, TaskFailed) as error:
            allowed, told = self._allowed(node, f"`when`: {shown(self._masker, error)}")
            return TaskClosed(now, node.name, State.FAILED, "when", shown(self._masker, told), allowed=allowed)
        return TaskClosed(now, node.name, State.SKIPPED, "when")

    def _choose(self) -> None:
        self._plan.wake(self._clock.now())
        while len(self._plan.running) < self._capacity and (node := self._plan.next_ready()):
            self._emit(AttemptStarted(self._clock.now(), node.name, node.attempts + 1))
            self._turn.starts.append(node)

    def _act(self) -> None:
        """Does what the turn decided, now that it is recorded."""
        turn = self._turn
        for node in turn.starts:
            self._start(node)
        for instance, at_once in turn.cancels:
            self._executor.cancel(instance, at_once=at_once)
        turn.starts, turn.cancels = [], []

    def _start(self, node: Node) -> None:
        job = self._job(node)
        if job is None:
            return
        handle = self._executor.start(job)
        if handle is not None:
            self._emit(AttemptHandle(self._clock.now(), node.name, node.attempts, handle))
            self._commit()
            self._executor.attach(job, handle)

    def _attach(self) -> None:
        for node in list(self._plan.running.values()):
            if node.handle is not None and (job := self._job(node)):
                self._executor.attach(job, node.handle)

    def _job(self, node: Node) -> Job | None:
        timeout = node.task.grace if self._plan.stopping else node.task.timeout
        try:
            return self._preparer.job(node, node.attempts, timeout=timeout)
        except (TemplateError, TaskFailed) as error:
            outcome = Outcome(node.name, node.attempts, Cause.UNSTARTABLE, error=shown(self._masker, error))
            self._unstartable.append(outcome)
            return None

    # Waiting

    def _wait(self) -> Sequence[Outcome]:
        unstartable, self._unstartable = self._unstartable, []
        now = self._clock.now()
        next_retry = self._plan.wake(now)
        times = [self._next_look, next_retry, self._deadline, *self._grace_ends.values()]
        if unstartable or (self._plan.next_ready() and len(self._plan.running) < self._capacity):
            times.append(now)
        elif not self._plan.running and next_retry is None and not self._plan.finished:
            raise InternalError(f"run {self._run.id} is stuck: nothing runs, and nothing will")
        wait = max(0.0, min(time for time in times if time is not None) - now)
        return [*unstartable, *self._executor.wait(wait, self._signals.fileno() if self._signals else None)]

    def _finish(self, outcome: Outcome) -> None:
        node = self._plan.nodes[outcome.instance]
        task, now = node.task, self._clock.now()
        verdict = judge(task, outcome, self._masker, lambda text, value: self._expected(text, node, value))
        allowed, error, retry_at = False, verdict.error, None
        if verdict.state is State.FAILED:
            retry_at = self._retry_at(node, outcome, verdict, now)
            if retry_at is None:
                allowed, error = self._allowed(node, error)
        if verdict.output is not None:
            self._outputs.fresh[node.name] = verdict.output
            self._turn.outputs.append((node.name, verdict.output))
        self._grace_ends.pop(node.name, None)
        if outcome.log_size:
            self._turn.logs.append(Log(node.name, outcome.attempt, outcome.log_size, outcome.log_file, outcome.log))
        self._emit(
            AttemptFinished(
                now,
                node.name,
                outcome.attempt,
                verdict.state,
                exit_code=outcome.exit_code,
                error=error,
                retry_at=retry_at,
                allowed=allowed,
            )
        )

    def _expected(self, text: str | bool, node: Node, value: object) -> bool:
        try:
            return self._preparer.holds(text, node.task, {"output": value})
        except TemplateError as error:
            raise TaskFailed(f"`expect`: {shown(self._masker, error)}") from error

    def _retry_at(self, node: Node, outcome: Outcome, verdict: Verdict, now: float) -> float | None:
        retry = node.task.retries
        if self._plan.stopping or not may_retry(retry, verdict, outcome, node.tries):
            return None
        at = now + delay(retry, node.tries, self._rng.random(), verdict.retry_after)
        if retry.max_elapsed is not None and node.first_start is not None and at > node.first_start + retry.max_elapsed:
            return None
        return at

    def _allowed(self, node: Node, error: str | None) -> tuple[bool, str | None]:
        """Whether the failure of a task does not fail the run, and its error, with why that could not be told."""
        try:
            return self._preparer.holds(node.task.allow_failure, node.task), error
        except TemplateError as fault:
            return False, shown(self._masker, f"{error}; `allow_failure`: {fault}")

    # Stopping

    def _stop(self, reason: str, *, at_once: bool = False) -> None:
        now = self._clock.now()
        self._deadline = None
        self._emit(RunStopping(now, reason, at_once))
        for node in self._plan.running.values():
            if at_once or not node.always:
                self._turn.cancels.append((node.name, at_once))
            else:
                self._grace_ends.setdefault(node.name, now + node.task.grace)

    def _hear(self) -> None:
        for number in self._signals.signals() if self._signals else ():
            self._stop(signal.Signals(number).name, at_once=self.signal is not None or number == signal.SIGQUIT)
            self.signal = self.signal or number

    def _look(self) -> None:
        now = self._clock.now()
        for name in [name for name, end in self._grace_ends.items() if end <= now]:
            del self._grace_ends[name]
            self._turn.cancels.append((name, False))
        if self._deadline is not None and now >= self._deadline:
            self._stop("timeout")
        if now >= self._next_look:
            self._next_look = now + self._look_every
            for number, kind in self._store.requests(self._run, self._request):
                self._request = number
                if kind == "cancel" and not self._plan.cancelled:
                    self._stop("cancel")
