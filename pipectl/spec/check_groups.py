"""Keys that mean nothing where they stand: on what holds other tasks, and on what holds none."""

from __future__ import annotations

from collections.abc import Iterator

from pipectl.errors import Problem
from pipectl.spec.check_items import ITEM_NAMES, frames
from pipectl.spec.declaration import Declaration
from pipectl.spec.groups import OF_HOLDERS, PASSED_ON
from pipectl.spec.nesting import HOLDERS, around, has, is_group
from pipectl.spec.source import Part
from pipectl.spec.sub_pipelines import file_of
from pipectl.template import TemplateError, references

_OF_GROUPS = frozenset({*HOLDERS, *OF_HOLDERS, *PASSED_ON, "env", "key"})
_OF_PIPELINES = frozenset({*HOLDERS, *OF_HOLDERS, "key"})
_OF_MANY = ("max_parallel", "fail_fast")


def group_problems(name: str, task: Part) -> Iterator[Problem]:
    """What is wrong with the keys of a group, a sub-pipeline, or any other task, beside what it is."""
    if "tasks" in task.value:
        for key, part in task.items():
            if key not in _OF_GROUPS:
                yield part.problem(
                    f"group `{name}` cannot have `{key}`: its tasks can", "say it in its tasks", key=True
                )
    elif "pipeline" in task.value:
        for key, part in task.items():
            if key not in _OF_PIPELINES:
                message = f"sub-pipeline `{name}` cannot have `{key}`: its file says that itself"
                yield part.problem(message, _hint_to_file(key, file_of(task)), key=True)
    elif not has(task, "foreach") and not any(has(task, key) for key in HOLDERS):
        for key in _OF_MANY:
            if key in task.value:
                message = f"task `{name}` is one attempt at a time: `{key}` is for groups and tasks with `foreach`"
                yield task[key].problem(message, "it stands at the top of the file for the whole run", key=True)


def folder_problems(declaration: Declaration) -> Iterator[Problem]:
    """Tasks whose folder is that of their group, and in it an `item` that is another one to them."""
    of_groups = {path: task["cwd"] for path, task in declaration.tasks.items() if _names_item(task)}
    for path, task in declaration.tasks.items() if of_groups else ():
        group = next((group for group in around(path) if "cwd" in declaration.tasks[group].value), "")
        if group not in of_groups or is_group(task.value) or "cwd" in task.value:
            continue
        if len(frames(path, declaration)) > len(frames(group, declaration)):
            message = f"the `cwd` of group `{group}` uses `item`, which is another one in task `{path}`"
            yield task.problem(message, f"give `{path}` its own `cwd`", key=True)


def _names_item(task: Part) -> bool:
    cwd = task.get("cwd") if "tasks" in task.value else None
    try:
        found = references(cwd.value) if cwd is not None else []
    except TemplateError:
        return False
    return any(reference.path[0] in ITEM_NAMES for reference in found)


def _hint_to_file(key: str, file: Part | None) -> str:
    where = f"`{file.value}`" if file is not None else "its file"
    return f"say it as `env` in {where}, or give it a parameter" if key == "env" else f"say it in `defaults` in {where}"
