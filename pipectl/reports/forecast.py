"""How long the rest of a run takes, from how long its tasks took before."""

from __future__ import annotations

from collections.abc import Mapping

from pipectl.graph import Node, topological
from pipectl.model import State
from pipectl.run_view import InstanceView, RunView


class Forecast:
    """Tells the rest of a run; `usual` are the seconds that instances took, by name.

    It is silent where it knows less than half of the tasks; those it does not know are taken to be like the others.
    """

    def __init__(self, nodes: Mapping[str, Node], usual: Mapping[str, float]) -> None:
        known = [usual[name] for name in nodes if name in usual]
        tasks = sum(node.task.type is not None for node in nodes.values())
        self._silent = not known or len(known) * 2 < tasks
        self._slots = 1
        mean = 0.0 if self._silent else sum(known) / len(known)
        self._usual = {name: usual.get(name, mean) if node.task.type else 0.0 for name, node in nodes.items()}
        self._chain: dict[str, float] = {}  # seconds of the slowest chain from here down
        if not self._silent:
            for node in reversed(list(topological(nodes.values()))):
                below = max((self._chain[down.name] for down in node.downstream), default=0.0)
                self._chain[node.name] = self._usual[node.name] + below

    def seconds(self, view: RunView, now: float) -> float | None:
        """The seconds left: of the slowest chain, or of all the work by as many as were seen to run at once."""
        if self._silent:
            return None
        self._slots = max(self._slots, len(view.by_state[State.RUNNING]))
        work = chain = 0.0
        for one in view.open:
            done = self._done(one, now)
            work += self._usual[one.task] - done
            if one.state is not State.PENDING:
                chain = max(chain, self._chain[one.task] - done)
        return max(chain, work / self._slots)

    def _done(self, one: InstanceView, now: float) -> float:
        if one.state is not State.RUNNING:
            return 0.0
        return min(self._usual[one.task], max(0.0, now - one.spans[-1].started))
