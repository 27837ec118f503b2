"""The instances of a run and how they need each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pipectl.model import State, Task, TriggerRule
from pipectl.trigger_rules import Upstreams


@dataclass(slots=True, eq=False)
class Node:
    """One instance in the graph, with how many of its upstreams ended in which way."""

    name: str
    task: Task
    rank: tuple[int, int, int] = (0, 0, 0)  # what starts first: priority, longest chain below, order in the file
    upstream: int = 0
    downstream: list[Node] = field(default_factory=list)
    state: State = State.PENDING
    allowed: bool = False
    closed_by: str | None = None
    exit_code: int | None = None
    error: str | None = None
    decided: bool = False
    success: int = 0
    failed: int = 0
    forgiven: int = 0
    skipped: int = 0
    attempts: int = 0
    tries: int = 0  # attempts that count against `retries`: not those lost, nor those before a resume opened it again
    first_start: float | None = None
    retry_at: float = 0.0
    handle: str | None = None

    @property
    def always(self) -> bool:
        """Whether it also runs after the run was stopped."""
        return self.task.trigger is TriggerRule.ALWAYS

    @property
    def upstreams(self) -> Upstreams:
        """How its upstreams stand."""
        return Upstreams(self.upstream, self.success, self.failed, self.forgiven, self.skipped)

    def reopen(self) -> None:
        """Forgets how it ended, and what its attempts so far were worth against `retries`."""
        self.state = State.PENDING
        self.allowed = False
        self.closed_by = self.exit_code = self.error = self.first_start = None
        self.tries = 0

    def standing(self) -> tuple[object, ...]:
        """All of it that events change: equal standings behave alike from here on."""
        return (
            *(self.name, self.state, self.allowed, self.closed_by, self.exit_code, self.error, self.handle),
            *(self.upstreams, self.attempts, self.tries, self.first_start),
        )


def link(tasks: Mapping[str, Task]) -> dict[str, Node]:
    """The nodes of the tasks, by name and in the order of the file, each with its downstream and its rank."""
    nodes = {name: Node(name, task) for name, task in tasks.items()}
    for node in nodes.values():
        node.upstream = len(node.task.needs)
        for name in node.task.needs:
            nodes[name].downstream.append(node)
    below: dict[str, int] = {}
    for node in reversed(list(topological(nodes.values()))):
        below[node.name] = 1 + max((below[down.name] for down in node.downstream), default=0)
    for index, node in enumerate(nodes.values()):
        node.rank = (-node.task.priority, -below[node.name], index)
    return nodes


def topological(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes with each after all its upstreams; without recursion, so that chains may be long."""
    missing = {node.name: node.upstream for node in nodes}
    free = deque(node for node in nodes if not node.upstream)
    while free:
        node = free.popleft()
        yield node
        for down in node.downstream:
            missing[down.name] -= 1
            if not missing[down.name]:
                free.append(down)
