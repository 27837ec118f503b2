"""What only pretends in a simulation: the clock, the executor, the journal, and the rates of pools."""

from __future__ import annotations

import heapq
import json
import math
import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from pipectl.durations import format_duration
from pipectl.engine.assumptions import DEFAULT_SECONDS, Assumptions
from pipectl.engine.clock import Clock
from pipectl.errors import InternalError
from pipectl.events import Event
from pipectl.graph import Node
from pipectl.model import Call, Cause, Job, Outcome, RunState, Task
from pipectl.store.cache import CacheRow
from pipectl.store.locks import RunLock
from pipectl.store.rows import Held, Log, Run


class PretendClock(Clock):
    """Seconds from the start of the run, which go when the executor says so."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        """The time of now."""
        return self.time


class PretendExecutor:
    """Ends each attempt when and as it is assumed to end.

    `guessed` are the tasks of whose duration nothing is known, by path. `start` is the moment that the clock counts
    from, in seconds since the epoch.
    """

    def __init__(self, clock: PretendClock, assumptions: Assumptions, nodes: Mapping[str, Node], start: float) -> None:
        self.guessed: dict[str, Task] = {}
        self._clock = clock
        self._assumptions = assumptions
        self._nodes = nodes
        self._start = start
        self._running: dict[str, Outcome] = {}
        self._ends: list[tuple[float, int, Outcome]] = []
        self._order = count()

    def start(self, job: Job) -> None:
        """Begins the attempt."""
        node = self._nodes[job.instance]
        limit = _limit(node.task, job.timeout)
        fails = self._assumptions.fails(node)
        seconds = self._seconds(node, job, limit, fails=fails)
        if seconds > limit or (fails and node.task.type == "wait"):
            self._end_after(min(seconds, limit), _timeout(job, node.task, limit))
        elif fails:
            self._end_after(seconds, _failure(job, node.task))
        elif node.name in self._assumptions.skipping:
            self._end_after(seconds, _skip(job, node.task))
        else:
            self._end_after(seconds, _success(job))

    def _seconds(self, node: Node, job: Job, limit: float, *, fails: bool) -> float:
        """How long the attempt takes if nothing ends it; a wait fails by nothing but its time limit."""
        said = self._assumptions.said_seconds(node)
        if said is not None:
            return said
        if fails and node.task.type == "wait":
            return limit
        facts = job.work.payload if isinstance(job.work, Call) else {}
        if "seconds" in facts:
            return float(facts["seconds"])
        if "moment" in facts:
            return max(0.0, float(facts["moment"]) - self._start - self._clock.time)
        usual = self._assumptions.usual_seconds(node)
        if usual is not None:
            return usual
        self.guessed[node.path] = node.task
        return min(DEFAULT_SECONDS, limit)

    def attach(self, job: Job, handle: str) -> None:
        """Never called."""
        raise InternalError("what is simulated has no handle")

    def wait(self, timeout: float | None, wake: int | None = None) -> Sequence[Outcome]:
        """The attempts that ended, after letting the time go to the first end, or as far as was asked."""
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
        """Ends the instance's attempt now."""
        running = self._running.get(instance)
        if running is not None:
            self._end_after(0.0, Outcome(instance, running.attempt, Cause.CANCELLED))

    def close(self) -> None:
        """Forgets what is left."""
        self._running.clear()

    def _end_after(self, seconds: float, outcome: Outcome) -> None:
        self._running[outcome.instance] = outcome
        heapq.heappush(self._ends, (self._clock.time + seconds, next(self._order), outcome))


def _limit(task: Task, timeout: float | None) -> float:
    """The time limit of an attempt; waits and approvals have their own."""
    own = None if task.holds_slot else task.body["timeout"]
    return min((limit for limit in (timeout, own) if limit is not None), default=math.inf)


def _success(job: Job) -> Outcome:
    """An attempt with no output, in whichever way a type of task takes it."""
    result = json.dumps({"ok": True, "output": None}).encode()
    return Outcome(job.instance, job.attempt, Cause.EXITED, 0, stdout=b"null", output=b"null", result=result)


def _failure(job: Job, task: Task) -> Outcome:
    """An attempt that failed in the way in which it is tried again."""
    if task.type == "approve":
        return Outcome(job.instance, job.attempt, Cause.REJECTED, error="it is assumed to be rejected")
    result = json.dumps({"ok": False, "error": "it is assumed to fail", "kinds": task.retries.on}).encode()
    exit_code = 2 if task.body.get("skip_exit_code") == 1 else 1
    return Outcome(job.instance, job.attempt, Cause.EXITED, exit_code, result=result)


def _skip(job: Job, task: Task) -> Outcome:
    """An attempt that skipped itself, in the way in which its type can."""
    if task.body.get("on_reject") == "skip":
        return Outcome(job.instance, job.attempt, Cause.REJECTED)
    if task.body.get("on_timeout") == "skip":
        return Outcome(job.instance, job.attempt, Cause.TIMEOUT)
    return Outcome(job.instance, job.attempt, Cause.EXITED, task.body.get("skip_exit_code"))


def _timeout(job: Job, task: Task, limit: float) -> Outcome:
    if task.body.get("on_timeout") == "approve":
        return _success(job)
    what = "ran" if task.holds_slot else "waited"
    error = f"it {what} longer than its time limit of {format_duration(limit)}"
    return Outcome(job.instance, job.attempt, Cause.TIMEOUT, error=error)


class PretendPools:
    """Pools whose slots are counted elsewhere, since no other run is: what is kept here are their rates."""

    def __init__(self, rates: Mapping[str, tuple[int, float]]) -> None:
        self.short = ""
        self._rates = rates
        self._starts: dict[str, deque[float]] = {name: deque(maxlen=most) for name, (most, _) in rates.items()}
        self._now = 0.0

    def take(self, instance: str, wanted: Mapping[str, int]) -> bool:
        """Counts a start in each pool, or gives false, with the one that is `short`."""
        for name in wanted:
            if self._free_at(name) > self._now:
                self.short = name
                return False
        for name in wanted:
            if name in self._starts:
                self._starts[name].append(self._now)
        return True

    def _free_at(self, name: str) -> float:
        starts = self._starts.get(name)
        return starts[0] + self._rates[name][1] if starts and len(starts) == starts.maxlen else 0.0

    def retry_at(self, now: float) -> float | None:
        """When the pool that was short lets another start."""
        self._now = now
        return self._free_at(self.short) if self.short else None

    def taken(self, instance: str, name: str) -> Sequence[str]:
        """No names: nothing uses them."""
        return ()

    def give_back(self, instance: str) -> None:
        """Nothing to do: a start is never taken back."""

    def close(self) -> None:
        """Nothing to do."""


class PretendJournal:
    """Keeps nothing but the outputs, as JSON text by instance."""

    def __init__(self) -> None:
        self.outputs: dict[str, str] = {}

    def record(
        self,
        run: Run,
        after: int,
        events: Sequence[Event],
        outputs: Iterable[tuple[str, str]] = (),
        logs: Iterable[Log] = (),
        cache: Iterable[CacheRow] = (),
    ) -> int:
        """How many events there are now."""
        self.outputs.update(outputs)
        return after + len(events)

    def requests(self, run: Run, after: int) -> Sequence[tuple[int, str, dict[str, Any]]]:
        """None."""
        return ()

    def rewrite_request(self, number: int, data: Mapping[str, Any]) -> None:
        """There is none."""


class NoJitter(random.Random):
    """The middle of every spread, so that a simulation is the same each time."""

    def random(self) -> float:
        """A half."""
        return 0.5


def pretended(pipeline: str) -> Held:
    """A run that is nowhere."""
    moment = datetime.now(UTC)
    run = Run(0, "simulation", pipeline, "", {}, {}, {}, "manual", moment, RunState.RUNNING, 0.0, None, 0.0, 0.0)
    return Held(run, RunLock(Path(), run.id), 0)
