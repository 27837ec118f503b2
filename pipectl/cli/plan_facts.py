"""What `plan` tells: each task as it is expected to go, in the order in which the run comes to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipectl.cli.facts import problem_facts, rounded
from pipectl.cli.outlook import Outlook
from pipectl.cli.simulation_facts import assumed_facts, critical_path_facts, use_facts
from pipectl.engine.assumptions import Items
from pipectl.engine.simulation import Simulation, simulate
from pipectl.events import AttemptStarted, TaskClosed
from pipectl.graph import Node, lookup
from pipectl.model import State, Task, TriggerRule
from pipectl.reports.text import listed
from pipectl.run_view import InstanceView
from pipectl.task_tree import every_task, relative
from pipectl.tasks.base import TaskFailed
from pipectl.template import bare

Decision = Literal["run", "cached", "later", "skip", "fail", "cancel"]
"""Whether a task runs if nothing fails: `later` where its `when` is computed in the run, which is taken as true.

It is `cached` where all its instances are.
"""


@dataclass(frozen=True, slots=True)
class Expected:
    """One task as it is expected to go, all its instances together; `path` is its name through all groups.

    `instances` is their number where it has many, else None. `seconds` are those of one of them, None where there is no
    history; times are seconds from 0, and `is_guess` says whether they rest on a guess.
    """

    path: str
    task: Task
    decision: Decision
    reason: str
    instances: int | None
    seconds: float | None
    started: float | None
    ended: float | None
    program: str | None
    when: bool | None
    is_guess: bool


@dataclass(frozen=True, slots=True)
class ExpectedRun:
    """A run in which every attempt succeeds, and takes as long as it did so far."""

    outlook: Outlook
    simulation: Simulation
    tasks: Sequence[Expected]


def expected_run(outlook: Outlook) -> ExpectedRun:
    """What is to be expected of a run that starts now."""
    simulation = simulate(
        *(outlook.setting, outlook.assumptions),
        capacity=outlook.capacity,
        earlier=outlook.earlier,
        caches=outlook.caches(),
    )
    forecast = _Forecast(outlook, simulation)
    return ExpectedRun(outlook, simulation, [forecast.expected(path) for path in forecast.order()])


class _Forecast:
    """What a simulation tells of tasks: of each, its instances together."""

    def __init__(self, outlook: Outlook, simulation: Simulation) -> None:
        self._outlook = outlook
        self._simulation = simulation
        self._tasks = dict(every_task(outlook.setting.pipeline.tasks))
        self._nodes: dict[str, list[Node]] = {}
        for node in simulation.plan.nodes.values():
            self._nodes.setdefault(node.path, []).append(node)
        self._rows: dict[str, list[InstanceView]] = {}
        for one in simulation.view.instances.values():
            for path in _with_groups(one.task):
                self._rows.setdefault(path, []).append(one)

    def order(self) -> list[str]:
        """The tasks in the order in which the run comes to them, groups before those in them."""
        found: dict[str, None] = {}
        nodes = self._simulation.plan.nodes
        for event in self._simulation.events:
            if isinstance(event, (AttemptStarted, TaskClosed)):
                path = nodes[event.instance].path
                if path not in found:
                    found |= dict.fromkeys(_with_groups(path))
        return list(found | dict.fromkeys(self._tasks))

    def expected(self, path: str) -> Expected:
        """How the task is expected to go."""
        task, rows = self._tasks[path], self._rows.get(path, [])
        when = self._when(path)
        decision = self._decision(path, when)
        ended = [one.ended for one in rows if one.started is not None and one.ended is not None]
        return Expected(
            path=path,
            task=task,
            decision=decision,
            reason="; ".join(self._reasons(path, decision, when)),
            instances=self._count(path),
            seconds=0.0 if task.type is None else self._outlook.assumptions.usual.get(path),
            started=min((one.started for one in rows if one.started is not None), default=None),
            ended=max(ended, default=None),
            program=self._program(path),
            when=when,
            is_guess=path in self._simulation.guessed,
        )

    def _count(self, path: str) -> int | None:
        """How many instances the task has, where `foreach` makes them."""
        made = [node for node in self._nodes.get(path, []) if node.index is not None or not node.task.foreach]
        return len(made) if self._tasks[path].foreach or any("[" in node.name for node in made) else None

    def _states(self, path: str) -> set[State]:
        nodes = self._nodes.get(path)
        if nodes is None:  # what it is in was never opened
            return {one.state for one in self._rows.get(path, [])}
        copies = [node for node in nodes if node.index is not None]
        return {node.state for node in copies or nodes}

    def _when(self, path: str) -> bool | None:
        task, nodes = self._tasks[path], self._nodes.get(path)
        if task.when is None or not nodes:
            return None
        by_when = sum(node.closed_by == "when" for node in nodes)
        if 0 < by_when < self._count_or_one(path):
            return None
        return self._simulation.foresight.holds_now(task.when, nodes[-1])

    def _count_or_one(self, path: str) -> int:
        count = self._count(path)
        return 1 if count is None else count

    def _decision(self, path: str, when: bool | None) -> Decision:
        states = self._states(path)
        if State.FAILED in states:
            return "fail"
        if State.CANCELLED in states:
            return "cancel"
        if states <= {State.SKIPPED, State.UPSTREAM_FAILED}:
            return "skip"
        if states == {State.CACHED}:
            return "cached"
        unsure = self._tasks[path].when is not None and when is None and not self._some_closed(path)
        return "later" if unsure else "run"

    def _some_closed(self, path: str) -> int:
        """How many instances are skipped by their `when`."""
        return sum(node.closed_by == "when" for node in self._nodes.get(path, []))

    # Why

    def _reasons(self, path: str, decision: Decision, when: bool | None) -> Iterator[str]:
        task = self._tasks[path]
        match decision:
            case "fail":
                failed = (node for node in self._nodes.get(path, []) if node.state is State.FAILED)
                yield next((node.error for node in failed if node.error), "a task in it fails")
            case "cancel":
                yield "the time limit of the run ends it, or comes before it"
            case "skip":
                yield self._why_skipped(path)
            case "cached":
                yield from self._why_cached(path)
            case _:
                yield _after(path, task)
                if task.when is not None:
                    yield self._condition(path, bare(task.when), when)
                if task.foreach is not None:
                    yield items_text(self._count_or_one(path), self._simulation.assumed.get(path))
                yield from self._why_cached(path)

    def _why_cached(self, path: str) -> Iterator[str]:
        """What the cache says: of one instance why it runs or not, of many how many need not, and why one must."""
        looked = [node for node in self._nodes.get(path, []) if node.name in self._simulation.looked]
        answers = {node.name: self._simulation.looked[node.name] for node in looked}
        missed = [(name, answer) for name, answer in answers.items() if not answer.hit]
        if len(answers) > 1:
            yield f"{len(answers) - len(missed):,} of {len(answers):,} cached"
        for name, answer in missed[:1]:
            yield (f"{name}: " if len(answers) > 1 else "") + listed(answer.why, 4)
        if len(answers) == 1 and not missed:
            yield listed(next(iter(answers.values())).why, 4)

    def _condition(self, path: str, condition: str, when: bool | None) -> str:
        if skipped := self._some_closed(path):
            count = self._count_or_one(path)
            return f"`{condition}` is true of {count - skipped:,} of {count:,}"
        return f"if `{condition}`" if when is None else f"`{condition}` is true"

    def _why_skipped(self, path: str) -> str:
        nodes, task = self._nodes.get(path, []), self._tasks[path]
        group = path.rpartition(".")[0]
        if not nodes:
            return f"`{group}` is skipped"
        node = nodes[-1]
        closed = next((one for one in node.ancestors() if one.closed_by not in {None, "tasks"}), None)
        if closed is not None:
            return f"`{closed.path}` is {closed.state}"
        if node.closed_by == "when" and task.when is not None:
            return f"`{bare(task.when)}` is false"
        if node.closed_by == "trigger":
            return _blocked(node)
        return "there are no items" if task.foreach else "all in it are skipped"

    def _program(self, path: str) -> str | None:
        nodes = self._nodes.get(path)
        if self._tasks[path].type != "python" or not nodes:
            return None
        try:
            return self._simulation.foresight.program(nodes[-1])
        except TaskFailed:
            return None


def _with_groups(path: str) -> Iterator[str]:
    """The path, after those of the groups around it."""
    at = path.find(".")
    while at >= 0:
        yield path[:at]
        at = path.find(".", at + 1)
    yield path


def _after(path: str, task: Task) -> str:
    group = path.rpartition(".")[0]
    if not task.needs:
        return f"at the start of {group}" if group else "at the start"
    rule = "" if task.trigger is TriggerRule.ALL_SUCCESS else f" ({task.trigger})"
    return f"after {listed([relative(task.name, need) for need in task.needs], 4)}{rule}"


def _blocked(node: Node) -> str:
    """Why the trigger of a task does not let it run."""
    task = node.task
    by_state: dict[str, list[str]] = {}
    for need in task.needs:
        by_state.setdefault(lookup(node, need).state, []).append(relative(task.name, need))
    if task.trigger is TriggerRule.ALL_SUCCESS:
        by_state.pop(State.SUCCESS, None)
    states = ", ".join(f"{state} ({listed(names, 4)})" for state, names in by_state.items())
    return f"{task.trigger}, and upstream is {states}"


def items_text(count: int, assumed: Items | None) -> str:
    """How many items there are, and how that is known."""
    items = f"{count:,} item{'' if count == 1 else 's'}"
    if assumed is None:
        return items
    return {
        "option": items,
        "history": f"{items}, as in its last run",
        "guess": f"its items are known in the run, taken as {count}",
    }[assumed.source]


def path_text(names: Sequence[str], most: int = 12) -> str:
    """A chain of tasks; of a long one its beginning and its end."""
    if len(names) <= most:
        return " > ".join(names)
    half = most // 2
    return " > ".join([*names[:half], f"({len(names) - 2 * half:,} others)", *names[-half:]])


def plan_facts(run: ExpectedRun) -> dict[str, Any]:
    """The JSON of `plan`. Times are seconds from the start of the run; what nothing is known of takes one second."""
    pipeline = run.outlook.setting.pipeline
    return {
        "pipeline": pipeline.name,
        "file": pipeline.file,
        "params": run.outlook.setting.params,
        "assumption": "nothing fails",
        "state": run.simulation.view.state,
        "max_parallel": run.outlook.capacity,
        "makespan": round(run.simulation.makespan, 3),
        "critical_path": critical_path_facts(run.simulation),
        "without_history": run.simulation.unknown,
        "assumed_items": assumed_facts(run.simulation),
        "slots": use_facts(run.simulation),
        "tasks": [_facts(one) for one in run.tasks],
        "warnings": [problem_facts(problem) for problem in run.outlook.warnings],
    }


def _facts(one: Expected) -> Mapping[str, Any]:
    task = one.task
    return {
        "name": one.path,
        "type": task.type,
        "needs": task.needs,
        "trigger": task.trigger,
        "when": None if task.when is None else {"expression": bare(task.when), "value": one.when},
        "decision": one.decision,
        "reason": one.reason,
        "instances": one.instances,
        "duration": rounded(one.seconds),
        "started": rounded(one.started),
        "ended": rounded(one.ended),
        "interpreter": one.program,
    }
