"""From an instance to the job that an executor gets: names for its expressions, its environment, what to execute."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipectl.engine.environment import attempt_variables, extend, uses, with_named_secrets
from pipectl.engine.outputs import Outputs, absent_name
from pipectl.engine.scopes import Scope, Setting, item_names
from pipectl.graph import ITEM_NAMES, Fan, Node, frames, lookup
from pipectl.labels import item_variables
from pipectl.model import Job
from pipectl.outline import task_path
from pipectl.plan import Plan
from pipectl.task_tree import relative
from pipectl.tasks import find
from pipectl.tasks.base import TaskFailed
from pipectl.template import Computed, TemplateError, to_json

if TYPE_CHECKING:
    from pipectl.connections import Connection  # what most pipelines have none of


class Preparer:
    """Prepares the attempts of one run."""

    def __init__(self, setting: Setting, plan: Plan, outputs: Outputs) -> None:
        self._setting = setting
        self._outputs = outputs
        self._root = Scope(setting, plan.graph.root, outputs)
        self._scopes: dict[str, Scope] = {}

    def scope(self, node: Node) -> Scope:
        """What the instance sees of the pipeline that declares its task."""
        group = node.scope
        while group.base:
            group = group.scope
        if group is self._root.group:
            return self._root
        if group.name not in self._scopes:
            self._scopes[group.name] = self.scope(group).within(group)
        return self._scopes[group.name]

    def holds(self, condition: str | bool, node: Node, more: Mapping[str, Any] | None = None) -> bool:
        """Whether a condition of the instance is true. Raises TemplateError where that cannot be told."""
        if isinstance(condition, bool):
            return condition
        return self.scope(node).renderer.truth(condition, {**self.names(node, condition), **(more or {})})

    def names(self, node: Node, text: str) -> dict[str, Any]:
        """What a text of the instance sees; its environment is computed only where the text may name it."""
        scope = self.scope(node)
        env = scope.env
        if "env" in text and any(self.layers(node)):
            env, _ = self._task_env(node, {**env, **scope.variables})
        return scope.names(node, env)

    def job(self, node: Node, attempt: int, *, timeout: float | None, devices: Sequence[str] | None = None) -> Job:
        """The job of an attempt, which may use these `devices` (None: all that it finds).

        Raises TaskFailed or TemplateError where what the task asks for cannot be had.
        """
        task = node.task
        self._check_absent(node)
        env, names = self.surroundings(node, attempt)
        if devices is not None:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
        context = _Attempt(self, node, names, self.cwd(node, names), env, timeout)
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
            inputs=self._inputs(node),
            memory=task.resources.memory,
        )

    def _check_absent(self, node: Node) -> None:
        """What a task gave once it may not have given for an item that is new."""
        for need in node.task.left_out:
            name = absent_name(node, need)
            known = any(task_path(other) == task_path(name) for other in self._outputs.earlier)
            if known and name not in self._outputs.earlier:
                raise TaskFailed(f"it needs `{name}`, which is left out of this run and has never succeeded")

    def surroundings(self, node: Node, attempt: int) -> tuple[dict[str, str], dict[str, Any]]:
        """The whole environment of an attempt, and what its expressions see."""
        scope = self.scope(node)
        return self._task_env(node, {**scope.env, **scope.variables, **self._own_variables(node, attempt)})

    def _own_variables(self, node: Node, attempt: int) -> Mapping[str, str]:
        around = frames(node)
        item = _item_variables(around[0].item) if around else {}
        return attempt_variables(self._setting.run["id"], node.path, node.name, attempt, item)

    def layers(self, node: Node) -> Iterator[tuple[Node, Mapping[str, Any]]]:
        """What the groups around the instance and its task say of the environment, the outermost first.

        Each is computed as the group sees it. What a task says of its items is not known before these are.
        """
        around: list[Node] = [node]
        group = node.scope
        while group.base:
            around.append(group)
            group = group.scope
        for one in reversed(around):
            if one.task.env and not (isinstance(one, Fan) and uses(one.task.env, ITEM_NAMES)):
                yield one, one.task.env

    def _task_env(self, node: Node, base: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
        """The environment of the task, and what its expressions see with it."""
        scope = self.scope(node)
        env = dict(base)
        for one, entries in self.layers(node):
            env = self._extended(scope, env, entries, scope.names(one, env))
        return env, scope.names(node, env)

    def _extended(
        self, scope: Scope, env: Mapping[str, str], entries: Mapping[str, Any], names: Mapping[str, Any]
    ) -> dict[str, str]:
        world = scope.setting.world
        if world.secrets:
            given = {**world.environ, **world.env_file}
            env = with_named_secrets(env, entries, scope.setting.pipeline.secrets, given)
        render = scope.renderer.render_tree
        return extend(env, entries, lambda value, seen: render(value, {**names, "env": seen}))

    def cwd(self, node: Node, names: Mapping[str, Any]) -> str:
        """The folder that the instance runs in. Raises TaskFailed or TemplateError where there is none."""
        scope = self.scope(node)
        folder, written = scope.setting.pipeline.folder, node.task.cwd
        if written is None:
            return folder
        try:
            given = scope.renderer.render_tree(written, names)
        except TemplateError as error:
            raise error.within("`cwd`") from error
        if not isinstance(given, str):
            raise TaskFailed(f"`cwd` must come to a path, not to `{given!r}`")
        cwd = Path(os.path.normpath(Path(folder) / given))
        if not cwd.is_dir():
            raise TaskFailed(f"there is no folder `{cwd}` to run in (`cwd`)")
        return str(cwd)

    def _inputs(self, node: Node) -> str | None:
        texts = self._outputs.needed(node)
        if not any(texts.values()):
            return None
        return "{" + ",".join(f'"{name}":{text or "null"}' for name, text in texts.items()) + "}"

    def plain_names(self, node: Node) -> dict[str, Any]:
        """What inline code sees, as plain JSON."""
        setting, task = self.scope(node).setting, node.task
        states = {relative(task.name, need): str(lookup(node, need).state) for need in task.needs}
        states |= {relative(task.name, need): "success" for need in task.left_out}
        return {
            "params": setting.params,
            "vars": setting.vars,
            "run": to_json(setting.run),
            "inputs": {name: json.loads(text or "null") for name, text in self._outputs.needed(node).items()},
            "states": states,
            **item_names(node),
        }

    def connection(self, node: Node, name: str) -> Connection:
        """The connection of this name, which is declared."""
        return self.scope(node).setting.connections[name]

    @property
    def state_file(self) -> str:
        """Where pipectl keeps its own state."""
        return self._setting.state_file


def _item_variables(item: Any) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for key, value in item.items() if isinstance(item, Mapping) else ():
        ((variable, _),) = item_variables({key: value}).items()
        if variable in found:
            raise TaskFailed(f"two keys of its item would both be `{variable}`")
        found[variable] = value
    return found or item_variables(item)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A task type's view of the attempt that it prepares; see `tasks.base.Context`."""

    _preparer: Preparer
    _node: Node
    _names: Mapping[str, Any]
    cwd: str
    env: Mapping[str, str]
    timeout: float | None

    @property
    def folder(self) -> str:
        return str(self._names["pipeline"]["dir"])

    def render(self, value: Any) -> Any:
        return self._preparer.scope(self._node).renderer.render_tree(value, self._names)

    def parts(self, text: str, filters: Collection[str] = ()) -> list[str | Computed]:
        return self._preparer.scope(self._node).renderer.parts(text, self._names, filters)

    def connection(self, name: str) -> Connection:
        return self._preparer.connection(self._node, name)

    @property
    def state_file(self) -> str:
        return self._preparer.state_file

    def plain_names(self) -> dict[str, Any]:
        return self._preparer.plain_names(self._node)
