"""Where the attempts of waits and approvals are while they wait: none of them holds a slot.

The room knows what each waits for, when to look again and when its time is up. Looks that need a process are jobs for
the executor; what comes of them is told to the room, which says whether the wait is over.
"""

from __future__ import annotations

import heapq
import json
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from pipectl.durations import format_duration
from pipectl.engine.clock import Clock
from pipectl.engine.looks import Found, OtherRuns, look_for_file
from pipectl.engine.verdict import judge
from pipectl.graph import Node
from pipectl.masking import Masker
from pipectl.model import Call, Cause, Job, Outcome, State
from pipectl.store.rows import Run
from pipectl.store.store import Store
from pipectl.tasks.base import TaskFailed
from pipectl.tasks.wait import BY_PROCESS, is_met, words
from pipectl.template import bare

_MOST_LOOKS = 8  # processes at once that look
_LONGEST_LOOK = 300.0  # seconds, as all of these
_LAST_LOOK = 10.0  # of a wait whose time is up before it has looked: after a resume, or with no time at all
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 300.0  # between two looks, where neither `interval` nor a server says so
_TO_HEAR = 1.0  # an answer that was given while nobody ran the run is heard before its time is up

Holds = Callable[[str | bool, Node, object], bool]
"""Whether an expectation of an instance is true of an output. Raises TaskFailed where that cannot be told."""


@dataclass(slots=True, eq=False)
class _Wait:
    """One attempt that waits. Times are those of the run's clock; `ends` is when its time is up."""

    node: Node
    job: Job
    since: float
    ends: float
    next_look: float
    looked: bool = False
    looking: bool = False
    cancelled: bool = False
    why: str = ""
    last: Outcome | None = None

    @property
    def kind(self) -> str:
        return str(self.node.task.body.get("kind", "approve"))

    @property
    def facts(self) -> Mapping[str, Any]:
        assert isinstance(self.job.work, Call)
        return self.job.work.payload

    @property
    def due(self) -> float:
        """When something is to be done about it."""
        if self.looking:
            return math.inf
        return min(self.next_look, self.ends) if self.looked else self.next_look


class WaitingRoom:
    """The waits and approvals of one run. Belongs to its loop."""

    def __init__(self, *, run: Run, store: Store, clock: Clock, masker: Masker, holds: Holds) -> None:
        self._runs = OtherRuns(store, run)
        self._clock = clock
        self._masker = masker
        self._holds = holds
        self._waits: dict[str, _Wait] = {}
        self._order = count()
        self._due: list[tuple[float, int, _Wait]] = []
        self._queue: deque[_Wait] = deque()
        self._looks = 0

    def __contains__(self, instance: str) -> bool:
        """Whether the instance waits."""
        return instance in self._waits

    @property
    def only_approvals(self) -> bool:
        """Whether somebody waits, and nobody for anything but an answer."""
        return bool(self._waits) and all(wait.kind == "approve" for wait in self._waits.values())

    def enter(self, node: Node, attempt: int, prepared: Job, since: float) -> str:
        """Begins to wait, and returns what for, in words.

        `prepared` is what the task's type makes of it. `since` is when the instance first started: its time counts from
        there, over all attempts that were lost with their runner.
        """
        now = self._clock.now()
        wait = _Wait(node, replace(prepared, attempt=attempt), since, _end(node, prepared, since, now), now)
        match wait.kind:
            case "approve":
                wait.looked, wait.next_look, wait.ends = True, math.inf, max(wait.ends, now + _TO_HEAR)
            case "until":
                wait.looked, wait.next_look = True, wait.facts["moment"]
            case "for":
                wait.looked, wait.next_look = True, since + wait.facts["seconds"]
        self._waits[node.name] = wait
        self._note(wait)
        return self._masker.mask(_words(wait))

    def due(self) -> float | None:
        """When `look` is to be called next, None for never."""
        if self._queue and self._looks < _MOST_LOOKS:
            return self._clock.now()
        while self._due and not self._is_current(self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def look(self, now: float) -> tuple[list[Job], list[Outcome]]:
        """Looks at what is due: the jobs that look, to be started and told of, and the attempts that are over."""
        outcomes = []
        while self._due and self._due[0][0] <= now:
            entry = heapq.heappop(self._due)
            if self._is_current(entry) and (outcome := self._look(entry[2], now)):
                outcomes.append(outcome)
        return list(self._next_jobs(now)), outcomes

    def told(self, outcome: Outcome) -> Outcome | None:
        """Takes in what came of a look: how the attempt ended, None while it waits on."""
        wait = self._waits[outcome.instance]
        self._looks -= 1
        wait.looking = False
        if outcome.cause in {Cause.UNSTARTABLE, Cause.CANCELLED}:
            return self._leave(wait, outcome)
        over = self._judge(wait, outcome)
        if over is None and wait.cancelled:
            return self._leave(wait, replace(outcome, cause=Cause.CANCELLED))
        return over

    def answer(
        self,
        instance: str,
        answer: str,
        by: str,
        comment: str = "",
        params: Mapping[str, Any] | None = None,
        since: float | None = None,
    ) -> Outcome | None:
        """Takes in an answer, `approve` or `reject`; None where the instance does not wait for one.

        `since` says which question is meant, where the instance has asked before: it is when it first started.
        """
        wait = self._waits.get(instance)
        if wait is None or wait.kind != "approve" or since not in {None, wait.since}:
            return None
        if answer == "approve":
            return self._leave(wait, _success(wait.job, dict(params or {})))
        said = f"rejected by {by}: {comment}" if comment else f"rejected by {by}"
        return self._leave(wait, Outcome(instance, wait.job.attempt, Cause.REJECTED, error=said))

    def cancel(self, instance: str) -> Outcome | None:
        """Ends a wait. Where a look is under way, which is to be cancelled too, it ends when that is told: None."""
        wait = self._waits.get(instance)
        if wait is None:
            return None
        wait.cancelled = True
        if wait in self._queue:
            self._queue.remove(wait)
        elif wait.looking:
            return None
        return self._leave(wait, Outcome(instance, wait.job.attempt, Cause.CANCELLED))

    # What is due

    def _note(self, wait: _Wait) -> None:
        if wait.due < math.inf:
            heapq.heappush(self._due, (wait.due, next(self._order), wait))

    def _is_current(self, entry: tuple[float, int, _Wait]) -> bool:
        at, _, wait = entry
        return self._waits.get(wait.node.name) is wait and wait.due == at

    def _look(self, wait: _Wait, now: float) -> Outcome | None:
        if wait.looked and now >= wait.ends:
            return self._time_is_up(wait)
        wait.looked = True
        match wait.kind:
            case "file":
                return self._found(wait, look_for_file(wait.facts["path"]))
            case "run":
                return self._found(wait, self._runs.look(wait.facts))
            case "until" | "for":
                return self._leave(wait, _success(wait.job, None))
            case _:
                wait.looking = True
                self._queue.append(wait)
                return None

    def _next_jobs(self, now: float) -> Iterator[Job]:
        while self._queue and self._looks < _MOST_LOOKS:
            wait = self._queue.popleft()
            self._looks += 1
            left = wait.ends - now
            yield replace(wait.job, timeout=min(_LONGEST_LOOK, left if left > 0 else _LAST_LOOK))

    # What came of it

    def _found(self, wait: _Wait, found: Found) -> Outcome | None:
        output, why = found
        return self._wait_on(wait, why) if output is None else self._judge(wait, _success(wait.job, output))

    def _judge(self, wait: _Wait, outcome: Outcome) -> Outcome | None:
        """How the attempt ended by a look, None where that did not find what is waited for."""
        node = wait.node
        verdict = judge(node.task, outcome, self._masker, lambda text, value: self._holds(text, node, value))
        if verdict.state is not State.SUCCESS and wait.kind not in BY_PROCESS:
            return self._leave(wait, outcome)
        wait.last = outcome
        if verdict.state is not State.SUCCESS:
            return self._wait_on(wait, verdict.error or "", verdict.retry_after)
        try:
            doubt = self._doubt(node, json.loads(verdict.output or "null"))
        except TaskFailed as error:
            return self._leave(wait, replace(outcome, exit_code=None, error=str(error)))
        return self._wait_on(wait, doubt) if doubt else self._leave(wait, outcome)

    def _doubt(self, node: Node, value: Any) -> str:
        """Why the output of a look is not what is waited for, empty where it is."""
        for text in node.task.body["expect"]:
            if not self._holds(text, node, value):
                return f"`{bare(text)}` is not true"
        return "" if is_met(node.task, value) else "what it gave is not true"

    def _wait_on(self, wait: _Wait, why: str, asked: float = 0.0) -> Outcome | None:
        """The next look is due after the task's interval, or the time that a server `asked` for."""
        now = self._clock.now()
        wait.why = why
        if now >= wait.ends:
            return self._time_is_up(wait)
        pause = max(wait.node.task.body["interval"], min(asked, _LONGEST_PAUSE), _SHORTEST_PAUSE)
        wait.next_look = now + pause
        self._note(wait)
        return None

    def _time_is_up(self, wait: _Wait) -> Outcome:
        if wait.kind == "approve":
            return self._unanswered(wait)
        error = f"it waited longer than {_limit(wait)}" + (f": {wait.why}" if wait.why else "")
        last = wait.last or Outcome(wait.job.instance, wait.job.attempt, Cause.TIMEOUT)
        return self._leave(wait, replace(last, cause=Cause.TIMEOUT, exit_code=None, signal=None, error=error))

    def _unanswered(self, wait: _Wait) -> Outcome:
        params = wait.node.task.body["params"]
        error = f"nobody answered within {_limit(wait)}"
        if wait.node.task.body["on_timeout"] == "approve":
            missing = ", ".join(f"`{name}`" for name, declared in params.items() if "default" not in declared)
            if not missing:
                values = {name: declared["default"] for name, declared in params.items()}
                return self._leave(wait, _success(wait.job, values))
            error += f", and {missing} has no default"
        return self._leave(wait, Outcome(wait.job.instance, wait.job.attempt, Cause.TIMEOUT, error=error))

    def _leave(self, wait: _Wait, outcome: Outcome) -> Outcome:
        del self._waits[wait.node.name]
        return outcome


def _end(node: Node, job: Job, since: float, now: float) -> float:
    """When the time of a wait is up; a job has a time limit where the run is being stopped."""
    timeout = node.task.body["timeout"]
    return min(
        since + (math.inf if timeout is None else timeout), now + (math.inf if job.timeout is None else job.timeout)
    )


def _limit(wait: _Wait) -> str:
    timeout = wait.node.task.body["timeout"] if wait.job.timeout is None else wait.job.timeout
    return f"its time limit of {format_duration(timeout)}"


def _success(job: Job, output: Any) -> Outcome:
    """The end of an attempt without a process, told as a worker tells it."""
    result = json.dumps({"ok": True, "output": output}).encode()
    return Outcome(job.instance, job.attempt, Cause.EXITED, result=result)


def _words(wait: _Wait) -> str:
    if wait.kind == "approve":
        return " ".join(f"approval: {wait.facts['question']}".split())
    return words(wait.node.task, wait.job.work)
