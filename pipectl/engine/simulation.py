"""A run in simulated time: the real plan and loop, over a clock, an executor and a journal that only pretend."""

from __future__ import annotations

import heapq
import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from pipectl.durations import format_duration
from pipectl.engine.clock import Clock
from pipectl.engine.foresight import Foresight
from pipectl.engine.outputs import Outputs
from pipectl.engine.prepare import Setting
from pipectl.engine.runner import Runner
from pipectl.errors import InternalError
from pipectl.events import Event, RunStarted
from pipectl.graph import Node, topological
from pipectl.masking import Masker
from pipectl.model import Cause, Job, Outcome, RunState, Task
from pipectl.plan import Plan
from pipectl.run_view import RunView
from pipectl.store.locks import RunLock
from pipectl.store.rows import Held, Log, Run
from pipectl.template import Renderer

DEFAULT_SECONDS = 1.0
"""How long an attempt takes of which nothing is known, unless its time limit is less."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is taken for granted: seconds of an attempt by instance, and the tasks of which every attempt fails."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()

    def seconds_of(self, job: Job) -> float:
        """How long the attempt takes if nothing ends it."""
        guess = DEFAULT_SECONDS if job.timeout is None else min(DEFAULT_SECONDS, job.timeout)
        return self.seconds.get(job.instance, guess)


@dataclass(frozen=True, slots=True)
class Simulation:
    """What would happen. Times are seconds from the start of the run; `foresight` knows the states at its end."""

    events: Sequence[Event]
    view: RunView
    plan: Plan
    foresight: Foresight
    assumptions: Assumptions

    @property
    def unknown(self) -> list[str]:
        """The instances that ran, and whose duration is a guess."""
        names = (one.name for one in self.view.instances.values() if one.started is not None)
        return [name for name in names if name not in self.assumptions.seconds]

    @property
    def makespan(self) -> float:
        """Seconds from the start to the end of the run."""
        return self.view.ended or 0.0

    @property
    def critical_path(self) -> list[str]:
        """The chain of instances that takes longest, each of which waited for the one before it.

        A task that starts as soon as one of its upstreams is done waited for those that had ended by then.
        """
        took = {one.name: one.duration or 0.0 for one in self.view.instances.values()}
        longest: dict[str, float] = {}
        before: dict[str, str] = {}
        for node in topological(self.plan.nodes.values()):
            above = max(self._awaited(node), key=lambda name: longest[name], default=None)
            longest[node.name] = took[node.name] + (longest[above] if above else 0.0)
            if above:
                before[node.name] = above
        path = [max(longest, key=lambda name: longest[name])] if longest else []
        while path and path[-1] in before:
            path.append(before[path[-1]])
        return [name for name in reversed(path) if self.view.instances[name].started is not None]

    def _awaited(self, node: Node) -> Iterator[str]:
        """The upstreams that had ended when the task started, or was decided."""
        one = self.view.instances[node.name]
        moment = one.ended if one.started is None else one.started
        for name in node.task.needs:
            ended = self.view.instances[name].ended
            if ended is not None and moment is not None and ended <= moment:
                yield name

    @property
    def critical_seconds(self) -> float:
        """How long the critical path takes."""
        return sum(self.view.instances[name].duration or 0.0 for name in self.critical_path)


def simulate(setting: Setting, assumptions: Assumptions, *, capacity: int) -> Simulation:
    """Carries out a run in which nothing runs and nothing is written, from 0 to its end.

    Conditions over outputs, and so expectations, are taken as true; retries come without jitter.
    """
    pipeline = setting.pipeline
    clock = _Clock()
    plan = Plan(pipeline.tasks)
    outputs = Outputs(lambda instance: None)
    foresight = Foresight(setting, plan, outputs, Renderer(pipeline.folder))
    events: list[Event] = []
    runner = Runner(
        held=_held(pipeline.name),
        recorded=0,
        plan=plan,
        store=_Nowhere(),
        executor=_Executor(clock, assumptions, pipeline.tasks),
        preparer=foresight,
        outputs=outputs,
        masker=Masker([]),
        clock=clock,
        capacity=capacity,
        timeout=pipeline.timeout,
        fail_fast=pipeline.fail_fast,
        listeners=[events.append],
        rng=_NoJitter(),
        look_every=math.inf,
    )
    runner.execute([RunStarted(0.0)])
    view = RunView(pipeline.tasks)
    for event in events:
        view.apply(event)
    return Simulation(events, view, plan, foresight, assumptions)


class _Clock(Clock):
    """Time that goes when the executor says so."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time


class _Executor:
    """Ends each attempt when it is assumed to end."""

    def __init__(self, clock: _Clock, assumptions: Assumptions, tasks: Mapping[str, Task]) -> None:
        self._clock = clock
        self._assumptions = assumptions
        self._tasks = tasks
        self._running: dict[str, Outcome] = {}
        self._ends: list[tuple[float, int, Outcome]] = []
        self._order = count()

    def start(self, job: Job) -> None:
        seconds = self._assumptions.seconds_of(job)
        if job.timeout is not None and seconds > job.timeout:
            error = f"it ran longer than its time limit of {format_duration(job.timeout)}"
            self._end_after(job.timeout, Outcome(job.instance, job.attempt, Cause.TIMEOUT, error=error))
        elif job.instance in self._assumptions.failing:
            self._end_after(seconds, _failure(job, self._tasks[job.instance]))
        else:
            self._end_after(seconds, _success(job))

    def attach(self, job: Job, handle: str) -> None:
        raise InternalError("what is simulated has no handle")

    def wait(self, timeout: float | None, wake: int | None = None) -> Sequence[Outcome]:
        until = self._clock.time + (math.inf if timeout is None else timeout)
        ended: list[Outcome] = []
        while self._ends and self._ends[0][0] <= until:
            until, _, outcome = heapq.heappop(self._ends)
            if self._running.get(outcome.instance) is outcome:
                del self._running[outcome.instance]
                ended.append(outcome)
        self._clock.time = until
        return ended

    def cancel(self, instance: str, *, at_once: bool = False) -> None:
        running = self._running.get(instance)
        if running is not None:
            self._end_after(0.0, Outcome(instance, running.attempt, Cause.CANCELLED))

    def close(self) -> None:
        self._running.clear()

    def _end_after(self, seconds: float, outcome: Outcome) -> None:
        self._running[outcome.instance] = outcome
        heapq.heappush(self._ends, (self._clock.time + seconds, next(self._order), outcome))


def _held(pipeline: str) -> Held:
    moment = datetime.now(UTC)
    run = Run(0, "simulation", pipeline, "", {}, {}, {}, "manual", moment, RunState.RUNNING, 0.0, None, 0.0, 0.0)
    return Held(run, RunLock(Path(), run.id), 0)


def _success(job: Job) -> Outcome:
    """An attempt with no output, in whichever way a type of task takes it."""
    result = json.dumps({"ok": True, "output": None}).encode()
    return Outcome(job.instance, job.attempt, Cause.EXITED, 0, stdout=b"null", output=b"null", result=result)


def _failure(job: Job, task: Task) -> Outcome:
    """An attempt that failed in the way in which it is tried again."""
    result = json.dumps({"ok": False, "error": "it is assumed to fail", "kinds": task.retries.on}).encode()
    exit_code = 2 if task.body.get("skip_exit_code") == 1 else 1
    return Outcome(job.instance, job.attempt, Cause.EXITED, exit_code, result=result)


class _Nowhere:
    """A journal that keeps nothing."""

    def record(
        self,
        run: Run,
        after: int,
        events: Sequence[Event],
        outputs: Iterable[tuple[str, str]] = (),
        logs: Iterable[Log] = (),
    ) -> int:
        return after + len(events)

    def requests(self, run: Run, after: int) -> Sequence[tuple[int, str]]:
        return ()


class _NoJitter(random.Random):
    """The middle of every spread, so that a simulation is the same each time."""

    def random(self) -> float:
        return 0.5
