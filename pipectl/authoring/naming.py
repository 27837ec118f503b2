"""How one task of a pipeline names another: in `needs`, and in an expression for its output."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pipectl.authoring.tasks import Group, Output, Scope, Task


class Unreachable(ValueError):
    """The task cannot be named from there; says why."""


def reference(task: Task, scope: Scope) -> str:
    """The task as one in `scope` says it in `needs`. Raises Unreachable."""
    return ".".join(_words(task, scope))


def expression(output: Output, scope: Scope) -> str:
    """The output as an expression of a task in `scope`, with its braces. Raises Unreachable."""
    first, *rest = _words(output._task, scope)
    text = f"tasks{_step(first)}.output{''.join(map(_step, (*rest, *output._steps)))}"
    return f"{{{{ {text} }}}}"


def _words(task: Task, scope: Scope) -> list[str]:
    """The fewest names that lead to the task from the scope: names are looked up in it first, then outwards."""
    if task.root is not scope.root:
        raise Unreachable(f"task `{'.'.join(task.path)}` is of another pipeline, `{task.root.name}`")
    outer = list(_outwards(scope))
    words = [task.name]
    holder = task.scope
    while not (holder in outer and all(words[0] not in one.tasks for one in outer[: outer.index(holder)])):
        if not isinstance(holder, Group):
            raise Unreachable(f"`{words[0]}` is the name of a nearer task")
        if "foreach" in holder.keys and holder not in outer:
            whole = ".".join(holder.path)
            raise Unreachable(f"a task of the group `{whole}`, which has `foreach`, is many: name the group")
        words.insert(0, holder.name)
        holder = holder.scope
    return words


def _outwards(scope: Scope) -> Iterator[Scope]:
    yield scope
    while isinstance(scope, Group):
        scope = scope.scope
        yield scope


def _step(key: str | int) -> str:
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    return f"[{json.dumps(key, ensure_ascii=False)}]"
