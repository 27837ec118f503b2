"""What may run next: the pure heart of a run.

A plan knows its tasks, takes in events, and answers what is to be decided, what may start and when to look again. It
does no input or output, knows no clock, and changes by `apply` alone, but for the retries that `wake` queues when they
are due: so replaying the recorded events of a run gives the plan as it stood. No step looks at all instances, but for
the start and the stop of a run.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipectl.events import (
    AttemptFinished,
    AttemptHandle,
    AttemptStarted,
    Event,
    RunResumed,
    RunStarted,
    RunStopping,
    TaskClosed,
    TaskOpened,
)
from pipectl.graph import Node, link
from pipectl.model import ENDED, RunState, State, Task
from pipectl.trigger_rules import Ruling, decide


@dataclass(frozen=True, slots=True)
class Decision:
    """What the plan asks to be recorded: a close as `state`, or, where that is None, the answer to the `when`."""

    node: Node
    state: State | None = None
    by: str = "trigger"


class Plan:
    """The instances of one run, what may be done with them now, and what became of them."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self.nodes = link(tasks)
        self.stopping: str | None = None
        self._at_once = False
        self.running: dict[str, Node] = {}
        self._open = len(self.nodes)
        self._failures = 0
        self._decisions: deque[Decision] = deque()
        self._ready: list[tuple[tuple[int, int, int], Node]] = []
        self._retries: list[tuple[float, tuple[int, int, int], Node]] = []

    # What is to be done

    def next_decision(self) -> Decision | None:
        """The next instance to open or close; each is given until the event that answers it is applied."""
        while self._decisions:
            decision = self._decisions[0]
            if decision.node.state not in ENDED and (decision.state or decision.node.state is State.PENDING):
                return decision
            self._decisions.popleft()
        return None

    def next_ready(self) -> Node | None:
        """The instance that is to start first, if any may; given until its start is applied."""
        while self._ready:
            node = self._ready[0][1]
            if node.state is State.QUEUED:
                return node
            heapq.heappop(self._ready)
        return None

    def wake(self, now: float) -> float | None:
        """Queues what waited for its next attempt until `now`; returns when the next one is due, None for never."""
        while self._retries:
            at, _, node = self._retries[0]
            current = node.state is State.RETRYING and node.retry_at == at
            if current and at > now:
                return at
            heapq.heappop(self._retries)
            if current:
                self._queue(node)
        return None

    @property
    def finished(self) -> bool:
        """Whether every instance has ended."""
        return not self._open

    @property
    def failed(self) -> bool:
        """Whether an instance has failed that may not."""
        return self._failures > 0

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for the run to stop: by a command or a signal."""
        return self.stopping not in {None, "timeout", "fail_fast"}

    @property
    def verdict(self) -> RunState:
        """What the run has come to, once it is finished."""
        if self.cancelled:
            return RunState.CANCELLED
        return RunState.FAILED if self._failures or self.stopping == "timeout" else RunState.SUCCESS

    # What happened

    def apply(self, event: Event) -> None:
        """Takes in what happened. Events that change nothing here are passed over."""
        match event:
            case AttemptStarted():
                self._started(self.nodes[event.instance], event)
            case AttemptFinished():
                self._finished(self.nodes[event.instance], event)
            case AttemptHandle():
                self.nodes[event.instance].handle = event.handle
            case TaskClosed():
                self._closed(self.nodes[event.instance], event)
            case TaskOpened():
                self._queue(self.nodes[event.instance])
            case RunStarted():
                self._decide_all()
            case RunStopping():
                self._stop(event)
            case RunResumed():
                self._reopen(event.reopened)

    def _started(self, node: Node, event: AttemptStarted) -> None:
        node.state = State.RUNNING
        node.attempts = event.attempt
        node.tries += 1
        node.handle = None
        if node.first_start is None:
            node.first_start = event.at
        self.running[node.name] = node

    def _finished(self, node: Node, event: AttemptFinished) -> None:
        del self.running[node.name]
        node.handle = None
        node.exit_code, node.error = event.exit_code, event.error
        if event.state is None:
            node.tries -= 1
            self._lose(node)
        elif event.retry_at is not None:
            node.state = State.RETRYING
            node.retry_at = event.retry_at
            heapq.heappush(self._retries, (event.retry_at, node.rank, node))
        else:
            self._close(node, event.state, allowed=event.allowed)

    def _lose(self, node: Node) -> None:
        """It runs again, unless what allowed it to run is to happen again itself."""
        if decide(node.task.trigger, node.upstreams) is Ruling.RUN:
            self._queue(node)
        else:
            node.reopen()
            node.decided = False
            self._decide(node)

    def _closed(self, node: Node, event: TaskClosed) -> None:
        node.closed_by, node.error = event.by, event.error or node.error
        self._close(node, event.state, allowed=event.allowed)

    def _close(self, node: Node, state: State, *, allowed: bool = False) -> None:
        node.state = state
        node.allowed = allowed
        self._open -= 1
        self._failures += state is State.FAILED and not allowed
        for down in node.downstream:
            _count(node, down)
            if down.state is State.PENDING:
                self._decide(down)

    def _queue(self, node: Node) -> None:
        node.state = State.QUEUED
        if not self._may_start(node):
            self._decisions.append(Decision(node, State.CANCELLED, "stop"))
        elif node.task.type is None:
            self._decisions.append(Decision(node, State.SUCCESS, "join"))
        else:
            heapq.heappush(self._ready, (node.rank, node))

    def _decide(self, node: Node) -> None:
        if node.decided:
            return
        if not self._may_start(node):
            if node.upstreams.ended:  # not before: what runs after it would start beside what runs before it
                self._decisions.append(Decision(node, State.CANCELLED, "stop"))
            return
        verdict = decide(node.task.trigger, node.upstreams)
        if verdict is Ruling.WAIT:
            return
        node.decided = True
        if verdict is Ruling.SKIP:
            self._decisions.append(Decision(node, State.SKIPPED))
        elif verdict is Ruling.UPSTREAM_FAILED:
            self._decisions.append(Decision(node, State.UPSTREAM_FAILED))
        elif node.task.when is None:
            self._queue(node)
        else:
            self._decisions.append(Decision(node))

    def _decide_all(self) -> None:
        for node in self.nodes.values():
            if node.state is State.PENDING:
                self._decide(node)
            elif node.state is State.QUEUED:
                self._queue(node)

    def _may_start(self, node: Node) -> bool:
        return not self.stopping or (node.always and not self._at_once)

    def _stop(self, event: RunStopping) -> None:
        self.stopping = event.reason
        self._at_once = event.at_once
        self._decisions = deque(decision for decision in self._decisions if self._may_start(decision.node))
        for node in self.nodes.values():
            if self._may_start(node):
                continue
            if node.state is State.PENDING:
                node.decided = False
                self._decide(node)
            elif node.state in {State.QUEUED, State.RETRYING}:
                self._decisions.append(Decision(node, State.CANCELLED, "stop"))

    def _reopen(self, names: Sequence[str]) -> None:
        self.stopping = None
        self._at_once = False
        self._decisions.clear()
        self._ready.clear()
        for name in names:
            self.nodes[name].reopen()
            for down in self.nodes[name].downstream:
                if down.state in {State.QUEUED, State.RETRYING}:
                    down.reopen()  # what allowed it to run has not happened any more
        for node in self.nodes.values():
            node.success = node.failed = node.forgiven = node.skipped = 0
            node.decided = node.state is not State.PENDING
        for node in self.nodes.values():
            if node.state in ENDED:
                for down in node.downstream:
                    _count(node, down)
        self._open = sum(node.state not in ENDED for node in self.nodes.values())
        self._failures = sum(node.state is State.FAILED and not node.allowed for node in self.nodes.values())
        self._decide_all()


def _count(node: Node, down: Node) -> None:
    match node.state:
        case State.SUCCESS | State.CACHED:
            down.success += 1
        case State.SKIPPED:
            down.skipped += 1
        case State.FAILED if node.allowed:
            down.forgiven += 1
        case _:
            down.failed += 1
