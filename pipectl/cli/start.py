"""How `run` starts a run, or takes one up: definition, parameters, the world outside, then the run itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from pipectl.cli.carry import carry_out, look_outside
from pipectl.cli.definition import Found, find_definition, given_params
from pipectl.cli.options import OutputMode
from pipectl.engine.prepare import run_names
from pipectl.engine.session import World, compute_vars
from pipectl.errors import UsageError
from pipectl.executors.guard import Guard
from pipectl.model import Durability, Pipeline, RunState
from pipectl.spec.build import build
from pipectl.spec.params import resolve
from pipectl.store.locks import RunLock
from pipectl.store.store import NewRun, Run, Store, new_run_id

Taken = tuple[Store, Run, RunLock]
"""A run whose lock this process holds for as long as it keeps the last of the three."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line of `run` asks for."""

    file: str
    params: Sequence[str]
    params_file: Path | None
    jobs: int | None
    fail_fast: bool
    resume: bool
    logical_time: str | None
    durability: Durability | None
    output: OutputMode
    state: str | None


def start(request: Request, guard: Guard) -> int:
    """Runs the pipeline, and returns the exit code. Nothing is written before all of it is checked."""
    moment = _moment(request.logical_time)
    found = find_definition(request.file, request.state)
    pipeline = build(found.definition.document)
    given, from_file = given_params(request.params, request.params_file)
    params = resolve(pipeline, given, from_file)
    world = look_outside(pipeline)
    taken = None
    if request.resume:
        taken = _take_up(found, pipeline, {name: params[name] for name in (*given, *from_file)})
    if taken is None:
        options: dict[str, Any] = {"max_parallel": request.jobs} if request.jobs else {}
        if request.fail_fast:
            options["fail_fast"] = True
        taken = _create(found, pipeline, world, params, moment, options)
    store, run, _held = taken
    with closing(store):
        return carry_out(store, run, pipeline, world, guard, output=request.output, durability=request.durability)


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"`--logical-time {text}` is not a time", "write it as 2026-01-31 or 2026-01-31T06:00"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _create(
    found: Found,
    pipeline: Pipeline,
    world: World,
    params: Mapping[str, Any],
    moment: datetime,
    options: Mapping[str, Any],
) -> Taken:
    store = found.opened()
    run_id = new_run_id()
    names = run_names(run_id, moment, "manual", str(store.folder_of("runs", run_id)))
    new = NewRun(
        id=run_id,
        pipeline=pipeline.name,
        file=pipeline.file,
        definition=found.definition,
        params=params,
        vars=compute_vars(pipeline, params, names, world),
        options=options,
        cause="manual",
        logical_time=moment,
    )
    return store, *store.create(new, time.time())


def _take_up(found: Found, pipeline: Pipeline, params: Mapping[str, Any]) -> Taken | None:
    """The newest unfinished run of this very definition with these parameters, locked; says why where there is none."""
    if found.store is None:
        typer.echo("nothing to resume: there are no runs yet; starting anew", err=True)
        return None
    why = "every run of this pipeline succeeded"
    for run in found.store.runs(pipeline=pipeline.name, unfinished=True):
        if run.definition != found.definition.key:
            why = f"the file has changed since run {run.id}"
        elif any(run.params.get(name) != value for name, value in params.items()):
            why = f"run {run.id} has other parameters"
        else:
            lock = found.store.lock(run.id)
            lock.acquire(patience=2.0)
            now = found.store.run(run.id)
            if now.state is not RunState.SUCCESS:
                return found.store, now, lock
            lock.release()
    typer.echo(f"nothing to resume: {why}; starting anew", err=True)
    return None
