"""A runner's hold of one run: everything that the loop needs, put together and let go."""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipectl.engine.clock import Clock
from pipectl.engine.environment import caller_environment
from pipectl.engine.outputs import Outputs
from pipectl.engine.prepare import Preparer, Setting, run_names
from pipectl.engine.resume import take_up
from pipectl.engine.runner import Listener, Runner
from pipectl.errors import PipelineError, Problem
from pipectl.events import Event
from pipectl.executors.guard import Guard
from pipectl.executors.local import LocalExecutor
from pipectl.executors.survivors import end_survivors
from pipectl.masking import Masker
from pipectl.model import Durability, Pipeline, RunState
from pipectl.plain_json import check_characters
from pipectl.plan import Plan
from pipectl.spec.world import shown_file
from pipectl.store.rows import Held
from pipectl.store.store import Store
from pipectl.template import Renderer

if TYPE_CHECKING:
    from pipectl.connections import Connection  # what most pipelines have none of


@dataclass(frozen=True, slots=True)
class World:
    """What a run takes from outside its file and its record, each time it is taken up."""

    environ: Mapping[str, str]
    env_file: Mapping[str, str]
    secrets: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: the run's state, and the number of the signal that stopped it, if one did."""

    state: RunState
    signal: int | None


def compute_vars(pipeline: Pipeline, params: Mapping[str, Any], run: Mapping[str, Any], world: World) -> dict[str, Any]:
    """The pipeline's `vars`, each of which may use those above it.

    Raises PipelineError where one cannot be computed.
    """
    renderer = Renderer(pipeline.folder)
    values: dict[str, Any] = {}
    names = {**_outer_names(pipeline, params, run, world), "vars": values}
    for name, value in pipeline.vars.items():
        try:
            values[name] = renderer.render_tree(value, names)
            check_characters(json.dumps(values[name], ensure_ascii=False))
        except ValueError as error:
            problem = Problem(
                shown_file(pipeline.file), 0, 0, f"the variable `{name}` (`vars`) cannot be computed: {error}"
            )
            raise PipelineError([problem]) from error
    return values


def connections_of(
    pipeline: Pipeline, params: Mapping[str, Any], values: Mapping[str, Any], run: Mapping[str, Any], world: World
) -> Mapping[str, Connection]:
    """The pipeline's connections, each computed when it is first used; `values` are those of its `vars`."""
    if not pipeline.connections:
        return {}
    from pipectl.engine.connections import Connections

    names = {**_outer_names(pipeline, params, run, world), "vars": values, "secrets": world.secrets}
    return Connections(pipeline, names)


def _outer_names(pipeline: Pipeline, params: Mapping[str, Any], run: Mapping[str, Any], world: World) -> dict[str, Any]:
    """What expressions see that belong to no task."""
    return {
        "params": params,
        "run": run,
        "env": caller_environment(pipeline, world.environ, world.env_file),
        "pipeline": {"name": pipeline.name, "dir": pipeline.folder},
    }


class Session:
    """One run, taken up by this process, which holds its lock."""

    def __init__(self, store: Store, held: Held, pipeline: Pipeline, world: World, *, durability: Durability) -> None:
        self._store = store
        self._held = held
        self._run = held.run
        self._pipeline = pipeline
        self._world = world
        self._durability = durability
        self._clock = Clock()
        self._events = store.events(held.run)
        self._plan = Plan(pipeline.tasks)
        for event in self._events:
            self._plan.apply(event)

    @property
    def events(self) -> list[Event]:
        """What was recorded before this session."""
        return self._events

    def carry_out(
        self,
        *,
        again: Iterable[str] = (),
        guard: Guard | None,
        listeners: Iterable[Listener],
        on_output: Callable[[str, int, bytes], None],
        on_turn: Callable[[], None],
    ) -> Result:
        """Runs what is left of the run, and the tasks in `again` with all below them; returns what came of it."""
        if guard is not None:
            guard.arm()
        first = take_up(self._plan, self._clock.now(), again) if len(self._events) > 1 or again else []
        if self._plan.running:
            end_survivors(self._run.id)
        masker = Masker(self._world.secrets.values())
        scratch = self._store.make_folder("tmp", self._run.id)
        outputs = Outputs(lambda instance: self._store.output(self._run, instance))
        capacity = self._run.options.get("max_parallel") or self._pipeline.max_parallel or usable_cores()
        runner = Runner(
            held=self._held,
            recorded=len(self._events),
            plan=self._plan,
            store=self._store,
            executor=self._executor(scratch, masker, guard, on_output),
            preparer=Preparer(self._setting(), self._plan, outputs, Renderer(self._pipeline.folder)),
            outputs=outputs,
            masker=masker,
            clock=self._clock,
            capacity=capacity,
            timeout=self._pipeline.timeout,
            fail_fast=self._run.options.get("fail_fast", self._pipeline.fail_fast),
            signals=guard,
            listeners=listeners,
            on_turn=on_turn,
        )
        gc.freeze()  # what is there now stays to the end: the collector need not walk it again and again
        try:
            return Result(runner.execute(first), runner.signal)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _executor(
        self, scratch: Path, masker: Masker, guard: Guard | None, on_output: Callable[[str, int, bytes], None]
    ) -> LocalExecutor:
        return LocalExecutor(
            run_id=self._run.id,
            scratch=scratch,
            logs=self._store.folder_of("logs", self._run.id),
            masker=masker,
            on_output=on_output,
            sync=self._durability == "full",
            guard=guard,
        )

    def _setting(self) -> Setting:
        run, world = self._run, self._world
        folder = self._store.make_folder("runs", run.id)
        names = run_names(run.id, run.logical_time, run.cause, str(folder))
        return Setting(
            pipeline=self._pipeline,
            run=names,
            params=run.params,
            vars=run.vars,
            secrets=world.secrets,
            environ=world.environ,
            env_file=world.env_file,
            connections=connections_of(self._pipeline, run.params, run.vars, names, world),
            state_file=str(self._store.folder / "state.db"),
        )


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
