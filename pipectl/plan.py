"""What may run next: the pure heart of a run.

A plan knows its instances, takes in events, and answers what is to be decided, what may start and when to look again.
It does no input or output, knows no clock, and changes by `apply` alone, but for the retries that `wake` queues when
they are due, and the limits of `admission`: so replaying the recorded events of a run gives the plan as it stood. No
step looks at all instances, but where a run is begun, taken up or stopped, or a group fails fast.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum, auto

from pipectl.admission import Admission
from pipectl.events import (
    AttemptFinished,
    AttemptHandle,
    AttemptStarted,
    AttemptWaiting,
    Event,
    RunResumed,
    RunStarted,
    RunStopping,
    TaskClosed,
    TaskOpened,
)
from pipectl.graph import Container, Fan, Graph, Group, Node
from pipectl.model import ENDED, RunState, State, Task
from pipectl.trigger_rules import Ruling, decide

_GOOD = frozenset({State.SUCCESS, State.CACHED})


class Ask(Enum):
    """What the plan asks for: an instance to be opened, a group's failure to be judged, or an instance to be closed."""

    OPEN = auto()
    JUDGE = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What the plan asks to be recorded; of a close, as which state and by what."""

    ask: Ask
    node: Node
    state: State = State.PENDING
    by: str = "trigger"

    @property
    def stands(self) -> bool:
        """Whether it is still to be made."""
        if self.node.state in ENDED:
            return False
        return self.ask is not Ask.OPEN or self.node.state is State.PENDING


class Plan:
    """The instances of one run, what may be done with them now, and what became of them."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self.graph = Graph(tasks)
        self.nodes = self.graph.nodes
        self.admission = Admission()
        self.stopping: str | None = None
        self.running: dict[str, Node] = {}  # and what waits
        self._doomed: dict[str, Node] = {}
        self._at_once = False
        self._failures = 0
        self._decisions: deque[Decision] = deque()
        self._retries: list[tuple[float, tuple[int, ...], Node]] = []

    # What is to be done

    def next_decision(self) -> Decision | None:
        """The next instance to open or close; each is given until the event that answers it is applied."""
        while self._decisions:
            decision = self._decisions[0]
            if decision.stands:
                return decision
            self._decisions.popleft()
        return None

    def next_ready(self) -> Node | None:
        """The instance that is to start first, if any may; given until its start is applied."""
        return self.admission.first()

    def take_doomed(self) -> Sequence[Node]:
        """The instances whose attempts are to be ended, since their group fails fast; each is given once."""
        doomed = [node for name, node in self._doomed.items() if name in self.running]
        self._doomed.clear()
        return doomed

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
        return not self.graph.root.open_children

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
        """Takes in what happened.

        Events that change nothing here are passed over, and those of instances that an edited definition has no more.
        """
        match event:
            case RunStarted():
                self._decide_all()
            case RunStopping():
                self._stop(event)
            case RunResumed():
                self._reopen(event.reopened)
            case (
                TaskOpened() | TaskClosed() | AttemptStarted() | AttemptWaiting() | AttemptHandle() | AttemptFinished()
            ):
                node = self.nodes.get(event.instance)
                if node is not None:
                    self._apply_to(node, event)

    def _apply_to(self, node: Node, event: Event) -> None:
        match event:
            case TaskOpened():
                self._opened(node, event)
            case TaskClosed():
                self._closed(node, event)
            case _ if isinstance(node, Container):
                pass  # it was a task when this happened
            case AttemptStarted():
                self._started(node, event)
            case AttemptWaiting():
                node.state = State.WAITING
            case AttemptHandle():
                node.handle = event.handle
            case AttemptFinished():
                self._finished(node, event)

    def _started(self, node: Node, event: AttemptStarted) -> None:
        node.state = State.RUNNING
        node.attempts = event.attempt
        node.tries += 1
        node.handle = None
        if node.first_start is None:
            node.first_start = event.at
        self.running[node.name] = node
        self.admission.start(node)

    def _finished(self, node: Node, event: AttemptFinished) -> None:
        if self.running.pop(node.name, None) is None:
            return  # it was forgotten when the whole of what it is in was opened again
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
        self.admission.end(node)

    def _lose(self, node: Node) -> None:
        """It runs again, unless what allowed it to run is to happen again itself."""
        if self._is_allowed(node) and all(one.state is State.RUNNING for one in node.ancestors()):
            self._queue(node)
        else:
            node.reopen()
            node.decided = False
            self._decide(node)

    # Opening

    def _opened(self, node: Node, event: TaskOpened) -> None:
        if isinstance(node, Group):
            node.params, node.vars = event.params, event.vars
        if isinstance(node, Fan) and node.items is None:
            self.graph.expand(node, event.items or [], event.labels)
        self._open(node)

    def _open(self, node: Node) -> None:
        if not isinstance(node, Container):
            self._queue(node)
            return
        node.state = State.RUNNING
        node.opened = True
        for child in node.children:
            if child.state is State.PENDING:
                self._decide(child)
        if not node.open_children:
            self._end(node)

    def _queue(self, node: Node) -> None:
        node.state = State.QUEUED
        if not self.may_start(node):
            self._cancel(node)
        elif node.task.type is None:
            self._decisions.append(Decision(Ask.CLOSE, node, State.SUCCESS, "join"))
        else:
            self.admission.push(node)

    def _decide(self, node: Node) -> None:
        parent = node.parent
        assert parent is not None
        if node.decided or parent.state is not State.RUNNING:
            return
        if not self.may_start(node):
            if node.upstreams.ended:  # not before: what runs after it would start beside what runs before it
                self._cancel(node)
            return
        verdict = self._ruling(node)
        if verdict is Ruling.WAIT:
            return
        node.decided = True
        if verdict is Ruling.SKIP:
            self._decisions.append(Decision(Ask.CLOSE, node, State.SKIPPED))
        elif verdict is Ruling.UPSTREAM_FAILED:
            self._decisions.append(Decision(Ask.CLOSE, node, State.UPSTREAM_FAILED))
        elif node.asks:
            self._decisions.append(Decision(Ask.OPEN, node))
        else:
            self._open(node)

    def _decide_all(self) -> None:
        for node, state in [(node, node.state) for node in self.nodes.values()]:
            if node.state is not state:
                continue  # by what became of one before it
            if node.state is State.PENDING:
                self._decide(node)
            elif node.state is State.QUEUED:
                self._queue(node)
            elif node.state is State.RUNNING and isinstance(node, Container) and not node.open_children:
                self._end(node)

    @staticmethod
    def _ruling(node: Node) -> Ruling:
        return Ruling.RUN if node.index is not None else decide(node.task.trigger, node.upstreams)

    def _is_allowed(self, node: Node) -> bool:
        return self._ruling(node) is Ruling.RUN

    # Closing

    def _closed(self, node: Node, event: TaskClosed) -> None:
        node.closed_by, node.error = event.by, event.error or node.error
        if isinstance(node, Container) and event.by != "tasks":
            self._close_within(node, event)
        self._close(node, event.state, allowed=event.allowed)

    def _close_within(self, container: Container, event: TaskClosed) -> None:
        """What may not run gives its state to all in it; its own failure is not theirs."""
        state = State.UPSTREAM_FAILED if event.state is State.FAILED else event.state
        for node in list(container.within()):
            if node.state in ENDED:
                continue  # from before a resume took back what let the container start
            node.state, node.closed_by = state, event.by
            self._tell(node)
        for node in (container, *container.within()):
            if isinstance(node, Container):
                node.recount()

    def _close(self, node: Node, state: State, *, allowed: bool = False) -> None:
        node.state = state
        node.allowed = allowed
        self._tell(node)
        parent = node.parent
        assert parent is not None
        parent.tally(node)
        parent.open_children -= 1
        if state is State.FAILED and not allowed:
            self._fail(parent)
        if not parent.open_children and parent.state is State.RUNNING:
            self._end(parent)

    def _tell(self, node: Node) -> None:
        for down in node.downstream:
            down.count(node)
            if down.state is State.PENDING:
                self._decide(down)

    def _end(self, container: Container) -> None:
        """All in it have ended."""
        if container is self.graph.root:
            return
        verdict = container.verdict
        if verdict is State.FAILED and container.allow_failure is not False:
            self._decisions.append(Decision(Ask.JUDGE, container))
        else:
            self._close(container, verdict)

    def _fail(self, container: Container) -> None:
        """Takes a failure as far up as it counts; that of a group which may fail is judged at its end."""
        ahead: Container | None = container
        while ahead is not None:
            if ahead.fail_fast and not ahead.stopping:
                self._stop_within(ahead)
            if ahead.allow_failure is not False:
                return
            ahead = ahead.parent
        self._failures += 1

    # Stopping

    def may_start(self, node: Node) -> bool:
        """Whether nothing stops it: `always` holds for all in a group, but for what stops within that."""
        always = node.always
        for around in node.ancestors():
            if around.stopping and not always:
                return False
            always = always or around.always
        return not self.stopping or (always and not self._at_once)

    def _cancel(self, node: Node) -> None:
        by = "stop" if self.stopping else "fail_fast"
        self._decisions.append(Decision(Ask.CLOSE, node, State.CANCELLED, by))

    def _stop(self, event: RunStopping) -> None:
        self.stopping = event.reason
        self._at_once = event.at_once
        self._halt(self.nodes)

    def _stop_within(self, container: Container) -> None:
        container.stopping = True
        within = {node.name: node for node in container.within()}
        self._halt(within)
        running = (node for name, node in within.items() if name in self.running)
        self._doomed |= {node.name: node for node in running if not self.may_start(node)}

    def _halt(self, nodes: Mapping[str, Node]) -> None:
        """Closes what has not started of these, and may not any more."""
        self._decisions = deque(
            one
            for one in self._decisions
            if one.ask is Ask.JUDGE or one.node.name not in nodes or self.may_start(one.node)
        )
        for node in nodes.values():
            if node.state not in {State.PENDING, State.QUEUED, State.RETRYING} or self.may_start(node):
                continue
            if node.state is State.PENDING:
                node.decided = False
                self._decide(node)
            else:
                self._cancel(node)

    # Resuming

    def _reopen(self, names: Sequence[str]) -> None:
        self.stopping = None
        self._at_once = False
        self._doomed.clear()
        self._decisions.clear()
        self.admission.clear()
        chosen = frozenset(names)
        for name in names:
            if name in self.nodes:  # not where the items that it was made for are forgotten
                self._reopen_one(self.nodes[name], chosen)
        self._retries = [entry for entry in self._retries if self.nodes.get(entry[2].name) is entry[2]]
        heapq.heapify(self._retries)
        self._recount()
        for node in list(self.nodes.values()):
            self._take_back(node)
        self._decide_all()

    def _reopen_one(self, node: Node, chosen: Set[str]) -> None:
        if isinstance(node, Container):
            self._reopen_container(node, chosen)
        else:
            node.reopen()
        for container in node.ancestors():
            if container.state in ENDED:
                container.reopen()
                container.state = State.RUNNING
            container.stopping = False

    def _reopen_container(self, container: Container, chosen: Set[str]) -> None:
        """Of what is in it successes stand that are not chosen too, and so do the items that they are of."""
        inside = list(container.within())
        standing = sum(
            one.state in _GOOD and one.name not in chosen for one in inside if not isinstance(one, Container)
        )
        container.reopen()
        if not standing:
            container.opened = False
            for one in inside:
                self._forget_attempt(one)
                one.reopen()
            for one in (container, *inside):
                if isinstance(one, Fan) and (one is container or one.name in self.nodes):
                    self.graph.fold(one)
                elif isinstance(one, Container):
                    one.opened = False
            return
        for child in container.children:
            if isinstance(child, Container):
                self._reopen_container(child, chosen)
            elif child.state not in _GOOD or child.name in chosen:
                self._forget_attempt(child)
                child.reopen()

    def _forget_attempt(self, node: Node) -> None:
        """It was lost, though its end is not known yet."""
        if self.running.pop(node.name, None) is not None:
            self.admission.end(node)

    def _recount(self) -> None:
        """Counts anew how everything stands, from what has ended."""
        for node in self.nodes.values():
            node.success = node.failed = node.forgiven = node.skipped = 0
            node.decided = node.state is not State.PENDING
        for node in self.nodes.values():
            if node.state in ENDED:
                for down in node.downstream:
                    down.count(node)
        for node in reversed(self.nodes.values()):
            if isinstance(node, Container):
                node.recount()
        self.graph.root.recount()
        self._failures = sum(self._fails_run(node) for node in self.nodes.values())

    def _fails_run(self, node: Node) -> bool:
        if node.state is not State.FAILED or node.allowed:
            return False
        if isinstance(node, Container) and node.closed_by is None:
            return False  # what failed in it is counted
        judged = (one for one in node.ancestors() if one.allow_failure is not False)
        return all(one.state is State.FAILED and not one.allowed for one in judged)

    def _take_back(self, node: Node) -> None:
        """What was allowed to start by something that is to happen again waits for that."""
        opened = isinstance(node, Container) and node.state is State.RUNNING
        if not opened and node.state not in {State.QUEUED, State.RETRYING}:
            return
        if not self._is_allowed(node) or any(one.state is not State.RUNNING for one in node.ancestors()):
            node.reopen()
            node.decided = False
