"""Which queued instance starts next, within the limits of the run: slots, memory, groups, pools.

What finds a limit reached waits at that gate, in the order of its rank: what comes later never overtakes it there, and
no step looks at all that wait.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipectl.graph import Container, Node
from pipectl.model import State

_Queue = list[tuple[tuple[int, ...], Node]]


@dataclass(slots=True)
class Gate:
    """A limit, how much of it is in use, and who waits for more. A shut gate lets nobody through."""

    limit: float
    used: float = 0.0
    shut: bool = False
    waiting: _Queue = field(default_factory=list)

    def admits(self, amount: float, node: Node | None = None) -> bool:
        """Whether there is room, and nobody waits before the node; what wants more than there ever is gets all."""
        if self.shut or self.used + min(amount, self.limit) > self.limit:
            return False
        return node is None or not self.waiting or node.rank <= self._head()

    def _head(self) -> tuple[float, ...]:
        """The rank of who waits first; those who are not queued any more do not wait."""
        while self.waiting and self.waiting[0][1].state is not State.QUEUED:
            heapq.heappop(self.waiting)
        return self.waiting[0][0] if self.waiting else (math.inf,)


class Admission:
    """The queue of one run. `slots` and `memory` (bytes) are what the run may use at once, `pools` by name."""

    def __init__(self) -> None:
        self._slots = Gate(math.inf)
        self._memory = Gate(math.inf)
        self._pools: dict[str, Gate] = {}
        self._groups: dict[str, Gate] = {}
        self._ready: _Queue = []
        self._slotless: _Queue = []
        self._taken: dict[str, list[tuple[Gate, float]]] = {}
        self._moved = False  # whether a gate let somebody through

    def limit(
        self, *, slots: float = math.inf, memory: float = math.inf, pools: dict[str, float] | None = None
    ) -> None:
        """Sets the limits; those of groups are theirs."""
        self._slots.limit = slots
        self._memory.limit = memory
        for name, most in (pools or {}).items():
            self._pool(name).limit = most

    def push(self, node: Node) -> None:
        """Queues an instance."""
        heapq.heappush(self._queue_of(node), (node.rank, node))

    def clear(self) -> None:
        """Forgets who is queued, not who runs."""
        self._ready.clear()
        self._slotless.clear()
        for gate in (self._memory, *self._pools.values(), *self._groups.values()):
            gate.waiting.clear()

    def first(self) -> Node | None:
        """The instance that is to start next, None where none may; given until it is started, set aside or refused."""
        while True:
            self._moved = False
            node = self._first(self._slotless, None) or self._first(self._ready, self._slots)
            if node is not None or not self._moved:
                return node

    def _first(self, queue: _Queue, slots: Gate | None) -> Node | None:
        while queue:
            node = queue[0][1]
            if node.state is not State.QUEUED:
                self._leave(queue)
                continue
            if slots is not None and not slots.admits(node.task.resources.cpu):
                return None
            closed = next((gate for gate, amount in self._gates(node) if not gate.admits(amount, node)), None)
            if closed is None:
                return node
            heapq.heappush(closed.waiting, heapq.heappop(queue))
            self._offer(node)
        return None

    def start(self, node: Node) -> None:
        """Gives the instance what it needs; the limits may be passed by what was started before they were set."""
        queue = self._queue_of(node)
        if queue and queue[0][1] is node:
            heapq.heappop(queue)
        taken = list(self._gates(node))
        if node.task.holds_slot:
            taken.append((self._slots, node.task.resources.cpu))
        self._taken[node.name] = taken = [(gate, min(amount, gate.limit)) for gate, amount in taken]
        for gate, amount in taken:
            gate.used += amount

    def end(self, node: Node) -> None:
        """Takes back what the instance had."""
        for gate, amount in self._taken.pop(node.name):
            gate.used -= amount
        self._offer(node)

    def set_aside(self, node: Node) -> None:
        """Takes the first instance out of the queue, until it is pushed again."""
        self._leave(self._queue_of(node))

    def shut(self, pool: str, node: Node) -> None:
        """Lets the first instance wait for a pool that others use up, and all that come for it after it."""
        gate = self._pool(pool)
        gate.shut = True
        heapq.heappush(gate.waiting, heapq.heappop(self._ready))
        self._offer(node)

    def open(self, pool: str) -> None:
        """Lets those through again that wait for a pool."""
        gate = self._pool(pool)
        gate.shut = False
        self._let_through(gate)

    def _queue_of(self, node: Node) -> _Queue:
        return self._ready if node.task.holds_slot else self._slotless

    def _leave(self, queue: _Queue) -> None:
        _, node = heapq.heappop(queue)
        self._offer(node)

    def _offer(self, node: Node) -> None:
        """What one does not take, others may."""
        for gate, _ in self._gates(node):
            self._let_through(gate)

    def _let_through(self, gate: Gate) -> None:
        room = Gate(gate.limit, gate.used, gate.shut)
        while gate.waiting:
            rank, node = gate.waiting[0]
            if node.state is State.QUEUED:
                amount = next(amount for one, amount in self._gates(node) if one is gate)
                if not room.admits(amount):
                    return
                room.used += min(amount, gate.limit)
                self._moved = True
                heapq.heappush(self._queue_of(node), (rank, node))
            heapq.heappop(gate.waiting)

    def _gates(self, node: Node) -> Iterator[tuple[Gate, float]]:
        """The limits but for the slots that hold for the instance, and how much of each it needs."""
        task = node.task
        for container in node.ancestors() if task.holds_slot else ():
            if container.max_parallel is not None:
                yield self._group(container), 1
        if task.resources.memory is not None:
            yield self._memory, task.resources.memory
        for pool, amount in task.pool.items():
            yield self._pool(pool), amount
        if task.resources.gpu:
            yield self._pool(GPUS), task.resources.gpu

    def _group(self, container: Container) -> Gate:
        assert container.max_parallel is not None
        gate = self._groups.get(container.name)
        if gate is None:
            gate = self._groups[container.name] = Gate(container.max_parallel)
        return gate

    def _pool(self, name: str) -> Gate:
        return self._pools.setdefault(name, Gate(math.inf))


GPUS = "gpu "
"""The pool of the machine's devices; no name that a file could give."""
