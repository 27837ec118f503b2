"""How `resume` goes over to an edited file or to other parameters: what differs, and what is run again for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipectl.cli.carry import look_outside
from pipectl.cli.definition import find_definition, given_params
from pipectl.engine.differences import Differences, Given, differences
from pipectl.engine.scopes import run_names
from pipectl.engine.world import compute_vars
from pipectl.errors import UsageError
from pipectl.events import RunUpdated
from pipectl.model import Pipeline
from pipectl.spec.build import build
from pipectl.spec.params import resolve
from pipectl.store.rows import Run
from pipectl.store.store import Store

if TYPE_CHECKING:
    from pipectl.cli.take_up import Wanted


@dataclass(frozen=True, slots=True)
class Update:
    """What a run goes over to, and what differs from what it went by so far."""

    pipeline: Pipeline
    run: Run
    event: RunUpdated
    differences: Differences


def update(store: Store, run: Run, before: Pipeline, wanted: Wanted, state: str | None) -> Update:
    """The run as it is to go on. Raises PipelineError for an invalid file, and UsageError for unfit parameters."""
    after, key = before, run.definition
    if wanted.updated:
        found = find_definition(before.file, state, store)
        after = _part(store, run, build(found.definition.document))
        key = store.keep_definition(found.definition)
        if after.name != run.pipeline:
            raise UsageError(
                f"the file now declares the pipeline `{after.name}`, and run {run.id} is of `{run.pipeline}`",
                "start anew: `pipectl run FILE`",
            )
    given, from_file = given_params(wanted.params, wanted.params_file)
    kept = {name: value for name, value in run.params.items() if name in after.params}
    params = resolve(after, given, {**kept, **from_file})
    names = run_names(run.id, run.logical_time, run.cause, str(store.folder_of("runs", run.id)))
    values = compute_vars(after, params, names, look_outside(after))
    return Update(
        pipeline=after,
        run=replace(run, definition=key, params=params, vars=values),
        event=RunUpdated(time.time(), key, params, values),
        differences=differences(Given(before, run.params, run.vars), Given(after, params, values)),
    )


def _part(store: Store, run: Run, pipeline: Pipeline) -> Pipeline:
    """What was selected, of the edited pipeline; outputs of the rest that it uses and did not before are kept for it.

    Raises UsageError where there are none.
    """
    chosen = run.options.get("selection")
    if not chosen:
        return pipeline
    from pipectl.engine.earlier import earlier_outputs
    from pipectl.outline import task_path
    from pipectl.selection import Selection, select

    selected = select(pipeline, Selection(**chosen))
    known = {task_path(name) for name in store.earlier(run)}
    missing = {path: user for path, user in selected.wanted.items() if path not in known}
    if missing:
        store.keep_earlier(run, earlier_outputs(store, run.pipeline, missing))
    return selected.pipeline
