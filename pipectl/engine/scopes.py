"""What expressions see: the names of a pipeline and of its run, of a task's upstreams, and of its item.

Each sub-pipeline of a run is a scope of its own, with its own parameters, constants, environment and connections.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipectl.engine.environment import caller_environment, extend, run_variables
from pipectl.engine.outputs import Outputs, absent_name
from pipectl.engine.world import World, connections_of
from pipectl.graph import Group, Node, frames, lookup
from pipectl.model import Pipeline
from pipectl.task_tree import relative
from pipectl.template import Renderer

if TYPE_CHECKING:
    from pipectl.connections import Connection  # what most pipelines have none of


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for all attempts of one pipeline of a run.

    `run` is what expressions see of the run. `state_file` is where pipectl keeps its own state.
    """

    pipeline: Pipeline
    run: Mapping[str, Any]
    params: Mapping[str, Any]
    vars: Mapping[str, Any]
    world: World
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


class Scope:
    """One pipeline of the run. `group` is the sub-pipeline's node, or that of the run itself."""

    def __init__(self, setting: Setting, group: Group, outputs: Outputs) -> None:
        self.setting = setting
        self.group = group
        self.renderer = Renderer(setting.pipeline.folder)
        self.variables = run_variables(setting.params, setting.run, setting.pipeline)
        self._outputs = outputs
        pipeline = setting.pipeline
        self.plain = {
            "params": setting.params,
            "vars": setting.vars,
            "secrets": setting.world.secrets,
            "connections": Lazy(setting.connections, lambda name: setting.connections[name].facts()),
            "run": setting.run,
            "pipeline": {"name": pipeline.name, "dir": pipeline.folder},
        }

    @cached_property
    def env(self) -> Mapping[str, str]:
        """The pipeline's part of every environment. Computed when first needed: its failure is the attempt's."""
        setting = self.setting
        caller = caller_environment(setting.world.environ, setting.world.env_file, setting.world.hidden)
        return extend(
            caller,
            setting.pipeline.env,
            lambda value, env: self.renderer.render_tree(value, {**self.plain, "env": env}),
        )

    def within(self, group: Group) -> Scope:
        """The scope of a sub-pipeline, whose parameters and constants are known."""
        pipeline, outer = group.task.pipeline, self.setting
        assert pipeline is not None
        world = outer.world.inner[group.task.name]
        params, values = group.params or {}, group.vars or {}
        setting = Setting(
            pipeline=pipeline,
            run=outer.run,
            params=params,
            vars=values,
            world=world,
            connections=connections_of(pipeline, params, values, outer.run, world),
            state_file=outer.state_file,
        )
        return Scope(setting, group, self._outputs)

    def names(self, node: Node, env: Mapping[str, str]) -> dict[str, Any]:
        """What the expressions of an instance see."""
        task = node.task
        needs = {relative(task.name, need): need for need in (*task.needs, *task.left_out)}
        return {
            **self.plain,
            "env": env,
            "tasks": _Tasks(node, self.facts, self._outputs.absent),
            "inputs": Lazy(needs, lambda name: self._input(node, needs[name])),
            **item_names(node),
        }

    def _input(self, node: Node, need: str) -> Any:
        if need in node.task.left_out:
            return json.loads(self._outputs.earlier.get(absent_name(node, need), "null"))
        return self._outputs.value(lookup(node, need))

    def facts(self, node: Node) -> Mapping[str, Any]:
        """What expressions see of another task."""
        facts: dict[str, Callable[[], Any]] = {
            "output": lambda: self._outputs.value(node),
            "state": lambda: str(node.state),
            "exit_code": lambda: node.exit_code,
            "error": lambda: node.error,
        }
        return Lazy(facts, lambda fact: facts[fact]())


def item_names(node: Node) -> dict[str, Any]:
    """`item`, `index` and `outer` of an instance, as far as `foreach` made it or a group around it."""
    names: dict[str, Any] = {}
    for copy in reversed(frames(node)):
        names = {"item": copy.item, "index": copy.index, **({"outer": names} if names else {})}
    return names


def scopes(node: Node) -> Iterator[Group]:
    """The groups in which an instance looks names up: its own first, then outwards, to the end of its pipeline."""
    group = node.scope
    yield group
    while group.base:
        group = group.scope
        yield group


class _Tasks(Mapping[str, Any]):
    """The tasks that an instance can name: of its own group first, then outwards, to the end of its pipeline."""

    def __init__(
        self, node: Node, facts: Callable[[Node], Mapping[str, Any]], absent: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._node = node
        self._facts = facts
        self._absent = absent

    def __getitem__(self, name: str) -> Any:
        for group in scopes(self._node):
            if name in group.members:
                return self._facts(group.members[name])
            text = self._absent.get(group.name, {}).get(name)
            if text is not None:
                return {"output": json.loads(text), "state": "success", "exit_code": None, "error": None}
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({name: None for group in scopes(self._node) for name in group.members})

    def __len__(self) -> int:
        return len(list(iter(self)))


class Lazy(Mapping[str, Any]):
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
