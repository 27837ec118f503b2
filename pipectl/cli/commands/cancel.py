"""`pipectl cancel`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from pipectl.cli.options import State
from pipectl.engine.recorded import pipeline_of
from pipectl.engine.resume import give_up
from pipectl.errors import AlreadyRunning
from pipectl.model import RunState
from pipectl.store.folder import nearest
from pipectl.store.rows import Run
from pipectl.store.store import PATIENCE, Store


def main(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="An id or a unique beginning of one [default: the newest that goes on]."),
    ] = None,
    state: State = None,
) -> int:
    """End a run from another terminal: its tasks are stopped, and its runner, if it lives, runs its `always` tasks.

    Returns when the run has ended.
    """
    store = Store.open(nearest(state))
    found = _newest(store) if run is None else store.find(run)
    if found is None:
        typer.echo("nothing to cancel: no run goes on")
        return 0
    if found.state not in _GOING_ON:
        typer.echo(f"nothing to cancel: run {found.id} of {found.pipeline} has ended ({found.state})")
        return 0
    if found.state is RunState.RUNNING:
        store.ask(found, "cancel", time.time())
        found = _wait_for_end(store, found)
    while found.state is RunState.INTERRUPTED:
        found = _cancel_interrupted(store, found)
    typer.echo(f"run {found.id} of {found.pipeline}: {found.state}")
    return 0


_GOING_ON = (RunState.RUNNING, RunState.INTERRUPTED)


def _newest(store: Store) -> Run | None:
    return next((run for run in store.runs(unfinished=True) if run.state in _GOING_ON), None)


def _wait_for_end(store: Store, run: Run) -> Run:
    while run.state is RunState.RUNNING:
        time.sleep(0.05)
        run = store.as_seen(store.run(run.id))
    return run


def _cancel_interrupted(store: Store, run: Run) -> Run:
    """Nobody holds the run, so this process does it: what is left running ends, and the cancel is recorded."""
    try:
        held = store.take(run, PATIENCE)
    except AlreadyRunning:
        return _wait_for_end(store, store.as_seen(store.run(run.id)))
    if held.run.state is RunState.RUNNING:
        events = store.events(run)
        store.record(run, len(events), give_up(pipeline_of(store, run), run.id, events, time.time()))
    held.lock.release()
    return store.run(run.id)
