"""How `resume` takes a run up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from pipectl.cli.carry import carry_out, look_outside, say_unless_quiet
from pipectl.cli.options import OutputMode
from pipectl.engine.recorded import pipeline_of
from pipectl.errors import UsageError
from pipectl.executors.guard import Guard
from pipectl.model import Durability, Pipeline, RunState
from pipectl.store.folder import nearest
from pipectl.store.store import PATIENCE, Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line of `resume` asks for: the file as it is now, and other parameters."""

    updated: bool
    params: Sequence[str]
    params_file: Path | None

    def __bool__(self) -> bool:
        return self.updated or bool(self.params) or self.params_file is not None


def resume_run(
    name: str | None,
    guard: Guard,
    *,
    again: Sequence[str],
    wanted: Wanted,
    no_wait: bool,
    state: str | None,
    output: OutputMode,
    durability: Durability | None,
) -> int:
    """Takes a run up that is not a success, the newest where none is named, and returns the exit code.

    One that is a success is taken up for what is to be run again, or differs from what is `wanted` now.
    """
    store = Store.open(nearest(state))
    run = store.find(name) if name is not None else next(store.runs(limit=1, unfinished=True), None)
    if run is None and (again or wanted):
        run = store.find("latest")
    if run is None:
        say_unless_quiet(output, "nothing to resume: every run of this state succeeded")
        return 0
    held = store.take(run, PATIENCE)
    if held.run.state is RunState.SUCCESS and not again and not wanted:
        say_unless_quiet(output, f"nothing to resume: run {run.id} of {run.pipeline} succeeded")
        return 0
    pipeline = pipeline_of(store, run)
    _refuse_moved(store, pipeline, state)
    event = None
    if wanted:
        from pipectl.cli.update import update

        changed = update(store, held.run, pipeline, wanted, state)
        say_unless_quiet(output, "\n".join(changed.differences.lines) or "nothing differs in what the tasks do")
        pipeline, event, again = changed.pipeline, changed.event, [*again, *changed.differences.changed]
        held = replace(held, run=changed.run)
        if held.run.state is RunState.SUCCESS and not again:
            return 0
    world = look_outside(pipeline)
    with closing(store):
        return carry_out(
            *(store, held, pipeline, world, guard),
            output=output,
            durability=durability,
            again=again,
            updated=event,
            may_leave=no_wait,
        )


def _refuse_moved(store: Store, pipeline: Pipeline, state: str | None) -> None:
    """A state beside a file is of pipelines in that folder: what was copied must not work on the original's files."""
    here = str(store.folder.parent)
    if state is None and "PIPECTL_STATE" not in os.environ and pipeline.folder != here:
        raise UsageError(
            f"the run is of `{pipeline.file}`, and this state lies in `{here}`: it was moved or copied",
            f"start anew here by `pipectl run FILE`, or go on there by naming the state: `--state {store.folder}`",
        )
