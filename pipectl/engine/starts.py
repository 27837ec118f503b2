"""Which of the queued instances starts now: not while others hold what it needs, and not if it was done before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipectl.admission import GPUS
from pipectl.engine.outputs import Outputs
from pipectl.engine.prepare import Preparer
from pipectl.graph import Node
from pipectl.model import State
from pipectl.plan import Plan
from pipectl.tasks.base import TaskFailed
from pipectl.template import TemplateError

if TYPE_CHECKING:
    from pipectl.engine.cache import Answer  # what most pipelines have none of
    from pipectl.engine.caches import Caches
    from pipectl.store.instance_locks import InstanceLocks
    from pipectl.store.pools import Pools


_LOOK_ELSEWHERE = 0.2  # seconds between looks at what other runs do


class Starts:
    """The starts of one run. `pools`, and `caches` with their `locks`, are None where no task needs them."""

    def __init__(
        self,
        plan: Plan,
        preparer: Preparer,
        outputs: Outputs,
        pools: Pools | None = None,
        caches: Caches | None = None,
        locks: InstanceLocks | None = None,
    ) -> None:
        self._plan = plan
        self._preparer = preparer
        self._outputs = outputs
        self._pools = pools
        self._caches = caches
        self._locks = locks
        self._shut: set[str] = set()
        self._look_at: float | None = None  # when pools that were short are to be asked again
        self._faults: dict[str, TaskFailed | TemplateError] = {}
        self._asked: dict[str, Node] = {}  # whether these were done before
        self._known: dict[str, Node] = {}  # of these it is known
        self._elsewhere: dict[str, Node] = {}  # these another run does now
        self._look_elsewhere_at = 0.0

    def next(self, now: float) -> Node | None:
        """The instance that is to start next, with what it needs of pools in its hands; None where none may."""
        self._open_pools(now)
        self._look_elsewhere(now)
        while node := self._plan.next_ready():
            if self._is_asked(node):
                continue
            if self._pools is not None and (wanted := _wanted(node)) and not self._pools.take(node.name, wanted):
                self._shut.add(self._pools.short)
                self._plan.admission.shut(self._pools.short, node)
                self._look_at = self._pools.retry_at(now)
                continue
            return node
        return None

    def check(self, node: Node) -> None:
        """Raises what kept it from being told whether the instance was done before: its attempt fails by that."""
        if fault := self._faults.pop(node.name, None):
            raise fault

    def devices(self, node: Node) -> Sequence[str] | None:
        """The devices that an attempt may use; None where the file has no say in it."""
        if self._pools is None or not node.task.resources.gpu:
            return None
        return self._pools.taken(node.name, GPUS)

    def ended(self, node: Node) -> None:
        """Gives back what the attempt had."""
        if self._pools is not None:
            self._pools.give_back(node.name)
            self._look_at = None if self._look_at is None else 0.0

    def done(self, node: Node) -> None:
        """Lets other runs do the instance, which has no further attempt."""
        if self._locks is not None and node.name in self._known:
            self._locks.free(node.name)

    def due(self, now: float) -> float | None:
        """When `next` is to be asked again, though nothing else happens."""
        if self._asked and self.fileno() is None:
            return now
        times = [self._look_at if self._shut else None, self._look_elsewhere_at if self._elsewhere else None]
        return min((at for at in times if at is not None), default=None)

    @property
    def pending(self) -> bool:
        """Whether something may start later that nothing else in this run brings about."""
        return bool(self._shut or self._asked or self._elsewhere)

    def close(self) -> None:
        """Frees what is left, and ends what goes on beside the loop."""
        if self._pools is not None:
            self._pools.close()
        if self._caches is not None:
            self._caches.close()
        if self._locks is not None:
            self._locks.close()

    def _open_pools(self, now: float) -> None:
        """Once a turn: who does not ask when it is time to loses its turn."""
        if self._pools is None:
            return
        self._look_at = self._pools.retry_at(now)
        if self._shut and (self._look_at is None or self._look_at <= now):
            for pool in self._shut:
                self._plan.admission.open(pool)
            self._shut.clear()

    # What was done before

    def fileno(self) -> int | None:
        """Readable when there is an answer to take; None where nothing is asked."""
        return None if self._caches is None else self._caches.fileno()

    def _is_asked(self, node: Node) -> bool:
        """Whether it is asked, from now on, if it was done before."""
        if self._caches is None or node.task.cache is None or node.name in self._known:
            return False
        from pipectl.engine.cache_request import request_of  # what most pipelines have none of

        try:
            request = request_of(self._preparer, self._outputs, node)
        except TemplateError as error:
            self._faults[node.name] = error.within("`cache`")
            return False
        except TaskFailed as error:
            self._faults[node.name] = error
            return False
        self._plan.admission.set_aside(node)
        self._asked[node.name] = node
        self._caches.look(node.name, request)
        return True

    def answers(self) -> list[Answer]:
        """What is known since: of instances that were done before, and of what others left. Those not done may start.

        Raises StateError where the state cannot be read or written.
        """
        if self._caches is None:
            return []
        found = []
        for answer in self._caches.done():
            if answer.kind == "keep":
                found.append(answer)
                continue
            node = self._asked.pop(answer.instance)
            if node.state is not State.QUEUED:
                continue
            if answer.hit:
                found.append(answer)
                if self._locks is not None:
                    self._locks.free(node.name)
            elif self._locks is None or self._locks.take(node.name):
                self._known[node.name] = node
                self._plan.admission.push(node)
            else:
                self._elsewhere[node.name] = node
        return found

    def _look_elsewhere(self, now: float) -> None:
        """What another run has done by now may be found."""
        if self._locks is None or not self._elsewhere or now < self._look_elsewhere_at:
            return
        self._look_elsewhere_at = now + _LOOK_ELSEWHERE
        for name, node in list(self._elsewhere.items()):
            if node.state is not State.QUEUED:
                del self._elsewhere[name]
            elif self._locks.take(name):
                del self._elsewhere[name]
                self._plan.admission.push(node)

    def keep(self, node: Node, output: str | None) -> bool:
        """Asks what is to be recorded so that a success is known again; false where it is not to be known."""
        if self._caches is None or node.name not in self._known:
            return False
        self._caches.keep(node.name, output)
        return True


def _wanted(node: Node) -> dict[str, int]:
    wanted = dict(node.task.pool)
    if node.task.resources.gpu:
        wanted[GPUS] = node.task.resources.gpu
    return wanted
