"""The loop: decide, start, wait, finish, until every instance has ended.

A turn's events are applied to the plan as they come and recorded in one transaction; nothing is started, ended, shown
or told before that transaction returned.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from pipectl.engine.clock import Clock
from pipectl.engine.ends import Ends
from pipectl.engine.journal import Journal
from pipectl.engine.ledger import Ledger, Listener
from pipectl.engine.opening import Opener
from pipectl.engine.outputs import Outputs
from pipectl.engine.prepare import Preparer
from pipectl.engine.starts import Starts
from pipectl.engine.verdict import Verdict, shown
from pipectl.engine.wakes import Signals, Wake
from pipectl.errors import InternalError
from pipectl.events import (
    AttemptHandle,
    AttemptStarted,
    Event,
    RunFinished,
    RunLeft,
    RunStopping,
    TaskClosed,
)
from pipectl.executors.base import Executor
from pipectl.graph import Node
from pipectl.masking import Masker
from pipectl.model import ENDED, Cause, Job, Outcome, RunState, State
from pipectl.plan import Ask, Decision, Plan
from pipectl.store.rows import Held, Log
from pipectl.tasks.base import TaskFailed
from pipectl.template import TemplateError

if TYPE_CHECKING:
    from pipectl.engine.waiters import Waiters  # what most pipelines have none of
    from pipectl.engine.waits import WaitingRoom

_LOOK_EVERY = 0.5  # seconds between looks for requests of others


class Runner:
    """Carries out one run whose lock is held; `plan` has taken in all that was recorded of it so far.

    `room` is where waits and approvals are while they wait; without it the executor has them too. With `may_leave` the
    run is left where only approvals are awaited.
    """

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
        starts: Starts | None = None,
        opener: Opener | None = None,
        ends: Ends | None = None,
        room: WaitingRoom | None = None,
        may_leave: bool = False,
        timeout: float | None = None,
        fail_fast: bool = False,
        signals: Signals | None = None,
        listeners: Iterable[Listener] = (),
        on_turn: Callable[[], None] = lambda: None,
        rng: random.Random | None = None,
        look_every: float = _LOOK_EVERY,
    ) -> None:
        self._run = held.run
        self._plan = plan
        self._store = store
        self._ledger = Ledger(held.run, plan, store, outputs, recorded, list(listeners))
        self._emit = self._ledger.emit
        self._executor = executor
        self._preparer = preparer
        self._masker = masker
        self._clock = clock
        self._starts = starts or Starts(plan, preparer, outputs)
        self._opener = opener or Opener(preparer, masker)
        self._ends = ends or Ends(plan, preparer, masker, rng or random.Random())
        self._waiters = self._waiters_in(room)
        self._may_leave = may_leave
        self._fail_fast = fail_fast
        self._signals = signals
        self._on_turn = on_turn
        self._to_start: list[Node] = []
        self._to_cancel: list[tuple[str, bool]] = []
        self._unstartable: list[Outcome] = []
        self._keeping: dict[str, tuple[Outcome, Verdict]] = {}  # successes whose outputs are being looked at
        self._grace_ends: dict[str, float] = {}
        self._request = held.heard
        self._next_look = 0.0
        self._look_every = look_every
        self._deadline = None if timeout is None else clock.now() + timeout
        self._wake = Wake(signals, self._starts)
        self.signal: int | None = None

    def _waiters_in(self, room: WaitingRoom | None) -> Waiters | None:
        if room is None:
            return None
        from pipectl.engine.waiters import Waiters  # what most pipelines have none of

        return Waiters(room, self._ledger, self._clock, self._executor)

    def execute(self, first: Iterable[Event] = ()) -> RunState:
        """Runs until every instance has ended, after recording the events of how it was taken up.

        Returns the run's state, which is still `running` where it was left; `signal` is then the number of the signal
        that stopped it, if one did. Raises StateError where the state cannot be written, and GuardDied; whatever runs
        then is ended.
        """
        try:
            for event in first:
                self._emit(event)
            self._ledger.commit()
            self._attach()
            while not self._finish_run():
                if self._is_left():
                    self._emit(RunLeft(self._clock.now()))
                    self._ledger.commit()
                    return RunState.RUNNING
                self._step()
            return self._plan.verdict
        finally:
            self._executor.close()
            self._starts.close()
            self._wake.close()

    def _step(self) -> None:
        self._choose()
        self._ledger.commit()
        self._act()
        self._on_turn()
        for outcome in self._wait():
            self._finish(outcome)
        self._take_answers()
        self._hear()
        self._look()

    def _finish_run(self) -> bool:
        self._decide()
        if not self._plan.finished:
            return False
        self._emit(RunFinished(self._clock.now(), self._plan.verdict))
        self._ledger.commit()
        return True

    def _is_left(self) -> bool:
        """Whether only people can bring the run on, and nobody is to wait for them."""
        if not self._may_leave or self._waiters is None or self._plan.stopping:
            return False
        if self._ledger.is_open or self._starts.pending:
            return False
        idle = self._plan.wake(self._clock.now()) is None and not self._plan.next_ready()
        return idle and self._waiters.are_all(self._plan.running)

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
        match decision.ask:
            case Ask.CLOSE:
                return TaskClosed(now, node.name, decision.state, decision.by)
            case Ask.JUDGE:
                allowed, error = self._ends.allowed(node, None)
                return TaskClosed(now, node.name, State.FAILED, "tasks", error, allowed=allowed)
            case Ask.OPEN:
                answer = self._opener.open(node, now)
                if isinstance(answer, TaskClosed) and answer.state is State.FAILED:
                    allowed, error = self._ends.allowed(node, answer.error)
                    return replace(answer, error=error, allowed=allowed)
                return answer

    def _choose(self) -> None:
        now = self._clock.now()
        self._plan.wake(now)
        while node := self._starts.next(now):
            self._emit(AttemptStarted(now, node.name, node.attempts + 1))
            self._to_start.append(node)

    def _act(self) -> None:
        """Does what the turn decided, now that it is recorded."""
        starts, self._to_start = self._to_start, []
        cancels, self._to_cancel = self._to_cancel, []
        for node in starts:
            self._start(node)
        for instance, at_once in (*cancels, *((node.name, False) for node in self._plan.take_doomed())):
            if self._waiters is not None:
                self._waiters.cancel(instance)
            self._executor.cancel(instance, at_once=at_once)
        self._ledger.commit()

    def _start(self, node: Node) -> None:
        job = self._job(node)
        if job is None:
            return
        if self._waiters is not None and not node.task.holds_slot:
            self._waiters.enter(node, job)
            return
        handle = self._executor.start(job)
        if handle is not None:
            self._emit(AttemptHandle(self._clock.now(), node.name, node.attempts, handle))
            self._ledger.commit()
            self._executor.attach(job, handle)

    def _attach(self) -> None:
        for node in list(self._plan.running.values()):
            if node.handle is not None and (job := self._job(node)):
                self._executor.attach(job, node.handle)

    def _job(self, node: Node) -> Job | None:
        timeout = node.task.grace if self._plan.stopping else node.task.timeout
        try:
            self._starts.check(node)
            return self._preparer.job(node, node.attempts, timeout=timeout, devices=self._starts.devices(node))
        except (TemplateError, TaskFailed) as error:
            outcome = Outcome(node.name, node.attempts, Cause.UNSTARTABLE, error=shown(self._masker, error))
            self._unstartable.append(outcome)
            return None

    # Waiting

    def _wait(self) -> Iterator[Outcome]:
        """The attempts that are over; waits for the first."""
        over, self._unstartable = self._unstartable, []
        if self._waiters is not None:
            over += self._waiters.over()
        ended: Iterator[Outcome] = iter(self._executor.wait(0.0 if over else self._pause(), self._wake.descriptor))
        return chain(over, ended if self._waiters is None else self._waiters.told(ended))

    def _pause(self) -> float:
        """Seconds until something is to be done, whatever ends until then."""
        now = self._clock.now()
        next_retry = self._plan.wake(now)
        if self._plan.next_ready():
            return 0.0
        due = None if self._waiters is None else self._waiters.due()
        if not (self._plan.running or self._plan.finished or self._starts.pending) and next_retry is None:
            raise InternalError(f"run {self._run.id} is stuck: nothing runs, and nothing will")
        times = [self._next_look, next_retry, self._deadline, due, self._starts.due(now), *self._grace_ends.values()]
        return max(0.0, min(time for time in times if time is not None) - now)

    def _finish(self, outcome: Outcome) -> None:
        node = self._plan.nodes[outcome.instance]
        verdict = self._ends.verdict(node, outcome)
        if verdict.state is State.SUCCESS and self._starts.keep(node, verdict.output):
            self._keeping[node.name] = (outcome, verdict)
        else:
            self._conclude(node, outcome, verdict)

    def _conclude(self, node: Node, outcome: Outcome, verdict: Verdict) -> None:
        self._ledger.give(node.name, verdict.output)
        self._grace_ends.pop(node.name, None)
        self._starts.ended(node)
        if outcome.log_size:
            log = Log(node.name, outcome.attempt, outcome.log_size, outcome.log_file, outcome.log)
            self._ledger.log(log)
        self._emit(self._ends.event(node, outcome, verdict, self._clock.now()))
        if node.state in ENDED:
            self._starts.done(node)

    def _take_answers(self) -> None:
        """What was done before, and what is known of the outputs that attempts left."""
        for answer in self._starts.answers():
            node = self._plan.nodes[answer.instance]
            if answer.kind == "look":
                self._ledger.give(node.name, answer.output)
                self._emit(TaskClosed(self._clock.now(), node.name, State.CACHED, "cache"))
                continue
            if node.name not in self._keeping:
                continue  # the run was stopped at once
            outcome, verdict = self._keeping.pop(node.name)
            if answer.error is not None:
                verdict = Verdict(State.FAILED, error=shown(self._masker, answer.error))
            elif answer.row is not None:
                self._ledger.keep(answer.row)
            self._conclude(node, outcome, verdict)

    # Stopping

    def _stop(self, reason: str, *, at_once: bool = False) -> None:
        now = self._clock.now()
        self._deadline = None
        self._emit(RunStopping(now, reason, at_once))
        for name in list(self._keeping) if at_once else ():
            self._conclude(self._plan.nodes[name], *self._keeping.pop(name))
        for node in self._plan.running.values():
            if not self._plan.may_start(node):
                self._to_cancel.append((node.name, at_once))
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
            self._to_cancel.append((name, False))
        if self._deadline is not None and now >= self._deadline:
            self._stop("timeout")
        if now >= self._next_look:
            self._next_look = now + self._look_every
            for number, kind, data in self._store.requests(self._run, self._request):
                self._request = number
                if kind == "cancel":
                    if not self._plan.cancelled:
                        self._stop("cancel")
                elif self._waiters is not None:
                    self._hear_answer(number, kind, data)

    def _hear_answer(self, number: int, kind: str, data: Mapping[str, Any]) -> None:
        """Takes in an answer; who gave it knew of no secrets."""
        assert self._waiters is not None
        masked = self._masker.mask_value(data)
        if masked != data:
            self._store.rewrite_request(number, masked)
        self._waiters.hear(kind, masked)
