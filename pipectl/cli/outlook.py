"""What is known of a run before it starts; `plan` and `simulate` look ahead by it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipectl.cli.definition import given_params, read_pipeline
from pipectl.engine.assumptions import Assumptions
from pipectl.engine.earlier import earlier_outputs
from pipectl.engine.environment import variables_of_secrets
from pipectl.engine.scopes import Setting, run_names
from pipectl.engine.session import usable_cores
from pipectl.engine.world import World, compute_vars, connections_of
from pipectl.errors import PipelineError, Problem, UsageError, render_problem
from pipectl.masking import MASK, Masker
from pipectl.model import Pipeline
from pipectl.selection import Selected, Selection, select
from pipectl.spec import world as outside
from pipectl.spec.params import resolve
from pipectl.store.folder import has_state, of_pipeline
from pipectl.store.store import Store
from pipectl.task_tree import every_task, own_tasks

if TYPE_CHECKING:
    from pipectl.engine.caches import Caches


@dataclass(frozen=True, slots=True)
class Outlook:
    """A pipeline as it would run now: `assumptions` are those that its runs so far suggest, `capacity` its slots.

    `earlier` are outputs of tasks that are left out, as JSON text by name.
    """

    setting: Setting
    assumptions: Assumptions
    earlier: Mapping[str, str]
    capacity: int
    warnings: Sequence[Problem]
    store: Store | None

    def caches(self) -> Caches | None:
        """What tells which tasks were done before; None where no task says by what."""
        if all(task.cache is None for _, task in every_task(self.setting.pipeline.tasks)):
            return None
        from pipectl.engine.caches import Caches

        return Caches(self.store, self.setting.pipeline.name, masker=Masker([]))


def look_ahead(
    file: str,
    params: Sequence[str],
    params_file: Path | None,
    jobs: int | None,
    state: str | None,
    selection: Mapping[str, list[str]],
) -> Outlook:
    """What is known of a run of the file with these parameters; its warnings are told on standard error.

    Nothing is written, and no command of a secret runs: a secret's value is taken as `***`.
    """
    whole, warnings = read_pipeline(file)
    folder = of_pipeline(whole.folder, state)
    store = open_state(folder)
    warnings += name_taken(store, whole)
    selected = select(whole, Selection(**selection)) if selection else Selected(whole)
    pipeline = selected.pipeline
    earlier, never = _earlier(store, selected)
    warnings += never
    tell(warnings)
    values = resolve(pipeline, *given_params(params, params_file))
    world = _world(pipeline, variables_of_secrets(pipeline))
    moment = datetime.now(UTC).replace(microsecond=0)
    run = run_names("0" * 12, moment, "manual", str(folder / "runs" / ("0" * 12)))
    variables = compute_vars(pipeline, values, run, world)
    setting = Setting(
        pipeline=pipeline,
        run=run,
        params=values,
        vars=variables,
        world=world,
        connections=connections_of(pipeline, values, variables, run, world),
    )
    capacity = jobs or pipeline.max_parallel or usable_cores()
    return Outlook(setting, _history(store, pipeline.name), earlier, capacity, warnings, store)


def _earlier(store: Store | None, selected: Selected) -> tuple[Mapping[str, str], list[Problem]]:
    """The outputs of what is left out, and a warning where `run` would refuse, since there are none."""
    if not selected.wanted:
        return {}, []
    pipeline = selected.pipeline
    try:
        return earlier_outputs(store, pipeline.name, selected.wanted), []
    except UsageError as refused:
        return {}, [Problem(outside.shown_file(pipeline.file), 0, 0, refused.message, refused.hint, warning=True)]


def _world(pipeline: Pipeline, hidden: Set[str]) -> World:
    """What the pipeline takes from outside, without its secrets."""
    try:
        env_file = outside.env_file_values(pipeline, os.environ)
    except PipelineError:
        env_file = {}
    inner = {
        task.name: _world(task.pipeline, hidden) for task in own_tasks(pipeline.tasks) if task.pipeline is not None
    }
    return World(dict(os.environ), env_file, dict.fromkeys(pipeline.secrets, MASK), inner, hidden)


def tell(warnings: Sequence[Problem]) -> None:
    """Shows what does not keep the file from being read."""
    for warning in warnings:
        typer.echo(render_problem(warning) + "\n", err=True)


def name_taken(store: Store | None, pipeline: Pipeline) -> list[Problem]:
    """A warning where `run` would refuse the pipeline, since its name is another file's in the state."""
    try:
        if store is not None:
            store.check_name(pipeline.name, pipeline.file)
    except UsageError as refused:
        return [Problem(outside.shown_file(pipeline.file), 0, 0, refused.message, refused.hint, warning=True)]
    return []


def _history(store: Store | None, pipeline: str) -> Assumptions:
    if store is None:
        return Assumptions()
    return Assumptions(usual=store.durations(pipeline), usual_items=store.items(pipeline))


def open_state(folder: Path) -> Store | None:
    """The state of the folder, None where it holds no run yet."""
    try:
        return Store.open_for_reading(folder) if has_state(folder) else None
    except UsageError:
        return None
