"""What `run` and `resume` share: from a checked pipeline to a finished run and its exit code."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import closing

import typer

from pipectl.cli.options import OutputMode
from pipectl.cli.state_option import state_option
from pipectl.engine.session import Session, World
from pipectl.errors import PipelineError, UsageError
from pipectl.executors.guard import Guard, GuardDied
from pipectl.model import Durability, Pipeline, RunState
from pipectl.reports import report_for
from pipectl.spec import world as outside
from pipectl.spec.build import build
from pipectl.store.folder import nearest
from pipectl.store.rows import Held
from pipectl.store.store import PATIENCE, Store


def say_unless_quiet(output: OutputMode, text: str) -> None:
    """Tells why something is not done, but not in a mail from cron."""
    if output is not OutputMode.QUIET:
        typer.echo(text, err=True)


def look_outside(pipeline: Pipeline) -> World:
    """What the pipeline needs from outside its file. Raises PipelineError, with all that is not there."""
    problems = [problem for problem in outside.problems(pipeline, os.environ) if not problem.warning]
    if problems:
        raise PipelineError(problems)
    env_file = outside.env_file_values(pipeline, os.environ)
    return World(dict(os.environ), env_file, outside.secret_values(pipeline, os.environ))


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
) -> int:
    """Runs what is left of a run whose lock is held, and returns the exit code of the command."""
    run = held.run
    chosen = durability or pipeline.durability
    store.set_durability(chosen)
    session = Session(store, held, pipeline, world, durability=chosen)
    report = report_for(output, run, pipeline, store, state_option(store.folder))
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
        say_unless_quiet(output, "nothing to resume: every run of this state succeeded")
        return 0
    held = store.take(run, PATIENCE)
    if held.run.state is RunState.SUCCESS and not again:
        say_unless_quiet(output, f"nothing to resume: run {run.id} of {run.pipeline} succeeded")
        return 0
    pipeline = build(store.definition(run.definition))
    _refuse_moved(store, pipeline, state)
    world = look_outside(pipeline)
    with closing(store):
        return carry_out(store, held, pipeline, world, guard, output=output, durability=durability, again=again)


def _refuse_moved(store: Store, pipeline: Pipeline, state: str | None) -> None:
    """A state beside a file is of pipelines in that folder: what was copied must not work on the original's files."""
    here = str(store.folder.parent)
    if state is None and "PIPECTL_STATE" not in os.environ and pipeline.folder != here:
        raise UsageError(
            f"the run is of `{pipeline.file}`, and this state lies in `{here}`: it was moved or copied",
            f"start anew here by `pipectl run FILE`, or go on there by naming the state: `--state {store.folder}`",
        )
