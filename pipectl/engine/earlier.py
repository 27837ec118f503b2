"""What tasks that are left out of a run gave when they succeeded the last time."""

from __future__ import annotations

from collections.abc import Mapping

from pipectl.engine.outputs import Outputs
from pipectl.engine.recorded import pipeline_of
from pipectl.errors import UsageError
from pipectl.graph import Node
from pipectl.model import State
from pipectl.plan import Plan
from pipectl.store.rows import Run
from pipectl.store.store import Store


class Earlier:
    """The newest successes in the runs of one pipeline."""

    def __init__(self, store: Store, pipeline: str) -> None:
        self._store = store
        self._pipeline = pipeline
        self._plans: dict[str, tuple[Plan, Outputs]] = {}

    def outputs(self, task: str) -> dict[str, str]:
        """The outputs that a task had in the newest run in which it succeeded, none where it never did.

        They are JSON text by name: of a task in a group with `foreach` that of each copy, of a group or a task with
        `foreach` all that it gathered.
        """
        for run_id in self._store.runs_with_success(self._pipeline, task.partition(".")[0]):
            plan, outputs = self._replayed(run_id)
            nodes = [node for node in plan.nodes.values() if node.path == task and node.index is None]
            if nodes and all(_succeeded(node) for node in nodes):
                return {node.name: outputs.text(node) or "null" for node in nodes}
        return {}

    def _replayed(self, run_id: str) -> tuple[Plan, Outputs]:
        if run_id not in self._plans:
            run = self._store.run(run_id)
            plan = Plan(pipeline_of(self._store, run).tasks)
            for event in self._store.events(run):
                plan.apply(event)
            self._plans[run_id] = (plan, _outputs(self._store, run))
        return self._plans[run_id]


def _outputs(store: Store, run: Run) -> Outputs:
    return Outputs(
        lambda instance: store.output(run, instance),
        lambda group: store.outputs_within(run, group),
        store.earlier(run),
    )


def _succeeded(node: Node) -> bool:
    return node.state in {State.SUCCESS, State.CACHED}


def earlier_outputs(store: Store | None, pipeline: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """The outputs of all that is wanted, each with a task that uses it; see `Earlier.outputs`.

    Raises UsageError, which names all that never succeeded.
    """
    past = None if store is None else Earlier(store, pipeline)
    found: dict[str, str] = {}
    missing = []
    for task, user in wanted.items():
        outputs = past.outputs(task) if past else {}
        found |= outputs
        if not outputs:
            missing.append(f"`{user}` uses the output of `{task}`, which is left out and has never succeeded")
    if missing:
        user = next(iter(wanted.values()))
        raise UsageError("\n".join(missing), f"`--until {user}` also runs what it needs")
    return found
