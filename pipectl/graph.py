"""The instances of a run and how they need each other; the graph grows where a `foreach` is opened.

Groups, and tasks with `foreach`, are nodes as well: each is one upstream and one downstream to others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pipectl.labels import item_labels
from pipectl.model import ENDED, State, Task, TriggerRule
from pipectl.task_tree import every_task, heights
from pipectl.trigger_rules import Upstreams

Weight = tuple[int, int, int]
"""What starts first, of tasks: priority, longest chain below, order in the file; the smaller the earlier."""


ITEM_NAMES = frozenset({"item", "index", "outer"})
"""What only the instances of a `foreach` see."""


@dataclass(slots=True, eq=False)
class Node:
    """One instance in the graph, with how many of its upstreams ended in which way.

    `path` is that of its task, through all groups. `index` and `item` are those of a copy that `foreach` made.
    """

    name: str
    path: str
    task: Task
    parent: Container | None = None
    weight: Weight = (0, 0, 0)
    order: int = 0
    index: int | None = None
    item: Any = None
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
    def rank(self) -> tuple[int, ...]:
        """What starts first: by weight, then in the order in which they came to be."""
        return (*self.weight, self.order)

    @property
    def always(self) -> bool:
        """Whether it also runs after the run was stopped."""
        return self.task.trigger is TriggerRule.ALWAYS

    @property
    def upstreams(self) -> Upstreams:
        """How its upstreams stand."""
        gone = len(self.task.left_out)
        return Upstreams(self.upstream + gone, self.success + gone, self.failed, self.forgiven, self.skipped)

    @property
    def scope(self) -> Group:
        """The group in which its names are looked up first."""
        node = self.parent
        while not isinstance(node, Group):
            assert node is not None
            node = node.parent
        return node

    @property
    def asks(self) -> bool:
        """Whether more than its trigger decides if it opens, or what it opens to."""
        return _asks(self)

    def ancestors(self) -> Iterator[Container]:
        """The groups around it, the innermost first; the run itself is the last."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def count(self, other: Node) -> None:
        """Counts how another node ended among its upstreams."""
        match other.state:
            case State.SUCCESS | State.CACHED:
                self.success += 1
            case State.SKIPPED:
                self.skipped += 1
            case State.FAILED if other.allowed:
                self.forgiven += 1
            case _:
                self.failed += 1

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


@dataclass(slots=True, eq=False)
class Container(Node):
    """A node that stands for those in it: running from when it is opened to when all of them have ended."""

    children: list[Node] = field(default_factory=list)
    open_children: int = 0
    ends: dict[State, int] = field(default_factory=dict)  # how those in it ended; a failure that is allowed: as success
    stopping: bool = False
    opened: bool = False  # before a resume took that back, too: what it opened to stands

    @property
    def asks(self) -> bool:
        """What it opens to is asked once."""
        return not self.opened and _asks(self)

    @property
    def max_parallel(self) -> int | None:
        """How many attempts may run in it at once."""
        return None

    @property
    def fail_fast(self) -> bool:
        """Whether a failure in it ends all that is in it."""
        return False

    @property
    def allow_failure(self) -> str | bool:
        """Whether its failure does not fail what it is in."""
        return False

    @property
    def verdict(self) -> State:
        """What it has come to once all in it have ended."""
        for state in (State.FAILED, State.UPSTREAM_FAILED, State.CANCELLED, State.SUCCESS):
            if self.ends.get(state):
                return state
        return State.SKIPPED

    def tally(self, child: Node) -> None:
        """Counts how one of those in it ended."""
        good = child.state is State.CACHED or child.allowed
        state = State.SUCCESS if good else child.state
        self.ends[state] = self.ends.get(state, 0) + 1

    def recount(self) -> None:
        """Counts all in it anew."""
        self.ends.clear()
        for child in self.children:
            if child.state in ENDED:
                self.tally(child)
        self.open_children = sum(child.state not in ENDED for child in self.children)

    def within(self) -> Iterator[Node]:
        """All nodes below it, each before those in it."""
        ahead = deque(self.children)
        while ahead:
            node = ahead.popleft()
            yield node
            if isinstance(node, Container):
                ahead.extend(node.children)

    def reopen(self) -> None:
        """Forgets how it ended."""
        Node.reopen(self)
        self.stopping = False

    def standing(self) -> tuple[object, ...]:
        """All of it that events change."""
        ends = tuple(sorted((state, count) for state, count in self.ends.items() if count))
        return (*Node.standing(self), self.open_children, self.stopping, self.opened, ends, len(self.children))


@dataclass(slots=True, eq=False)
class Group(Container):
    """The run itself, a group, a sub-pipeline, or a copy of these that `foreach` made. `members` are by local name.

    `base` is what the names of its tasks begin with, in the pipeline that declares them. `params` and `vars` are those
    of a sub-pipeline.
    """

    base: str = ""
    members: dict[str, Node] = field(default_factory=dict)
    params: Mapping[str, Any] | None = None
    vars: Mapping[str, Any] | None = None

    @property
    def max_parallel(self) -> int | None:
        """Its own limit, or that of the sub-pipeline, whichever is less."""
        own = None if self.task.foreach else self.task.max_parallel
        limits = [own, self.task.pipeline.max_parallel if self.task.pipeline else None]
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def fail_fast(self) -> bool:
        """What its task says, or its sub-pipeline."""
        own = self.task.fail_fast and self.task.foreach is None
        return own or (self.task.pipeline is not None and self.task.pipeline.fail_fast)

    @property
    def allow_failure(self) -> str | bool:
        """What its task says."""
        return self.task.allow_failure


@dataclass(slots=True, eq=False)
class Fan(Container):
    """A task with `foreach`: one child for each item, once it was opened. `items` is None before."""

    items: Sequence[Any] | None = None

    @property
    def asks(self) -> bool:
        """It is always asked for its items, but once."""
        return self.items is None

    @property
    def max_parallel(self) -> int | None:
        """What its task says."""
        return self.task.max_parallel

    @property
    def fail_fast(self) -> bool:
        """What its task says."""
        return self.task.fail_fast


def _asks(node: Node) -> bool:
    when = node.task.when is not None and (node.index is None or names_item(node.task))
    return when or node.task.pipeline is not None


class Graph:
    """All nodes of a run by name, those of groups before those in them; `root` is the run itself."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self.nodes: dict[str, Node] = {}
        self.root = Group("", "", Task("", "tasks", tasks=tasks), state=State.RUNNING)
        tall = heights(tasks)
        self._weights = {path: (-task.priority, -tall[path], at) for at, (path, task) in enumerate(every_task(tasks))}
        self._made = 0
        self._attempts: dict[str, int] = {}  # of what was forgotten: attempts are counted on where it comes back
        self._fill(self.root)
        self.root.open_children = len(self.root.children)

    @property
    def paths(self) -> Collection[str]:
        """The tasks of all nodes, those too of which there are none yet."""
        return self._weights.keys()

    def expand(self, fan: Fan, items: Sequence[Any], labels: Sequence[str] | None = None) -> None:
        """Makes a copy of the task for each item."""
        fan.items = items
        for index, (item, label) in enumerate(zip(items, labels or item_labels(items), strict=True)):
            self._add(fan, f"{fan.name}[{label}]", fan.path, fan.task, index, item)
        fan.open_children = len(fan.children)
        for child in fan.children:
            if isinstance(child, Group):
                self._fill(child)

    def fold(self, fan: Fan) -> None:
        """Forgets the items, and all that was made for them."""
        gone = {node.name: node for node in fan.within()}
        above: dict[str, Node] = {}
        for node in gone.values():
            del self.nodes[node.name]
            self._attempts[node.name] = node.attempts
            found = () if node.index is not None else (lookup(node, need) for need in node.task.needs)
            above |= {node.name: node for node in found if node.name not in gone}
        for node in above.values():
            node.downstream = [down for down in node.downstream if down.name not in gone]
        fan.items = None
        fan.children = []
        fan.open_children = 0
        fan.ends.clear()

    def _fill(self, group: Group) -> None:
        """Makes the nodes of a group, those of groups in it too, and links them to what they need."""
        made: list[Node] = []
        ahead = [group]
        for one in ahead:
            prefix = f"{one.name}." if one.name else ""
            path = f"{one.path}." if one.path else ""
            for name, task in one.task.children.items():
                node = self._add(one, prefix + name, path + name, task)
                one.members[name] = node
                made.append(node)
                if isinstance(node, Group):
                    ahead.append(node)
            one.open_children = len(one.children)
        for node in made:
            node.upstream = len(node.task.needs)
            for need in node.task.needs:
                above = lookup(node, need)
                above.downstream.append(node)
                if above.state in ENDED:
                    node.count(above)

    def _add(
        self, parent: Container, name: str, path: str, task: Task, index: int | None = None, item: Any = None
    ) -> Node:
        self._made += 1
        weight = self._weights[path]
        node: Node
        if task.foreach is not None and index is None:
            node = Fan(name, path, task, parent, weight, self._made)
        elif task.is_group:
            base = "" if task.pipeline else f"{task.name}."
            node = Group(name, path, task, parent, weight, self._made, index, item, base=base)
        else:
            node = Node(name, path, task, parent, weight, self._made, index, item)
        node.attempts = self._attempts.get(name, 0)
        parent.children.append(node)
        self.nodes[name] = node
        return node


def lookup(user: Node, need: str) -> Node:
    """The node that a name stands for where `user` uses it: of the same copy of the groups that both are in."""
    scope = user.scope
    while not need.startswith(scope.base):
        scope = scope.scope
    node: Node = scope
    for step in need[len(scope.base) :].split("."):
        assert isinstance(node, Group)
        node = node.members[step]
    return node


def names_item(task: Task) -> bool:
    """Whether the task's `when` is looked at for each item."""
    return task.foreach is not None and isinstance(task.when, str) and _names_item(task.when)


@cache
def _names_item(condition: str) -> bool:
    from pipectl.template import references  # few pipelines have such a task

    return any(reference.path[0] in ITEM_NAMES for reference in references(condition, expression=True))


def frames(node: Node) -> list[Node]:
    """The copies that `foreach` made of which this is one or in one, the innermost first; within its pipeline."""
    found = [] if node.index is None else [node]
    for around in node.ancestors():
        if around.task.pipeline is not None:
            break  # what it is given of these are its parameters
        if around.index is not None:
            found.append(around)
    return found
