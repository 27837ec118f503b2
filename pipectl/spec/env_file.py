"""The text of an `env_file`: variables in the dotenv format, strictly, so that none is lost by a slip of the pen."""

from __future__ import annotations

import io

from dotenv.parser import Binding, parse_stream

from pipectl.errors import PipelineError, Problem
from pipectl.labels import is_reserved


def variables(text: str, file: str) -> dict[str, str]:
    """The variables, their values as written: `$` stands for itself.

    Raises PipelineError with every line of `file` that is neither a variable nor a comment, or that sets what pipectl
    sets itself.
    """
    values: dict[str, str] = {}
    problems: list[Problem] = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key and binding.value is None):
            hint = "a comment begins with `#`"
            problems.append(Problem(file, *_place(binding), "this line is not `NAME=value`", hint, quoted=False))
        elif binding.key and is_reserved(binding.key):
            message = f"`{binding.key}` cannot be set: pipectl sets it"
            problems.append(Problem(file, *_place(binding), message, "give it another name", quoted=False))
        elif binding.key and binding.value is not None:
            values[binding.key] = binding.value
    if problems:
        raise PipelineError(problems)
    return values


def _place(binding: Binding) -> tuple[int, int]:
    """Line and column of a binding, which the parser begins with the white space before it."""
    text, line = binding.original
    before = text[: len(text) - len(text.lstrip())]
    return line + before.count("\n"), len(before) - before.rfind("\n")
