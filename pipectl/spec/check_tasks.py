"""What a task may not be, past its schema: bodies that say too little or too much, and code with values pasted in."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator

from pipectl.durations import parse_duration
from pipectl.errors import Problem
from pipectl.spec import check_pasted
from pipectl.spec.bodies import CALL, names_no_function, python_kind
from pipectl.spec.declaration import Declaration
from pipectl.spec.param_declarations import lost_zero
from pipectl.spec.source import Part

_RESERVED = re.compile(r"(PIPECTL_|PARAM_|ITEM).*")


def task_problems(task: Part) -> Iterator[Problem]:
    """What is wrong with one task."""
    name = str(task.path[-1])
    timeout = task.get("timeout")
    if timeout is not None and parse_duration(timeout.value) == 0:
        yield timeout.problem(f"task `{name}` has no time at all", "remove `timeout` for no limit")
    shell, python = task.get("shell"), task.get("python")
    if shell is not None:
        yield from _shell_problems(name, shell)
    if python is not None:
        yield from _python_problems(name, python)
    env = task.get("env")
    if env is not None:
        yield from env_problems(env.items())


def env_problems(env: Iterable[tuple[str, Part]]) -> Iterator[Problem]:
    """Variables that pipectl sets itself."""
    for key, part in env:
        if _RESERVED.fullmatch(key):
            yield part.problem(f"`{key}` cannot be set: pipectl sets it", "give it another name", key=True)


def _shell_problems(name: str, shell: Part) -> Iterator[Problem]:
    if isinstance(shell.value, dict):
        yield from _one_of(name, shell, ("script", "argv"))
        interpreter = shell.get("interpreter")
        if "argv" in shell.value and interpreter is not None:
            hint = "make it the first element of `argv`"
            yield interpreter.problem("`argv` is run without an interpreter", hint, key=True)
        script, argv = shell.get("script"), shell.get("argv")
    else:
        script, argv = (shell, None) if isinstance(shell.value, str) else (None, shell)
    if script is not None:
        yield from check_pasted.in_script(script)
    if argv is not None:
        yield from check_pasted.in_arguments(argv)


def _one_of(name: str, body: Part, keys: tuple[str, ...]) -> Iterator[Problem]:
    given = [key for key in keys if key in body.value]
    listed = ", ".join(f"`{key}`" for key in keys[:-1]) + f" or `{keys[-1]}`"
    if not given:
        yield body.problem(f"task `{name}` has nothing to run", f"add {listed} to its `{body.path[-1]}`", key=True)
    for key in given[1:]:
        yield body[key].problem(f"task `{name}` has both `{given[0]}` and `{key}`", "keep one of them", key=True)


def _python_problems(name: str, python: Part) -> Iterator[Problem]:
    if isinstance(python.value, str):
        kind = python_kind(python.value)
        if names_no_function(python.value):
            yield _names_no_function(python, python.value.strip())
            return
        code = python if kind == "code" else None
    else:
        yield from _one_of(name, python, ("call", "code", "script"))
        yield from _options_that_do_not_go_together(python)
        code = python.get("code")
    if code is not None:
        yield from check_pasted.in_python(code)
        yield from _syntax(code)


def _names_no_function(part: Part, dotted: str) -> Problem:
    script = dotted.replace(".", "/") + ".py"
    hint = f"write `{dotted}:FUNCTION` to call a function, or `{script}` to run a script"
    return part.problem(f"`{dotted}` names a module and no function in it", hint)


def _options_that_do_not_go_together(python: Part) -> Iterator[Problem]:
    call, arguments = python.get("call"), python.get("args")
    if call is not None and not CALL.fullmatch(call.value):
        if names_no_function(call.value):
            yield _names_no_function(call, call.value)
        elif "{{" not in call.value:
            yield call.problem(f"`{call.value}` is not a function's name", "write `package.module:function`")
    if arguments is not None and "script" not in python.value:
        yield arguments.problem("`args` are a script's", "write `with: {name: value}`", key=True)
    keywords = python.get("with")
    if keywords is None:
        return
    if "script" in python.value:
        yield keywords.problem("`with` is for `call` and `code`", 'write `args: [--name, "{{ … }}"]`', key=True)
    text = keywords.value.strip() if isinstance(keywords.value, str) else "{{}}"
    if not (text.startswith("{{") and text.endswith("}}")):
        yield keywords.problem(
            "`with` must be a mapping, or one expression that gives one", "write `with: {name: value}`"
        )


def _syntax(code: Part) -> Iterator[Problem]:
    """A warning where this Python cannot read the code; the task's own may be a newer one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code.value)
    except SyntaxError as error:
        offset = _offset(code.value, error.lineno or 1, error.offset or 1)
        yield code.problem(f"this is not Python: {error.msg.lower()}", offset=offset, warning=True)
    except (ValueError, RecursionError, MemoryError):
        yield code.problem("this Python cannot read the code", warning=True)


def _offset(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    return min(sum(len(one) + 1 for one in lines[: line - 1]) + column - 1, len(text))


def lost_zeros(declaration: Declaration) -> Iterator[Problem]:
    """Warnings for numbers that are probably versions."""
    for name, part in declaration.vars.items():
        if zero := lost_zero(part.value):
            yield part.problem(f"`{name}`: {zero}", f'as text it is `"{part.value.text}"`', warning=True)
