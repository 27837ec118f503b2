"""Python tasks: a callable, inline code or a script, each attempt in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipectl.model import Call, Outcome, Task
from pipectl.programs import find_program
from pipectl.tasks.base import Context, TaskFailed, read_output_file, result
from pipectl.template import to_text


def prepare(task: Task, context: Context) -> Call:
    """The call of the task, for a worker of its interpreter."""
    body = task.body
    payload: dict[str, Any] = {"task": task.name}
    if "call" in body:
        payload |= {"call": body["call"], "with": _arguments(body, context)}
    elif "script" in body:
        arguments = [to_text(context.render(value)) for value in body.get("args", ())]
        payload |= {"script": os.path.join(context.folder, body["script"]), "args": arguments}  # noqa: PTH118
    else:
        payload |= {"code": body["code"], "with": _arguments(body, context), "names": context.plain_names()}
    return Call(interpreter(body, context.folder, context.env), context.folder, tuple(body.get("preload", ())), payload)


def output(task: Task, outcome: Outcome) -> Any:
    """What the callable returned, the code left in `output`, or the script wrote to `$PIPECTL_OUTPUT`."""
    if outcome.result is None:
        raise TaskFailed("the task ended its process before it gave a result (`os._exit`?)")
    if "script" in task.body:
        return read_output_file(outcome.output)
    return result(outcome)["output"]


def interpreter(body: Mapping[str, Any], folder: str, env: Mapping[str, str]) -> str:
    """The Python that runs the task: the one named, that of `$VIRTUAL_ENV`, of the nearest `.venv`, or pipectl's own.

    Raises TaskFailed where the one named is not there.
    """
    named = body.get("interpreter")
    if named:
        found = find_program(_from_folder(named, folder), env.get("PATH"))
        if not found:
            raise TaskFailed(f"there is no interpreter `{named}`")
        return found
    virtual = env.get("VIRTUAL_ENV")
    homes = [Path(virtual)] if virtual else []
    homes += [above / ".venv" for above in (Path(folder), *Path(folder).parents)]
    for home in homes:
        python = home / "bin" / "python"
        if python.exists():
            return str(python)
    return sys.executable


def _from_folder(program: str, folder: str) -> str:
    return os.path.join(folder, program) if "/" in program else program  # noqa: PTH118


def _arguments(body: Mapping[str, Any], context: Context) -> Mapping[str, Any]:
    values = context.render(body.get("with", {}))
    if not isinstance(values, dict):
        raise TaskFailed(
            f"`with` must come to a mapping of arguments, not to a value of type `{type(values).__name__}`"
        )
    return values
