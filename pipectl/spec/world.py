"""What a pipeline needs of the world outside its file: secrets, the env_file, scripts, folders, interpreters.

Looked at each time a run starts, since none of it is part of the definition.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipectl.errors import PipelineError, Problem
from pipectl.model import Pipeline, Secret, Task
from pipectl.programs import split_command
from pipectl.task_tree import every_task

_SHORTEST_SECRET = 4
_COMMAND_SECONDS = 60


def problems(pipeline: Pipeline, environ: Mapping[str, str]) -> list[Problem]:
    """What is missing or unfit, of sub-pipelines too, each at the place that asks for it. Runs no command of a secret.

    A folder or script of a task that has upstreams, as all tasks do where the pipeline itself runs `after` others, is a
    warning only: an upstream may make it.
    """
    return list(dict.fromkeys([*_problems(pipeline, environ, after=False), *_of_devices(pipeline, environ)]))


def _of_devices(pipeline: Pipeline, environ: Mapping[str, str]) -> Iterator[Problem]:
    if not any(task.resources.gpu for _, task in every_task(pipeline.tasks)):
        return
    from pipectl.spec.devices import too_many_gpus

    for task, message, hint in too_many_gpus(pipeline, environ):
        yield Problem(shown_file(task.file), task.line, task.column, f"task `{task.name}`: {message}", hint)


def _problems(pipeline: Pipeline, environ: Mapping[str, str], *, after: bool) -> list[Problem]:
    found: list[Problem] = []
    try:
        variables = {**environ, **env_file_values(pipeline, environ)}
    except PipelineError as error:
        found += error.problems
        variables = dict(environ)
    for secret in pipeline.secrets.values():
        if secret.source != "command":
            found += _secret(secret, pipeline.folder, variables)[1]
    for task, follows in within(pipeline.tasks, after=after):
        found += _task_problems(task, pipeline.folder, environ, follows=follows)
        if task.pipeline is not None:
            found += _problems(task.pipeline, environ, after=follows)
    if pipeline.connections:
        found += _of_connections(pipeline)
    return found


def within(tasks: Mapping[str, Task], *, after: bool = False) -> Iterator[tuple[Task, bool]]:
    """All tasks of one file, those of groups too, each with whether anything runs before it."""
    for task in tasks.values():
        follows = after or bool(task.needs)
        yield task, follows
        yield from within(task.tasks, after=follows)


def _of_connections(pipeline: Pipeline) -> Iterator[Problem]:
    from pipectl.spec.extras import missing  # what a run without connections need not import

    for one in pipeline.connections.values():
        if isinstance(one.verify, str) and _is_missing(Path(pipeline.folder), one.verify):
            message = f"connection `{one.name}`: there is no file `{one.verify}`"
            yield Problem(shown_file(one.file), one.line, one.column, message)
    for owner, message, hint in missing(pipeline):
        yield Problem(shown_file(owner.file), owner.line, owner.column, message, hint)


def secret_values(pipeline: Pipeline, variables: Mapping[str, str]) -> dict[str, str]:
    """The value of every secret; runs the commands. Raises PipelineError with every secret that has none.

    `variables` are the environment as `env_file` changes it; a file's or a command's text comes without its last
    newline.
    """
    values: dict[str, str] = {}
    found: list[Problem] = []
    for name, secret in pipeline.secrets.items():
        values[name], wrong = _secret(secret, pipeline.folder, variables)
        found += wrong
    if found:
        raise PipelineError(found)
    return values


def env_file_values(pipeline: Pipeline, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of `env_file`, none where there is no such file and it is optional. Raises PipelineError.

    See `env_file.variables`.
    """
    if pipeline.env_file is None:
        return {}
    path = _path(pipeline.folder, pipeline.env_file.removesuffix("?"), environ)
    if not path.exists() and pipeline.env_file.endswith("?"):
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        hint = f"write `{pipeline.env_file}?` where it may be missing" if isinstance(error, FileNotFoundError) else ""
        message = f"env_file `{pipeline.env_file}`: {_reason(error)}"
        raise PipelineError([Problem(shown_file(pipeline.file), *_place(pipeline.env_file), message, hint)]) from None
    from pipectl.spec import env_file  # dotenv takes a while to import, and most pipelines have no env_file

    return env_file.variables(text, shown_file(str(path)))


def _secret(secret: Secret, folder: str, variables: Mapping[str, str]) -> tuple[str, list[Problem]]:
    value, message, hint = "", "", ""
    if secret.source == "env":
        value, message, hint = _from_variable(str(secret.value), variables)
    elif secret.source == "file":
        value, message = _from_file(_path(folder, str(secret.value), variables))
    else:
        value, message = _from_command(secret.value, folder, variables)
    if not message and len(value) < _SHORTEST_SECRET:
        message = f"is too short to hide: it has fewer than {_SHORTEST_SECRET} characters" if value else "is empty"
    if not message:
        return value, []
    name = f"secret `{secret.name}`"
    return "", [Problem(shown_file(secret.file), secret.line, secret.column, f"{name} {message}", hint)]


def _from_variable(name: str, variables: Mapping[str, str]) -> tuple[str, str, str]:
    if name in variables:
        return variables[name], "", ""
    return "", f"is not set: there is no variable `{name}`", f"export {name}=…"


def _from_file(path: Path) -> tuple[str, str]:
    try:
        return _without_newline(path.read_text(encoding="utf-8")), ""
    except (OSError, ValueError) as error:
        return "", f"cannot be read from `{path}`: {_reason(error)}"


def _from_command(command: str | tuple[str, ...], folder: str, variables: Mapping[str, str]) -> tuple[str, str]:
    import subprocess

    argv = [command] if isinstance(command, str) else list(command)
    try:
        done = subprocess.run(
            argv, cwd=folder, env=dict(variables), stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=_COMMAND_SECONDS,
        )  # fmt: skip
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            return "", f"has no value: `{argv[0]}` exited with {done.returncode}" + (f": {said[-1]}" if said else "")
        return _without_newline(done.stdout.decode()), ""
    except subprocess.TimeoutExpired:
        return "", f"has no value: `{argv[0]}` took more than {_COMMAND_SECONDS} s"
    except (OSError, ValueError) as error:
        return "", f"has no value: `{argv[0]}`: {_reason(error)}"


def work(task: Task) -> tuple[str | None, Mapping[str, Any]]:
    """The type and the body of what a task runs; of a wait, of what it looks by."""
    if task.type != "wait":
        return task.type, task.body
    kind = task.body["kind"]
    return kind, task.body[kind] if isinstance(task.body[kind], Mapping) else {}


def _task_problems(task: Task, folder: str, environ: Mapping[str, str], *, follows: bool) -> Iterator[Problem]:
    missing: dict[str, str] = {}
    if task.cwd is not None and "{{" not in task.cwd and not _exists(Path(folder, task.cwd).is_dir):
        missing["cwd"] = f"there is no folder `{task.cwd}`"
    kind, body = work(task)
    script = body.get("script") if kind == "python" else None
    if script is not None and not _exists(Path(folder, script).is_file):
        missing["script"] = f"there is no script `{script}`"
    missing |= {key: f"there is no file `{file}`" for key, file in _read_files(task, folder)}
    for key, message in missing.items():
        yield _of_path(task, key, message, may_be_made=follows)
    if interpreter := _missing_interpreter(task, folder, environ):
        yield _of_path(task, "interpreter", f"there is no interpreter `{interpreter}`")


def _of_path(task: Task, key: str, message: str, *, may_be_made: bool = False) -> Problem:
    """A fault of a path that a task names, at that path, or at the task where `defaults` say it."""
    line, column = task.places.get(key, (task.line, task.column))
    return Problem(shown_file(task.file), line, column, f"task `{task.name}`: {message}", warning=may_be_made)


def _read_files(task: Task, folder: str) -> Iterator[tuple[str, str]]:
    """The files that a task reads and that are not there, as far as their paths are constant, with their keys."""
    kind, body = work(task)
    if kind not in ("sql", "http") or "{{" in (task.cwd or ""):
        return
    files = {"file": body.get("load", {}).get("file"), "body_file": body.get("body_file")}
    for key, file in {**files, "verify": body.get("verify")}.items():
        if isinstance(file, str) and _is_missing(Path(folder, task.cwd or ""), file):
            yield key, file


def _is_missing(folder: Path, file: str) -> bool:
    return "{{" not in file and not _exists((folder / file).is_file)


def _missing_interpreter(task: Task, folder: str, environ: Mapping[str, str]) -> str:
    """The interpreter that a task names by a path where nothing can be executed, else nothing."""
    try:
        words = split_command(str(work(task)[1].get("interpreter", "")))
    except ValueError:
        return ""
    if not words or "/" not in words[0]:
        return ""
    path = _path(folder, words[0], environ)
    return "" if _exists(path.is_file) and os.access(path, os.X_OK) else words[0]


def _path(folder: str, name: str, environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME")
    return Path(folder, home + name[1:] if home and name.startswith("~/") else name)


def _place(text: str) -> tuple[int, int]:
    return getattr(text, "line", 0), getattr(text, "column", 0)


def _exists(look: Callable[[], bool]) -> bool:
    """Whether the path is there; one that cannot be looked at (a NUL, a name too long) is not."""
    try:
        return look()
    except (OSError, ValueError):
        return False


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def shown_file(file: str) -> str:
    """A file's name relative to where the user stands, where it lies below."""
    return file.removeprefix(f"{Path.cwd()}/")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return (getattr(error, "strerror", None) or str(error)).lower()
