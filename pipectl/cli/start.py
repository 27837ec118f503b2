"""How `run` starts a run, or takes one up: definition, parameters, the world outside, then the run itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipectl.cli.carry import carry_out, look_outside, say_unless_quiet
from pipectl.cli.definition import Found, find_definition, given_params
from pipectl.cli.options import OutputMode
from pipectl.engine.scopes import run_names
from pipectl.engine.world import World, compute_vars, connections_of
from pipectl.errors import UsageError, render_problem
from pipectl.executors.guard import Guard
from pipectl.model import Durability, Pipeline, RunState
from pipectl.spec.build import build
from pipectl.spec.params import resolve
from pipectl.store.rows import Held, NewRun
from pipectl.store.store import PATIENCE, new_run_id


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line of `run` asks for."""

    file: str
    params: Sequence[str]
    params_file: Path | None
    selection: Mapping[str, list[str]]
    jobs: int | None
    fail_fast: bool
    force: bool
    no_wait: bool
    resume: bool
    logical_time: str | None
    durability: Durability | None
    output: OutputMode
    state: str | None


def start(request: Request, guard: Guard) -> int:
    """Runs the pipeline, and returns the exit code. Nothing is written before all of it is checked."""
    moment = _moment(request.logical_time)
    found = find_definition(request.file, request.state)
    for warning in found.warnings:
        say_unless_quiet(request.output, render_problem(warning))
    pipeline, wanted = _part(build(found.definition.document), request.selection)
    given, from_file = given_params(request.params, request.params_file)
    params = resolve(pipeline, given, from_file)
    world = look_outside(pipeline)
    options: dict[str, Any] = {"max_parallel": request.jobs} if request.jobs else {}
    if request.fail_fast:
        options["fail_fast"] = True
    if request.force:
        options["force"] = True
    if request.selection:
        options["selection"] = request.selection
    held = None
    if request.resume:
        chosen = {name: params[name] for name in (*given, *from_file)}
        held = _take_up(found, pipeline, chosen, moment if request.logical_time else None, request)
    if held is None:
        new = _new_run(found, pipeline, world, params, moment, options)
        if wanted:
            from pipectl.engine.earlier import earlier_outputs

            new = replace(new, earlier=earlier_outputs(found.store, pipeline.name, wanted))
        held = found.opened().create(new, time.time())
    else:
        held = replace(held, run=replace(held.run, options={**held.run.options, **options}))
    found.announce(held.run.id)
    with closing(found.opened()) as store:
        return carry_out(
            *(store, held, pipeline, world, guard),
            output=request.output,
            durability=request.durability,
            may_leave=request.no_wait,
        )


def _part(pipeline: Pipeline, selection: Mapping[str, list[str]]) -> tuple[Pipeline, Mapping[str, str]]:
    """What is selected of the pipeline, and the tasks of the rest whose outputs that uses, each with one that does."""
    if not selection:
        return pipeline, {}
    from pipectl.selection import Selection, select  # what most runs have none of

    selected = select(pipeline, Selection(**selection))
    return selected.pipeline, selected.wanted


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"`--logical-time {text}` is not a time", "write it as 2026-01-31 or 2026-01-31T06:00"
        ) from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _new_run(
    found: Found,
    pipeline: Pipeline,
    world: World,
    params: Mapping[str, Any],
    moment: datetime,
    options: Mapping[str, Any],
) -> NewRun:
    run_id = new_run_id()
    names = run_names(run_id, moment, "manual", str(found.folder / "runs" / run_id))
    values = compute_vars(pipeline, params, names, world)
    if pipeline.connections:
        from pipectl.engine.connections import check_connections

        check_connections(pipeline, connections_of(pipeline, params, values, names, world))
    return NewRun(
        id=run_id,
        pipeline=pipeline.name,
        file=pipeline.file,
        definition=found.definition,
        params=params,
        vars=values,
        options=options,
        cause="manual",
        logical_time=moment,
    )


def _take_up(
    found: Found, pipeline: Pipeline, params: Mapping[str, Any], moment: datetime | None, request: Request
) -> Held | None:
    """The newest unfinished run of this very definition with these parameters, held; says why where there is none."""
    why = "every run of this pipeline succeeded" if found.store else "there are no runs yet"
    for run in found.store.runs(pipeline=pipeline.name, unfinished=True) if found.store else ():
        if run.definition != found.definition.key:
            why = f"the file has changed since run {run.id}"
        elif any(run.params.get(name) != value for name, value in params.items()):
            why = f"run {run.id} has other parameters"
        elif run.options.get("selection", {}) != request.selection:
            why = f"run {run.id} is of another part of the pipeline"
        elif moment not in {None, run.logical_time}:
            why = f"run {run.id} stands for another time"
        else:
            held = found.opened().take(run, PATIENCE)
            if held.run.state is not RunState.SUCCESS:
                return held
            held.lock.release()
    say_unless_quiet(request.output, f"nothing to resume: {why}; starting anew")
    return None
