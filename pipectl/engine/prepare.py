"""From a task to the job that an executor gets: names for its expressions, its environment, what to execute."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipectl.engine.environment import (
    attempt_variables,
    caller_environment,
    extend,
    run_variables,
    with_named_secrets,
)
from pipectl.engine.outputs import Outputs
from pipectl.graph import Node
from pipectl.model import Job, Pipeline, Task
from pipectl.plan import Plan
from pipectl.tasks import find
from pipectl.tasks.base import TaskFailed
from pipectl.template import Computed, Renderer, TemplateError, to_json

if TYPE_CHECKING:
    from pipectl.connections import Connection  # what most pipelines have none of


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for all attempts of a run. `secrets` are values by name, `run` is what expressions see of it.

    `state_file` is where pipectl keeps its own state.
    """

    pipeline: Pipeline
    run: Mapping[str, Any]
    params: Mapping[str, Any]
    vars: Mapping[str, Any]
    secrets: Mapping[str, str]
    environ: Mapping[str, str]
    env_file: Mapping[str, str]
    connections: Mapping[str, Connection] = field(default_factory=dict)
    state_file: str = ""


def run_names(run_id: str, logical_time: datetime, cause: str, folder: str) -> dict[str, Any]:
    """What expressions see as `run`; a run by hand stands for the moment it was asked for."""
    return {
        "id": run_id,
        "logical_time": logical_time,
        "date": logical_time.date().isoformat(),
        "interval_start": logical_time,
        "interval_end": logical_time,
        "cause": cause,
        "dir": folder,
        "is_latest": True,
    }


class Preparer:
    """Prepares the attempts of one run."""

    def __init__(self, setting: Setting, plan: Plan, outputs: Outputs, renderer: Renderer) -> None:
        self._setting = setting
        self._plan = plan
        self._outputs = outputs
        self._renderer = renderer
        pipeline = setting.pipeline
        self._names = {
            "params": setting.params,
            "vars": setting.vars,
            "secrets": setting.secrets,
            "connections": _Lazy(setting.connections, lambda name: setting.connections[name].facts()),
            "run": setting.run,
            "pipeline": {"name": pipeline.name, "dir": pipeline.folder},
            "tasks": _Lazy(plan.nodes, self._task_names),
        }
        self._variables = run_variables(setting.params, setting.run, pipeline)

    @cached_property
    def _env(self) -> Mapping[str, str]:
        """The pipeline's part of every environment. Computed when first needed: its failure is the attempt's."""
        setting = self._setting
        caller = caller_environment(setting.pipeline, setting.environ, setting.env_file)
        return extend(caller, setting.pipeline.env, lambda value, env: self.render(value, {**self._names, "env": env}))

    def holds(self, condition: str | bool, task: Task, more: Mapping[str, Any] | None = None) -> bool:
        """Whether a condition of the task is true. Raises TemplateError where that cannot be told."""
        if isinstance(condition, bool):
            return condition
        env = self._env
        if task.env and "env" in condition:
            env, _ = self._task_env(task, {**env, **self._variables})
        return self._renderer.truth(condition, {**self.names(task, env), **(more or {})})

    def names(self, task: Task, env: Mapping[str, str]) -> dict[str, Any]:
        """What the task's expressions see."""
        inputs = _Lazy(dict.fromkeys(task.needs), self._outputs.value)
        return {**self._names, "env": env, "inputs": inputs}

    def job(self, node: Node, attempt: int, *, timeout: float | None) -> Job:
        """The job of an attempt. Raises TaskFailed or TemplateError where what the task asks for cannot be had."""
        task = node.task
        base = {**self._env, **self._variables}
        base.update(attempt_variables(self._setting.run["id"], task, node.name, attempt))
        env, names = self._task_env(task, base)
        context = _Attempt(self, names, self._cwd(task, names), env, task, timeout)
        work = find(task.type).prepare(task, context)
        return Job(
            instance=node.name,
            attempt=attempt,
            work=work,
            env=env,
            cwd=context.cwd,
            timeout=timeout,
            grace=task.grace,
            stop_signal=task.stop_signal,
            background=task.body.get("background") == "allow",
            inputs=self._inputs(task),
        )

    def _task_env(self, task: Task, base: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
        """The environment of the task, and what its expressions see with it."""
        if task.env and self._setting.secrets:
            given = {**self._setting.environ, **self._setting.env_file}
            base = with_named_secrets(base, task.env, self._setting.pipeline.secrets, given)
        names = self.names(task, base)
        env = extend(base, task.env, lambda value, env: self.render(value, {**names, "env": env}))
        return env, {**names, "env": env}

    def _cwd(self, task: Task, names: Mapping[str, Any]) -> str:
        folder = self._setting.pipeline.folder
        if task.cwd is None:
            return folder
        try:
            given = self.render(task.cwd, names)
        except TemplateError as error:
            raise error.within("`cwd`") from error
        if not isinstance(given, str):
            raise TaskFailed(f"`cwd` must come to a path, not to `{given!r}`")
        cwd = Path(os.path.normpath(Path(folder) / given))
        if not cwd.is_dir():
            raise TaskFailed(f"there is no folder `{cwd}` to run in (`cwd`)")
        return str(cwd)

    def _inputs(self, task: Task) -> str | None:
        texts = {name: self._outputs.text(name) for name in task.needs}
        if not any(texts.values()):
            return None
        return "{" + ",".join(f'"{name}":{text or "null"}' for name, text in texts.items()) + "}"

    def _task_names(self, name: str) -> Mapping[str, Any]:
        node = self._plan.nodes[name]
        facts: dict[str, Callable[[], Any]] = {
            "output": lambda: self._outputs.value(name),
            "state": lambda: str(node.state),
            "exit_code": lambda: node.exit_code,
            "error": lambda: node.error,
        }
        return _Lazy(facts, lambda fact: facts[fact]())

    def plain_names(self, task: Task) -> dict[str, Any]:
        """What inline code sees, as plain JSON."""
        return {
            "params": self._setting.params,
            "vars": self._setting.vars,
            "run": to_json(self._setting.run),
            "inputs": {name: self._outputs.value(name) for name in task.needs},
            "states": {name: str(self._plan.nodes[name].state) for name in task.needs},
        }

    def render(self, value: Any, names: Mapping[str, Any]) -> Any:
        """The value with its expressions computed."""
        return self._renderer.render_tree(value, names)

    def parts(self, text: str, names: Mapping[str, Any], filters: Collection[str]) -> list[str | Computed]:
        """The text in parts; see `Renderer.parts`."""
        return self._renderer.parts(text, names, filters)

    def connection(self, name: str) -> Connection:
        """The connection of this name, which is declared."""
        return self._setting.connections[name]

    @property
    def state_file(self) -> str:
        """Where pipectl keeps its own state."""
        return self._setting.state_file


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A task type's view of the attempt that it prepares; see `tasks.base.Context`."""

    _preparer: Preparer
    _names: Mapping[str, Any]
    cwd: str
    env: Mapping[str, str]
    _task: Task
    timeout: float | None

    @property
    def folder(self) -> str:
        return str(self._names["pipeline"]["dir"])

    def render(self, value: Any) -> Any:
        return self._preparer.render(value, self._names)

    def parts(self, text: str, filters: Collection[str] = ()) -> list[str | Computed]:
        return self._preparer.parts(text, self._names, filters)

    def connection(self, name: str) -> Connection:
        return self._preparer.connection(name)

    @property
    def state_file(self) -> str:
        return self._preparer.state_file

    def plain_names(self) -> dict[str, Any]:
        return self._preparer.plain_names(self._task)


class _Lazy(Mapping[str, Any]):
    """A mapping whose values are had when asked for."""

    def __init__(self, keys: Mapping[str, Any], read: Callable[[str], Any]) -> None:
        self._keys = keys
        self._read = read

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return self._read(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
