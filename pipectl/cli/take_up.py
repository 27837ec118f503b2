"""How `resume` takes a run up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing

from pipectl.cli.carry import carry_out, look_outside, say_unless_quiet
from pipectl.cli.options import OutputMode
from pipectl.errors import UsageError
from pipectl.executors.guard import Guard
from pipectl.model import Durability, Pipeline, RunState
from pipectl.spec.build import build
from pipectl.store.folder import nearest
from pipectl.store.store import PATIENCE, Store


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
