"""What `plan` tells: each task as it is expected to go, in the order in which the run comes to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipectl.cli.facts import problem_facts, rounded
from pipectl.cli.outlook import Outlook
from pipectl.cli.simulation_facts import critical_path_facts
from pipectl.engine.foresight import Foresight
from pipectl.engine.simulation import DEFAULT_SECONDS, Assumptions, Simulation, simulate
from pipectl.events import AttemptStarted, TaskClosed
from pipectl.model import State, Task, TriggerRule
from pipectl.plan import Plan
from pipectl.reports.text import listed
from pipectl.run_view import InstanceView
from pipectl.tasks.base import TaskFailed
from pipectl.template import bare

Decision = Literal["run", "later", "skip", "fail", "cancel"]
"""Whether a task runs if nothing fails: `later` where its `when` is computed in the run, which is taken as true."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One task as it is expected to go. `seconds` is None where there is no history; times are seconds from 0."""

    task: Task
    decision: Decision
    reason: str
    seconds: float | None
    started: float | None
    ended: float | None
    program: str | None
    when: bool | None


@dataclass(frozen=True, slots=True)
class ExpectedRun:
    """A run in which every attempt succeeds, and takes as long as it did so far."""

    outlook: Outlook
    simulation: Simulation
    tasks: Sequence[Expected]


def expected_run(outlook: Outlook) -> ExpectedRun:
    """What is to be expected of a run that starts now."""
    simulation = simulate(outlook.setting, Assumptions(outlook.seconds), capacity=outlook.capacity)
    order = [event.instance for event in simulation.events if isinstance(event, (AttemptStarted, TaskClosed))]
    tasks = [_expected(simulation, outlook, name) for name in dict.fromkeys(order)]
    return ExpectedRun(outlook, simulation, tasks)


def _expected(simulation: Simulation, outlook: Outlook, name: str) -> Expected:
    task, one = simulation.plan.nodes[name].task, simulation.view.instances[name]
    when = None if task.when is None else simulation.foresight.holds_now(task.when, task)
    decision = _decision(task, one, when)
    return Expected(
        task=task,
        decision=decision,
        reason=_reason(task, one, decision, when, simulation.plan),
        seconds=outlook.seconds.get(name) if task.type else 0.0,
        started=one.started,
        ended=one.ended if one.started is not None else None,
        program=_program(simulation.foresight, task),
        when=when,
    )


def _decision(task: Task, one: InstanceView, when: bool | None) -> Decision:
    if one.state in {State.SKIPPED, State.UPSTREAM_FAILED}:
        return "skip"
    if one.state is State.FAILED:
        return "fail"
    if one.state is State.CANCELLED:
        return "cancel"
    return "later" if task.when is not None and when is None else "run"


def _reason(task: Task, one: InstanceView, decision: Decision, when: bool | None, plan: Plan) -> str:
    condition = "" if task.when is None else bare(task.when)
    if decision == "fail":
        return one.error or ""
    if decision == "cancel":
        return "the time limit of the run ends it, or comes before it"
    if decision == "skip":
        return f"`{condition}` is false" if one.closed_by == "when" else _blocked(task, plan)
    words = [_after(task)]
    if task.when is not None:
        words.append(f"if `{condition}`" if when is None else f"`{condition}` is true")
    return "; ".join(words)


def _after(task: Task) -> str:
    if not task.needs:
        return "at the start"
    rule = "" if task.trigger is TriggerRule.ALL_SUCCESS else f" ({task.trigger})"
    return f"after {listed(task.needs, 4)}{rule}"


def _blocked(task: Task, plan: Plan) -> str:
    """Why the trigger of a task does not let it run."""
    by_state: dict[str, list[str]] = {}
    for name in task.needs:
        by_state.setdefault(plan.nodes[name].state, []).append(name)
    if task.trigger is TriggerRule.ALL_SUCCESS:
        by_state.pop(State.SUCCESS, None)
    states = ", ".join(f"{state} ({listed(names, 4)})" for state, names in by_state.items())
    return f"{task.trigger}, and upstream is {states}"


def _program(foresight: Foresight, task: Task) -> str | None:
    if task.type != "python":
        return None
    try:
        return foresight.program(task)
    except TaskFailed:
        return None


def path_text(names: Sequence[str], most: int = 12) -> str:
    """A chain of tasks; of a long one its beginning and its end."""
    if len(names) <= most:
        return " > ".join(names)
    half = most // 2
    return " > ".join([*names[:half], f"({len(names) - 2 * half:,} others)", *names[-half:]])


def unknown_text(simulation: Simulation) -> str:
    """A line that names what had to be guessed, empty where nothing had."""
    if not simulation.unknown:
        return ""
    limits = (simulation.plan.nodes[name].task.timeout for name in simulation.unknown)
    limited = any(limit is not None and limit < DEFAULT_SECONDS for limit in limits)
    guess = "1s, or as its time limit where that is less" if limited else "1s"
    return f"no history (taken as {guess}): {listed(simulation.unknown)}"


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
        "tasks": [_facts(one) for one in run.tasks],
        "warnings": [problem_facts(problem) for problem in run.outlook.warnings],
    }


def _facts(one: Expected) -> Mapping[str, Any]:
    task = one.task
    return {
        "name": task.name,
        "type": task.type,
        "needs": task.needs,
        "trigger": task.trigger,
        "when": None if task.when is None else {"expression": bare(task.when), "value": one.when},
        "decision": one.decision,
        "reason": one.reason,
        "duration": rounded(one.seconds),
        "started": rounded(one.started),
        "ended": rounded(one.ended),
        "interpreter": one.program,
    }
