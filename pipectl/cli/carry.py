"""What `run` and `resume` share: from a checked pipeline to a finished run and its exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

import typer

from pipectl.cli.options import OutputMode
from pipectl.cli.state_option import state_option
from pipectl.engine.environment import variables_of_secrets
from pipectl.engine.session import Session
from pipectl.engine.world import World
from pipectl.errors import PipelineError
from pipectl.events import RunUpdated
from pipectl.executors.guard import Guard, GuardDied
from pipectl.model import Durability, Pipeline, RunState
from pipectl.reports import report_for
from pipectl.reports.base import Report
from pipectl.spec import world as outside
from pipectl.store.rows import Held, Run
from pipectl.store.store import Store
from pipectl.task_tree import every_task, own_tasks

if TYPE_CHECKING:
    from pipectl.cli.prompt import Prompt


LEFT = 75
"""The exit code of a run that was left while it waits for an approval."""


def say_unless_quiet(output: OutputMode, text: str) -> None:
    """Tells why something is not done, but not in a mail from cron."""
    if output is not OutputMode.QUIET:
        typer.echo(text, err=True)


def look_outside(pipeline: Pipeline) -> World:
    """What the pipeline needs from outside its file. Raises PipelineError, with all that is not there."""
    problems = [problem for problem in outside.problems(pipeline, os.environ) if not problem.warning]
    if problems:
        raise PipelineError(problems)
    return _world(pipeline, variables_of_secrets(pipeline))


def _world(pipeline: Pipeline, hidden: Set[str]) -> World:
    env_file = outside.env_file_values(pipeline, os.environ)
    secrets = outside.secret_values(pipeline, {**os.environ, **env_file})
    children = {task.name: task.pipeline for task in own_tasks(pipeline.tasks) if task.pipeline is not None}
    inner = {name: _world(child, hidden) for name, child in children.items()}
    return World(dict(os.environ), env_file, secrets, inner, hidden)


def carry_out(
    store: Store,
    held: Held,
    pipeline: Pipeline,
    world: World,
    guard: Guard,
    *,
    output: OutputMode,
    durability: Durability | None,
    again: Sequence[str] = (),
    updated: RunUpdated | None = None,
    may_leave: bool = False,
) -> int:
    """Runs what is left of a run whose lock is held, and returns the exit code of the command."""
    run = held.run
    chosen = durability or pipeline.durability
    store.set_durability(chosen)
    session = Session(store, held, pipeline, world, durability=chosen)
    report = report_for(output, run, pipeline, store, state_option(store.folder))
    for event in session.events:
        report.recall(event)
    prompt = _prompt(store, run, pipeline, report, output)

    def tick() -> None:
        report.tick()
        if prompt:
            prompt.tick()

    try:
        result = session.carry_out(
            again=again,
            updated=updated,
            guard=guard,
            listeners=[report.event, *([prompt.event] if prompt else [])],
            on_output=report.output,
            on_turn=tick,
            may_leave=may_leave,
        )
    except GuardDied:
        return 128 + signal.SIGKILL
    finally:
        report.close()
    report.finish()
    if result.signal:
        return 128 + result.signal
    if result.state is RunState.RUNNING:
        return LEFT
    return 0 if result.state is RunState.SUCCESS else 1


def _prompt(store: Store, run: Run, pipeline: Pipeline, report: Report, output: OutputMode) -> Prompt | None:
    """What takes answers from the terminal, where there is one and people read there what is told."""
    if all(task.type != "approve" for _, task in every_task(pipeline.tasks)):
        return None
    if output in {OutputMode.JSON, OutputMode.QUIET} or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    from pipectl.cli.prompt import Prompt

    return Prompt(store, run, report.say)
