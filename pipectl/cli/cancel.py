"""`pipectl cancel`."""

from __future__ import annotations

import time

import typer

from pipectl.cli.options import RunName, State
from pipectl.engine.resume import give_up
from pipectl.errors import AlreadyRunning
from pipectl.model import RunState
from pipectl.spec.build import build
from pipectl.store.folder import nearest
from pipectl.store.store import Run, Store


def main(run: RunName = "latest", state: State = None) -> int:
    """End a run from another terminal: its tasks are stopped, its `always` tasks run. Returns when it has ended."""
    store = Store.open(nearest(state))
    found = store.find(run)
    if found.state is RunState.RUNNING:
        store.ask(found, "cancel", time.time())
        found = _wait_for_end(store, found)
    if found.state is RunState.INTERRUPTED:
        found = _cancel_interrupted(store, found)
    typer.echo(f"run {found.id} of {found.pipeline}: {found.state}")
    return 0


def _wait_for_end(store: Store, run: Run) -> Run:
    while run.state is RunState.RUNNING:
        time.sleep(0.05)
        run = store.as_seen(store.run(run.id))
    return run


def _cancel_interrupted(store: Store, run: Run) -> Run:
    """Nobody holds the run, so this process does it: what is left running ends, and the cancel is recorded."""
    lock = store.lock(run.id)
    try:
        lock.acquire()
    except AlreadyRunning:
        return _wait_for_end(store, store.as_seen(store.run(run.id)))
    events = store.events(run)
    store.record(run, len(events), give_up(build(store.definition(run.definition)), run.id, events, time.time()))
    lock.release()
    return store.run(run.id)
