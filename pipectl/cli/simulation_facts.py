"""What `simulate` is asked for, and the JSON that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipectl.cli.facts import rounded
from pipectl.cli.outlook import Outlook
from pipectl.durations import parse_duration
from pipectl.engine.simulation import Assumptions, Simulation
from pipectl.errors import UsageError
from pipectl.model import Pipeline
from pipectl.run_view import InstanceView
from pipectl.spec.words import did_you_mean


def assumptions(outlook: Outlook, fail: Sequence[str], durations: Sequence[str]) -> Assumptions:
    """What the options say, over what is known from history. Raises UsageError for what they cannot say."""
    pipeline = outlook.setting.pipeline
    for name in fail:
        _check_task(pipeline, "--fail", name)
    seconds = dict(outlook.seconds)
    for option in durations:
        name, equals, text = option.partition("=")
        if not equals:
            raise UsageError(f"`--duration {option}` is not TASK=TIME", f"write `--duration {option}=5m`")
        _check_task(pipeline, "--duration", name)
        try:
            seconds[name] = parse_duration(text)
        except ValueError as error:
            raise UsageError(f"`--duration {option}`: {error}") from error
    return Assumptions(seconds, frozenset(fail))


def _check_task(pipeline: Pipeline, option: str, name: str) -> None:
    if name not in pipeline.tasks:
        hint = did_you_mean(name, pipeline.tasks) or f"it has: {', '.join(f'`{task}`' for task in pipeline.tasks)}"
        raise UsageError(f"`{option}`: pipeline `{pipeline.name}` has no task `{name}`", hint)
    if pipeline.tasks[name].type is None:
        raise UsageError(f"`{option}`: task `{name}` is a join, which runs nothing")


def simulation_facts(simulation: Simulation) -> dict[str, Any]:
    """The JSON of `simulate`: times and durations are seconds, times from the start of the run."""
    return {
        "makespan": round(simulation.makespan, 3),
        "state": simulation.view.state,
        "critical_path": critical_path_facts(simulation),
        "without_history": simulation.unknown,
        "instances": [_facts(one) for one in simulation.view.instances.values()],
    }


def critical_path_facts(simulation: Simulation) -> dict[str, Any]:
    """The critical path as `plan` and `simulate` give it."""
    return {"tasks": simulation.critical_path, "duration": round(simulation.critical_seconds, 3)}


def _facts(one: InstanceView) -> dict[str, Any]:
    return {
        "name": one.name,
        "task": one.task,
        "state": one.state,
        "attempts": one.attempts,
        "started": rounded(one.started),
        "ended": rounded(one.ended),
        "duration": rounded(one.duration),
        "error": one.error,
        "allowed": one.allowed,
    }
