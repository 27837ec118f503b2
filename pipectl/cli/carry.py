"""What `run` and `resume` share: from a checked pipeline to a finished run and its exit code."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import typer

from pipectl.cli.options import OutputMode
from pipectl.cli.state_option import state_option
from pipectl.engine.session import Session, World
from pipectl.errors import PipelineError
from pipectl.executors.guard import Guard, GuardDied
from pipectl.model import Durability, Pipeline, RunState
from pipectl.reports import report_for
from pipectl.spec import world as outside
from pipectl.store.rows import Held
from pipectl.store.store import Store


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
    return World(dict(os.environ), env_file, outside.secret_values(pipeline, {**os.environ, **env_file}))


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
        result = session.carry_out(
            again=again, guard=guard, listeners=[report.event], on_output=report.output, on_turn=report.tick
        )
    except GuardDied:
        return 128 + signal.SIGKILL
    finally:
        report.close()
    report.finish()
    if result.signal:
        return 128 + result.signal
    return 0 if result.state is RunState.SUCCESS else 1
