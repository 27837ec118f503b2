"""What `run` and `resume` share: from a checked pipeline to a finished run and its exit code."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import typer

from pipectl.cli.options import OutputMode
from pipectl.engine.session import Session, World
from pipectl.errors import PipelineError
from pipectl.executors.guard import Guard, GuardDied
from pipectl.model import Durability, Pipeline, RunState
from pipectl.reports import report_for
from pipectl.spec import world as outside
from pipectl.spec.build import build
from pipectl.store.folder import nearest
from pipectl.store.store import Run, Store


def look_outside(pipeline: Pipeline) -> World:
    """What the pipeline needs from outside its file. Raises PipelineError, with all that is not there."""
    problems = [problem for problem in outside.problems(pipeline, os.environ) if not problem.warning]
    if problems:
        raise PipelineError(problems)
    env_file = outside.env_file_values(pipeline, os.environ)
    return World(dict(os.environ), env_file, outside.secret_values(pipeline, os.environ))


def carry_out(
    store: Store,
    run: Run,
    pipeline: Pipeline,
    world: World,
    guard: Guard,
    *,
    output: OutputMode,
    durability: Durability | None,
    again: Sequence[str] = (),
) -> int:
    """Runs what is left of a run whose lock is held, and returns the exit code of the command."""
    chosen = durability or pipeline.durability
    store.set_durability(chosen)
    session = Session(store, run, pipeline, world, durability=chosen)
    report = report_for(output, run, pipeline, store, f"pipectl resume {run.id}{state_option(store.folder)}")
    for event in session.events:
        report.recall(event)
    try:
        result = session.carry_out(again=again, guard=guard, listeners=[report.event], on_output=report.output)
    except GuardDied:
        return 128 + signal.SIGKILL
    report.finish()
    if result.signal:
        return 128 + result.signal
    return 0 if result.state is RunState.SUCCESS else 1


def state_option(folder: Path) -> str:
    """What a command needs to find this state from where the user stands: nothing, or ` --state DIR`."""
    from pipectl.errors import UsageError

    try:
        found = nearest(None) == folder
    except UsageError:
        found = False
    if found:
        return ""
    import shlex

    return f" --state {shlex.quote(os.path.relpath(folder))}"


def resume_run(
    name: str | None,
    guard: Guard,
    *,
    again: Sequence[str],
    state: str | None,
    output: OutputMode,
    durability: Durability | None,
) -> int:
    """Takes a run up that is not a success, the newest where none is named, and returns the exit code."""
    store = Store.open(nearest(state))
    run = store.find(name) if name is not None else next(store.runs(limit=1, unfinished=True), None)
    if run is None and again:
        run = store.find("latest")
    if run is None:
        typer.echo("nothing to resume: every run of this state succeeded", err=True)
        return 0
    lock = store.lock(run.id)
    lock.acquire(patience=2.0)
    run = store.run(run.id)
    if run.state is RunState.SUCCESS and not again:
        typer.echo(f"nothing to resume: run {run.id} of {run.pipeline} succeeded", err=True)
        return 0
    pipeline = build(store.definition(run.definition))
    world = look_outside(pipeline)
    with closing(store):
        return carry_out(store, run, pipeline, world, guard, output=output, durability=durability, again=again)
