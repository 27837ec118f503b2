"""`inputs` and `tasks` in expressions: other tasks, of which each sees its upstreams only."""

from __future__ import annotations

from pipectl.spec.check_graph import Graph
from pipectl.spec.declaration import Declaration
from pipectl.spec.nesting import Named
from pipectl.spec.words import did_you_mean
from pipectl.task_tree import relative

_OF_TASK = ("output", "state", "exit_code", "error")
_OF_LISTS = frozenset({"count", "index"})

Path = tuple[str, ...]
Wrong = tuple[str, str]
"""A message and its hint."""


class TaskNames:
    """Checks what the expressions of one declaration use of other tasks."""

    def __init__(self, declaration: Declaration, graph: Graph) -> None:
        self._declaration = declaration
        self._graph = graph

    def wrong_input(self, path: Path, task: str) -> Wrong | None:
        """What is wrong with `inputs.NAME…` in a task, if anything is."""
        name = path[1]
        needed = {relative(task, need): need for need in self._graph.needs.get(task, ())}
        if name in needed:
            named = self._named(needed[name])
            return None if named is None else _wrong_output(named, path[:2], path[2:])
        for end in range(3, len(path) + 1):
            if ".".join(path[1:end]) in needed:
                return f"`inputs` has no `{name}`", f"write `{spelt(('inputs', '.'.join(path[1:end]), *path[end:]))}`"
        found = self._declaration.named(name, task)
        if "." in name:
            return f"`inputs` has no `{name}`", did_you_mean(name, needed) or "it holds what `needs` names"
        if not found:
            return f"task `{name}` is not defined", did_you_mean(name, needed)
        if self._graph.is_upstream(task, found):
            return f"`inputs` holds direct upstreams, and `{name}` is none", f"write `tasks.{name}.output`"
        return self._not_upstream(task, name)

    def wrong_task(self, path: Path, task: str) -> Wrong | None:
        """What is wrong with `tasks.NAME…` in a task, if anything is."""
        name, found = path[1], self._declaration.named(path[1], task)
        if not found:
            return f"task `{name}` is not defined", self._hint_to_name(name, task)
        named = Named(self._declaration, found)
        written = spelt(path[:2])
        if len(path) == 2:
            return f"`{written}` is no value", f"write `{written}.output`"
        if path[2] not in _OF_TASK:
            return f"`{written}` has no `{path[2]}`", _hint_to_output(named, path)
        if found == task:
            return f"task `{task}` uses its own `{path[2]}`", "in `expect` its output is `output`"
        if task.startswith(f"{found}."):
            return f"task `{task}` is in `{found}`, which has not ended", "name a task in it: `tasks.NAME.output`"
        if path[2] == "output" and (wrong := _wrong_output(named, path[:3], path[3:])):
            return wrong
        return None if self._has_ended(named, path[2:], task) else self._not_upstream(task, name)

    def _named(self, path: str) -> Named | None:
        """The task of a path in this declaration; None for one of a sub-pipeline."""
        return Named(self._declaration, path) if path in self._declaration.tasks else None

    def _has_ended(self, named: Named, steps: Path, task: str) -> bool:
        """Whether the task starts after what the steps lead to: another task, or the output of one in it."""
        if named.path in self._graph.needs.get(task, ()) or self._graph.is_upstream(task, named.path):
            return True
        for step in steps[1:] if steps[0] == "output" else ():
            if step not in named.members:
                return False
            named = named.member(step)
            if self._graph.is_upstream(task, named.path):
                return True
        return False

    def _hint_to_name(self, name: str, task: str) -> str:
        """The near name, or the group in which a task of this name is, of those that the task can name."""
        visible = self._declaration.visible(task)
        for other, path in visible.items():
            group = Named(self._declaration, path)
            if name in group.members:
                return f"it is in `{group.path}`: {_hint_to_output(group, ('tasks', other, name))}"
        return did_you_mean(name, visible)

    def _not_upstream(self, task: str, name: str) -> Wrong:
        part = self._declaration.tasks[task].get("needs")
        needs = [relative(task, need) for need in self._graph.needs.get(task, ())]
        written = [entry.value for entry in part.entries()] if part else needs
        needs = ["'*'" if one == "*" else one for one in (*written, name)]
        hint = f"needs: {name}" if len(needs) == 1 else f"needs: [{', '.join(needs)}]"
        return f"task `{task}` uses `{name}` and does not need it", f"add it to `needs`: `{hint}`"


def _wrong_output(named: Named, path: Path, steps: Path) -> Wrong | None:
    """What is wrong with what is taken of an output: a list where there is a `foreach`; of a group by its tasks."""
    repeated = named.repeated
    for step in steps:
        if named.unknown:
            return None
        if repeated:
            if not step.lstrip("-").isdigit():
                return None if step in _OF_LISTS else _of_list(named, path, step)
            repeated = False
        elif not named.is_group:
            return None
        elif step not in named.members:
            hint = did_you_mean(step, named.members) or "it has " + ", ".join(f"`{one}`" for one in named.members)
            return f"`{spelt(path)}` has no `{step}`: group `{named.path}` holds no such task", hint
        else:
            named = named.member(step)
            repeated = named.repeated
        path = (*path, step)
    return None


def _hint_to_output(named: Named, path: Path) -> str:
    """What to write for `tasks.NAME.STEP`, where a step of that name is not what a task has."""
    task, step = spelt((*path[:2], "output")), path[2]
    if step not in named.members:
        return did_you_mean(step, _OF_TASK) or f"write `{spelt((*path[:2], 'output', *path[2:]))}`"
    if named.repeated:
        return f"write `{task} | map(attribute='{step}')`"
    return f"write `{spelt((*path[:2], 'output', step))}`"


def _of_list(named: Named, path: Path, step: str) -> Wrong:
    written = spelt(path)
    hint = f"write `{written} | map(attribute='{step}')` for all of them"
    return f"`{written}` is a list: `{named.path}` has a `foreach`", hint


def spelt(path: Path) -> str:
    """A path of names as an expression writes it."""
    return path[0] + "".join(
        f".{step}" if step.isidentifier() else f"[{step}]" if step.lstrip("-").isdigit() else f"['{step}']"
        for step in path[1:]
    )
