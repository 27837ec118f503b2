"""Shell tasks: a script for a shell, or a program with its arguments.

A script is never templated: values reach it through its environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pipectl.model import Command, Outcome, Task
from pipectl.plain_json import parse_json
from pipectl.programs import find_program, split_command
from pipectl.tasks.base import Context, TaskFailed, check_size, read_output_file
from pipectl.template import TemplateError, to_text

_OPTIONS = {"bash": "-euo pipefail", "zsh": "-euo pipefail", "ksh": "-euo pipefail", "sh": "-eu", "dash": "-eu"}
_LONGEST_ARGUMENT = 120_000  # Linux takes no argument over 128 KiB


def prepare(task: Task, context: Context) -> Command:
    """The command of the task: its arguments rendered, or its script for its interpreter."""
    body = task.body
    capture = body.get("output") is not None
    if "argv" in body:
        return Command(_arguments(body["argv"], context), capture=capture)
    return _script(body["script"], interpreter(body, context.folder, context.env), capture=capture)


def output(task: Task, outcome: Outcome) -> Any:
    """What the task printed or wrote, as `output:` says."""
    form = task.body.get("output")
    if form is None:
        return read_output_file(outcome.output)
    printed = outcome.stdout or b""
    check_size(printed, "what the task printed")
    try:
        text = printed.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TaskFailed(f"what the task printed is not UTF-8 (byte {error.start})") from error
    if form == "json":
        try:
            return parse_json(text)
        except ValueError as error:
            raise TaskFailed(f"what the task printed is not JSON: {error}") from error
    text = text.rstrip("\n")
    if form == "lines":
        return text.split("\n") if text else []
    return text


def _arguments(elements: list[Any], context: Context) -> tuple[str, ...]:
    arguments: list[str] = []
    for number, element in enumerate(elements):
        try:
            value = context.render(element)
        except TemplateError as error:
            raise error.within(f"argument {number}") from error
        arguments += [to_text(item) for item in value] if isinstance(value, list) else [to_text(value)]
    if not arguments:
        raise TaskFailed("the list of arguments came out empty")
    return tuple(arguments)


def interpreter(body: Mapping[str, Any], folder: str, env: Mapping[str, str]) -> list[str]:
    """The words of the command that runs the script: the one named, else bash, or /bin/sh where there is no bash."""
    words = split_command(body.get("interpreter") or find_program("bash", env.get("PATH")) or "/bin/sh")
    if "/" in words[0]:
        words[0] = os.path.join(folder, words[0])  # noqa: PTH118
    return words


def _script(script: str, words: list[str], *, capture: bool) -> Command:
    options = _OPTIONS.get(os.path.basename(words[0])) if len(words) == 1 else None  # noqa: PTH119
    if options is None:
        return Command(tuple(words), script=script, capture=capture)
    if len(script.encode()) > _LONGEST_ARGUMENT:
        return Command((*words, *options.split()), script=script, capture=capture)
    return Command((*words, *options.split(), "-c", script), capture=capture)
