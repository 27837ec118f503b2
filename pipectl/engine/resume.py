"""Taking up a run that another runner, or none, left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipectl.errors import UsageError
from pipectl.events import AttemptFinished, Event, RunFinished, RunResumed, RunStopping, TaskClosed
from pipectl.executors.survivors import end_survivors
from pipectl.graph import Container, Node
from pipectl.model import Pipeline, State
from pipectl.outline import task_path
from pipectl.plan import Ask, Decision, Plan

_MOST_SHOWN = 20


def take_up(plan: Plan, now: float, again: Iterable[str] = (), lost: Iterable[str] = ()) -> list[Event]:
    """The events by which a runner takes up a run whose plan has taken in all that was recorded.

    What is unfinished is opened again, and so are the tasks named in `again` with all below them, and the instances
    whose declared outputs were `lost`, without those: theirs are in place. An attempt that
    started and whose end was not recorded is lost, unless its work lives elsewhere and can be found by its handle.
    Raises UsageError for a task that the run does not have.
    """
    reopened = {*unfinished(plan), *lost}
    for name in again:
        for node in named(plan, name):
            reopened |= below(node)
    ended = [node for node in plan.running.values() if node.handle is None]
    reopened -= plan.running.keys()
    return [
        RunResumed(now, tuple(name for name in plan.nodes if name in reopened)),
        *(AttemptFinished(now, node.name, node.attempts, None, error="lost with its runner") for node in ended),
    ]


def give_up(pipeline: Pipeline, run_id: str, events: Sequence[Event], now: float) -> list[Event]:
    """The events that cancel a run which nobody holds, after ending what is left of its attempts."""
    plan = Plan(pipeline.tasks)
    for event in events:
        plan.apply(event)
    end_survivors(run_id)
    told: list[Event] = []

    def tell(event: Event) -> None:
        told.append(event)
        plan.apply(event)

    tell(RunStopping(now, "cancel", at_once=True))
    for node in list(plan.running.values()):
        tell(AttemptFinished(now, node.name, node.attempts, State.CANCELLED))
    while decision := plan.next_decision():
        tell(_closing(decision, now))
    tell(RunFinished(now, plan.verdict))
    return told


def _closing(decision: Decision, now: float) -> TaskClosed:
    name = decision.node.name
    if decision.ask is Ask.JUDGE:
        return TaskClosed(now, name, State.FAILED, "tasks", allowed=decision.node.task.allow_failure is True)
    return TaskClosed(now, name, decision.state, decision.by)


def unfinished(plan: Plan) -> list[str]:
    """What a resume opens again: all that failed and may not, was blocked, cancelled or skipped by its trigger.

    Of what was closed together with all in it, only the whole.
    """
    return [name for name, node in plan.nodes.items() if _is_unfinished(node) and not _is_settled(node)]


def _is_unfinished(node: Node) -> bool:
    if isinstance(node, Container) and not _is_closed(node):
        return False
    match node.state:
        case State.FAILED:
            return not node.allowed
        case State.SKIPPED:
            return node.closed_by == "trigger"
        case _:
            return node.state in {State.UPSTREAM_FAILED, State.CANCELLED}


def _is_settled(node: Node) -> bool:
    """Whether what it is in decides about it."""
    return any(_is_closed(around) or around.allowed for around in node.ancestors())


def _is_closed(container: Container) -> bool:
    """Whether it was closed together with all in it, and not by what became of that."""
    return container.closed_by not in {None, "tasks"}


def named(plan: Plan, name: str) -> list[Node]:
    """The instances that a name stands for: of an instance, a task or a group. Raises UsageError for none.

    Of what is in a group that has not been opened, that is the group.
    """
    if name in plan.nodes:
        return [plan.nodes[name]]
    found = [node for node in plan.nodes.values() if node.path == name]
    path = name if name in plan.graph.paths else ""
    while not found and "." in path:
        path = path.rpartition(".")[0]
        found = [node for node in plan.nodes.values() if node.path == path and _is_empty(node)]
    if not found:
        raise UsageError(f"the run has no task `{name}`", _what_it_has(plan, task_path(name)))
    return found


def _what_it_has(plan: Plan, path: str) -> str:
    instances = [node.name for node in plan.nodes.values() if node.path == path and node.name != path]
    names = instances or list(dict.fromkeys(node.path for node in plan.nodes.values()))
    shown = ", ".join(f"`{one}`" for one in names[:_MOST_SHOWN])
    return f"it has: {shown}" + (f" and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else "")


def _is_empty(node: Node) -> bool:
    return isinstance(node, Container) and not node.children


def below(node: Node) -> set[str]:
    """The instance and all that needs it, directly or through others, groups with all in them."""
    found: set[str] = set()
    pending = [node]
    while pending:
        one = _whole(pending.pop())
        if one.name in found:
            continue
        inside = list(one.within()) if isinstance(one, Container) else []
        found |= {one.name, *(each.name for each in inside)}
        for around in (one, *one.ancestors(), *inside):
            pending += around.downstream
    return found


def _whole(node: Node) -> Node:
    """What was closed together with the instance, of which it cannot be opened alone."""
    return next((around for around in [*node.ancestors()][::-1] if _is_closed(around)), node)
