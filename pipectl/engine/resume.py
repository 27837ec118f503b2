"""Taking up a run that another runner, or none, left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipectl.errors import UsageError
from pipectl.events import AttemptFinished, Event, RunFinished, RunResumed, RunStopping, TaskClosed
from pipectl.executors.survivors import end_survivors
from pipectl.graph import Node
from pipectl.model import Pipeline, State
from pipectl.plan import Plan


def take_up(plan: Plan, now: float, again: Iterable[str] = ()) -> list[Event]:
    """The events by which a runner takes up a run whose plan has taken in all that was recorded.

    What is unfinished is opened again, and so are the tasks named in `again` with all below them. An attempt that
    started and whose end was not recorded is lost, unless its work lives elsewhere and can be found by its handle.
    Raises UsageError for a task that the run does not have.
    """
    reopened = set(unfinished(plan))
    for name in again:
        if name not in plan.nodes:
            raise UsageError(f"the run has no task `{name}`", f"it has: {', '.join(f'`{n}`' for n in plan.nodes)}")
        reopened |= below(plan, name)
    lost = [node for node in plan.running.values() if node.handle is None]
    reopened -= plan.running.keys()
    return [
        RunResumed(now, tuple(name for name in plan.nodes if name in reopened)),
        *(AttemptFinished(now, node.name, node.attempts, None, error="lost with its runner") for node in lost),
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
        tell(TaskClosed(now, decision.node.name, decision.state or State.CANCELLED, decision.by))
    tell(RunFinished(now, plan.verdict))
    return told


def unfinished(plan: Plan) -> list[str]:
    """What a resume opens again: all that failed and may not, was blocked, cancelled or skipped by its trigger."""
    return [name for name, node in plan.nodes.items() if _is_unfinished(node)]


def _is_unfinished(node: Node) -> bool:
    match node.state:
        case State.FAILED:
            return not node.allowed
        case State.SKIPPED:
            return node.closed_by == "trigger"
        case _:
            return node.state in {State.UPSTREAM_FAILED, State.CANCELLED}


def below(plan: Plan, name: str) -> set[str]:
    """The instance and all that needs it, directly or through others."""
    found = {name}
    pending = [plan.nodes[name]]
    while pending:
        for down in pending.pop().downstream:
            if down.name not in found:
                found.add(down.name)
                pending.append(down)
    return found
