"""Looks that need no process: at files, and at other runs of the same state."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipectl.engine.outputs import Outputs
from pipectl.engine.recorded import pipeline_of
from pipectl.engine.resume import named
from pipectl.errors import UsageError
from pipectl.model import RunState, State
from pipectl.plan import Plan
from pipectl.store.rows import Run
from pipectl.store.store import Store

Found = tuple[dict[str, Any] | None, str]
"""The output of a look, or None and why what is waited for is not there."""


def look_for_file(path: str) -> Found:
    """What there is at a path, or, where it is a glob and no file has that very name, what it matches.

    Known of it are `{path, paths, size}`: the first, all of them sorted, and their bytes together.
    """
    paths = [path]
    if glob.has_magic(path) and not os.path.lexists(path):
        paths = sorted(glob.iglob(path, recursive=True))
    sizes = {one: size for one in paths if (size := _size(one)) is not None}
    if not sizes:
        return None, "it is not there"
    return {"path": next(iter(sizes)), "paths": list(sizes), "size": sum(sizes.values())}, ""


class OtherRuns:
    """The other runs of a state, as one run sees them. What it has read of a run it need not read again."""

    def __init__(self, store: Store, run: Run) -> None:
        self._store = store
        self._run = run
        self._plans: dict[tuple[str, str], tuple[Plan, int]] = {}

    def look(self, facts: Mapping[str, Any]) -> Found:
        """The success that the facts of a wait name: of the newest run of a pipeline, or of a task in it.

        Known of it are `{id, logical_time}`, and the `output` of a task.
        """
        moment = facts["logical_time"]
        run = self._store.newest_run(facts["pipeline"], self._run, moment and datetime.fromisoformat(moment))
        if run is None:
            return None, "there is no such run"
        known = {"id": run.id, "logical_time": run.logical_time.isoformat()}
        if facts["task"] is not None:
            return self._look_for_task(run, facts["task"], known)
        return (known, "") if run.state is RunState.SUCCESS else (None, f"run {run.id} is {run.state}")

    def _look_for_task(self, run: Run, task: str, known: dict[str, Any]) -> Found:
        try:
            nodes = named(self._plan(run), task)
        except UsageError as error:
            return None, f"run {run.id}: {error.message}"
        missing = next((node for node in nodes if node.state not in {State.SUCCESS, State.CACHED}), None)
        if missing is not None:
            return None, f"`{missing.name}` of run {run.id} is {missing.state}"
        outputs = Outputs(lambda instance: self._store.output(run, instance))
        values = [outputs.value(node) for node in nodes]
        return {**known, "output": values[0] if len(values) == 1 else values}, ""

    def _plan(self, run: Run) -> Plan:
        """The run as it stands."""
        known = (run.id, run.definition)
        plan, seen = self._plans.get(known) or (Plan(pipeline_of(self._store, run).tasks), 0)
        events = self._store.events(run, seen)
        for event in events:
            plan.apply(event)
        self._plans = {known: (plan, seen + len(events))}
        return plan


def _size(path: str) -> int | None:
    """The bytes of a file, None where there is nothing any more: it may go at any time."""
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return None
