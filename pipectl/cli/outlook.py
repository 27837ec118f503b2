"""What is known of a run before it starts; `plan` and `simulate` look ahead by it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from pipectl.cli.definition import given_params, read_pipeline
from pipectl.engine.prepare import Setting, run_names
from pipectl.engine.session import World, compute_vars, connections_of, usable_cores
from pipectl.errors import PipelineError, Problem, UsageError, render_problem
from pipectl.masking import MASK
from pipectl.model import Pipeline
from pipectl.spec import world as outside
from pipectl.spec.params import resolve
from pipectl.store.folder import has_state, of_pipeline
from pipectl.store.store import Store


@dataclass(frozen=True, slots=True)
class Outlook:
    """A pipeline as it would run now: `seconds` are those that its instances took so far, `capacity` its slots."""

    setting: Setting
    seconds: Mapping[str, float]
    capacity: int
    warnings: Sequence[Problem]


def look_ahead(
    file: str, params: Sequence[str], params_file: Path | None, jobs: int | None, state: str | None
) -> Outlook:
    """What is known of a run of the file with these parameters; its warnings are told on standard error.

    Nothing is written, and no command of a secret runs: a secret's value is taken as `***`.
    """
    pipeline, warnings = read_pipeline(file)
    folder = of_pipeline(pipeline.folder, state)
    warnings += name_taken(folder, pipeline)
    tell(warnings)
    values = resolve(pipeline, *given_params(params, params_file))
    try:
        env_file = outside.env_file_values(pipeline, os.environ)
    except PipelineError:
        env_file = {}
    world = World(dict(os.environ), env_file, dict.fromkeys(pipeline.secrets, MASK))
    moment = datetime.now(UTC).replace(microsecond=0)
    run = run_names("0" * 12, moment, "manual", str(folder / "runs" / ("0" * 12)))
    variables = compute_vars(pipeline, values, run, world)
    setting = Setting(
        pipeline=pipeline,
        run=run,
        params=values,
        vars=variables,
        secrets=world.secrets,
        environ=world.environ,
        env_file=world.env_file,
        connections=connections_of(pipeline, values, variables, run, world),
    )
    return Outlook(setting, _history(folder, pipeline.name), jobs or pipeline.max_parallel or usable_cores(), warnings)


def tell(warnings: Sequence[Problem]) -> None:
    """Shows what does not keep the file from being read."""
    for warning in warnings:
        typer.echo(render_problem(warning) + "\n", err=True)


def name_taken(folder: Path, pipeline: Pipeline) -> list[Problem]:
    """A warning where `run` would refuse the pipeline, since its name is another file's in the state of the folder."""
    store = _store(folder)
    try:
        if store is not None:
            store.check_name(pipeline.name, pipeline.file)
    except UsageError as refused:
        return [Problem(outside.shown_file(pipeline.file), 0, 0, refused.message, refused.hint, warning=True)]
    return []


def _history(folder: Path, pipeline: str) -> Mapping[str, float]:
    store = _store(folder)
    return {} if store is None else store.durations(pipeline)


def _store(folder: Path) -> Store | None:
    """The state of the folder, None where it holds no run yet."""
    try:
        return Store.open_for_reading(folder) if has_state(folder) else None
    except UsageError:
        return None
