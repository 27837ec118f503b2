"""What a run that starts now would take from the cache, and why not more."""

from __future__ import annotations

from pipectl.engine.cache import Answer
from pipectl.engine.cache_key import Request
from pipectl.engine.caches import Caches
from pipectl.graph import Container, Node, lookup
from pipectl.model import State
from pipectl.plan import Plan
from pipectl.task_tree import relative


class ForeseenCaches:
    """Stands for `Caches` in a simulated run, and answers at once. `answers` is what it said of each instance."""

    def __init__(self, caches: Caches, plan: Plan) -> None:
        self._caches = caches
        self._plan = plan
        self._new: list[Answer] = []
        self.answers: dict[str, Answer] = {}

    def look(self, instance: str, request: Request) -> None:
        """Whether the instance was done before: known where all that it needs was, too."""
        node = self._plan.nodes[instance]
        needs = () if node.index is not None else node.task.needs
        anew = [relative(node.task.name, need) for need in needs if _runs(lookup(node, need))]
        if anew:
            answer = Answer(instance, "look", why=(f"`{anew[0]}` runs before it",))
        else:
            answer = self._caches.look_now(instance, request)
        self.answers[instance] = answer
        self._new.append(answer)

    def keep(self, instance: str, output: str | None) -> None:
        """Nothing is kept of what does not run."""
        self._new.append(Answer(instance, "keep"))

    def fileno(self) -> None:
        """Nobody need wait for an answer."""

    def done(self) -> list[Answer]:
        """The answers since."""
        answers, self._new = self._new, []
        return answers

    def close(self) -> None:
        """Lets go of what was opened."""
        self._caches.close()


def _runs(node: Node) -> bool:
    """Whether something of it runs, and may leave something else than last time."""
    if isinstance(node, Container):
        return any(_runs(child) for child in node.children)
    if node.task.type is None and node.index is None:
        return any(_runs(lookup(node, need)) for need in node.task.needs)
    return node.state is State.SUCCESS
