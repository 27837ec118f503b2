"""What can be told of a task before its run: whether its conditions will hold, and which program runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from pipectl.engine.known import Known
from pipectl.engine.outputs import Outputs, absent_name
from pipectl.engine.prepare import Preparer
from pipectl.engine.scopes import Scope, Setting, scopes
from pipectl.graph import Fan, Group, Node, frames
from pipectl.model import Command, Job, Pipeline
from pipectl.plan import Plan
from pipectl.programs import find_program
from pipectl.task_tree import relative
from pipectl.tasks import python, shell
from pipectl.tasks.base import TaskFailed
from pipectl.template import TemplateError

_NOTHING = Command(("true",))


class Foresight(Preparer):
    """Prepares attempts that are not made, and answers conditions by what is known without them.

    What depends on an output or a secret is taken as true. Entries of an `env` that do are left out of it. `assumed`
    are the tasks with `foreach` whose items are not known, by their names. Parameters and constants that a pipeline
    declares, and that have no value here, are not known either.
    """

    def __init__(self, setting: Setting, plan: Plan, outputs: Outputs) -> None:
        super().__init__(setting, plan, outputs)
        self.assumed: set[str] = set()
        self._root = _Scope(setting, plan.graph.root, outputs)

    def holds(self, condition: str | bool, node: Node, more: Mapping[str, Any] | None = None) -> bool:
        """Whether a condition is true, the states of other tasks being what they are in the plan."""
        if isinstance(condition, str) and not self.known(node).text(condition, expression=True):
            return True
        return super().holds(condition, node)

    def holds_now(self, condition: str | bool, node: Node) -> bool | None:
        """Whether a condition is true whatever the run does; None where that depends on it, or cannot be told."""
        if isinstance(condition, str) and not self.known(node, states=False).text(condition, expression=True):
            return None
        try:
            return super().holds(condition, node)
        except TemplateError:
            return None

    def known(self, node: Node, *, states: bool = True) -> Known:
        """What is known where the expressions of an instance stand; with `states` also how other tasks stand."""
        scope = self.scope(node)
        assert isinstance(scope, _Scope)
        known = replace(scope.known, states=states, files=is_first(node))
        if self._outputs.earlier:
            known = replace(known, absent=self._absent(node), inputs=self._inputs_of_absent(node))
        for one, entries in super().layers(node):
            known = replace(known, items=self._items(one)).adding("env", entries)
        return replace(known, items=self._items(node))

    def _absent(self, node: Node) -> Set[str]:
        """What the instance calls tasks that are not in the run and whose outputs are known."""
        absent: set[str] = set()
        present: set[str] = set()
        for group in scopes(node):
            absent |= self._outputs.absent.get(group.name, {}).keys() - present
            present |= group.members.keys()
        return absent

    def _inputs_of_absent(self, node: Node) -> Set[str]:
        name, earlier = node.task.name, self._outputs.earlier
        return {relative(name, need) for need in node.task.left_out if absent_name(node, need) in earlier}

    def _items(self, node: Node) -> list[bool]:
        return [copy.parent is not None and copy.parent.name not in self.assumed for copy in frames(node)]

    def layers(self, node: Node) -> Iterator[tuple[Node, Mapping[str, Any]]]:
        """What is known of the environment that its groups and its task declare."""
        layers = list(super().layers(node))
        hidden = self.known(node).hidden["env"] if layers else frozenset()
        for one, entries in layers:
            yield one, {name: value for name, value in entries.items() if name not in hidden}

    def knows_items(self, fan: Fan) -> bool:
        """Whether the items of a `foreach`, and what its instances are called, can be told."""
        foreach, known = fan.task.foreach, self.known(fan)
        assert foreach is not None
        if foreach.key is not None:
            keyed = replace(known, items=[True, *known.items])
            if not keyed.text(foreach.key, expression=True):
                return False
        written = (foreach.items, foreach.matrix, list(foreach.exclude), list(foreach.include))
        return all(known.value(value) for value in written)

    def job(self, node: Node, attempt: int, *, timeout: float | None, devices: Sequence[str] | None = None) -> Job:
        """A job of which only the name, the number and the limits count; and of a wait when it is over, if known."""
        task = node.task
        kind = task.body.get("kind")
        if kind in {"for", "until"} and self.known(node).value(task.body[kind]):
            return super().job(node, attempt, timeout=timeout)
        folder = self._setting.pipeline.folder
        return Job(node.name, attempt, _NOTHING, {}, folder, timeout, task.grace, task.stop_signal)

    def cwd(self, node: Node, names: Mapping[str, Any]) -> str:
        """Where it will run, as far as that can be told and is there."""
        try:
            return super().cwd(node, names)
        except (TaskFailed, TemplateError):
            return self.scope(node).setting.pipeline.folder

    def program(self, node: Node) -> str | None:
        """The path of what runs the task: an interpreter, or the program of an argument vector.

        None where the task needs none of its own, or where that is computed in the run. Raises TaskFailed where there
        is no such program.
        """
        task, env = node.task, self._environment(node)
        folder = self.scope(node).setting.pipeline.folder
        if task.type == "python":
            return python.interpreter(task.body, folder, env)
        if task.type != "shell":
            return None
        name = task.body["argv"][0] if "argv" in task.body else shell.interpreter(task.body, folder, env)[0]
        if not isinstance(name, str) or "{{" in name:
            return None
        found = find_program(name, env.get("PATH"))
        if found is None:
            raise TaskFailed(f"there is no program `{name}`")
        return found

    def _environment(self, node: Node) -> Mapping[str, str]:
        """What the task will see, as far as that is known."""
        try:
            return self.surroundings(node, 1)[0]
        except TemplateError:
            return self.scope(node).setting.world.environ


class _Scope(Scope):
    """One pipeline of the run, without the variables that only the run can tell."""

    def __init__(self, setting: Setting, group: Group, outputs: Outputs) -> None:
        pipeline = setting.pipeline
        known = known_constants(pipeline, setting.params.keys(), files=is_first(group))
        hidden = {**known.hidden, "vars": known.hidden["vars"] | (pipeline.vars.keys() - setting.vars.keys())}
        self.known = replace(known, hidden=hidden, files=False).adding("env", pipeline.env)
        told = {name: value for name, value in pipeline.env.items() if name not in self.known.hidden["env"]}
        super().__init__(replace(setting, pipeline=replace(pipeline, env=told)), group, outputs)

    def within(self, group: Group) -> Scope:
        """The scope of a sub-pipeline."""
        return _Scope(super().within(group).setting, group, self._outputs)


def known_constants(pipeline: Pipeline, params: Set[str], *, files: bool) -> Known:
    """What is known of the constants of a pipeline where it is of these parameters; `files` as of `Known`."""
    hidden = {"params": pipeline.params.keys() - params, "vars": frozenset[str](), "env": frozenset[str]()}
    return Known(hidden, files=files).adding("vars", pipeline.vars)


def is_first(node: Node) -> bool:
    """Whether nothing of the run comes before it, so that the files are those that are there now."""
    return not any(one.task.needs for one in (node, *node.ancestors()))
