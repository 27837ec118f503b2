"""What a task may not be, past its schema: bodies that say too little or too much, and code with values pasted in."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator

from pipectl.durations import parse_duration
from pipectl.errors import Problem
from pipectl.labels import is_reserved
from pipectl.spec import check_arguments, check_pasted
from pipectl.spec.bodies import CALL, TYPES, called_by_path, names_no_function, python_kind, script_with_arguments
from pipectl.spec.check_cache import cache_problems, useless_cache
from pipectl.spec.check_foreach import repeat_problems
from pipectl.spec.check_groups import group_problems
from pipectl.spec.check_pools import pool_problems, resource_problems
from pipectl.spec.declaration import Declaration
from pipectl.spec.nesting import is_group
from pipectl.spec.param_declarations import lost_zeros
from pipectl.spec.source import Part
from pipectl.spec.waits import holder
from pipectl.template import TemplateError, is_expression

_CLASSES = frozenset({"1xx", "2xx", "3xx", "4xx", "5xx"})


def task_problems(name: str, task: Part, declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with one task of the declaration, which is called by its path."""
    yield from _time_problems(f"task `{name}`", task.get("timeout"))
    yield from group_problems(name, task)
    yield from repeat_problems(name, task)
    yield from _bodies(name, holder(task), declaration)
    if "wait" in task.value or "approve" in task.value:
        from pipectl.spec.check_waits import waiting_problems

        yield from waiting_problems(name, task, declaration)
    else:
        yield from _limits(task, declaration)
        if "cache" in task.value:
            yield from useless_cache(name, task)
    yield from _retry_problems(task)
    env = task.get("env")
    if env is not None:
        yield from env_problems(env.items())


def _bodies(name: str, task: Part, declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with what a task, or the look of a wait, runs."""
    shell, python = task.get("shell"), task.get("python")
    if shell is not None:
        yield from _shell_problems(name, shell)
    if python is not None:
        yield from _python_problems(name, python)
    if "sql" in task.value:
        from pipectl.spec.check_sql import sql_problems

        yield from sql_problems(name, task, declaration)
    if "http" in task.value:
        from pipectl.spec.check_http import http_problems

        yield from http_problems(name, task, declaration)


def _limits(owner: Part, declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with the limits and the cache of a task, or of the defaults of tasks."""
    pool, resources, cache = owner.get("pool"), owner.get("resources"), owner.get("cache")
    if pool is not None:
        yield from pool_problems(pool, declaration)
    if resources is not None:
        yield from resource_problems(resources, declaration)
    if cache is not None:
        yield from cache_problems(cache)


def common_problems(declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with what holds for all tasks."""
    yield from _time_problems("the run", declaration.top.get("timeout"))
    for defaults in declaration.defaults.get("timeout", ()):
        yield from _time_problems("a task", defaults)
    yield from env_problems(declaration.env.items())
    for defaults in declaration.defaults.get("env", ()):
        yield from env_problems(defaults.items())
    for options in declaration.defaults.get("http", ()):
        from pipectl.spec.check_http import option_problems

        yield from option_problems(options)
    yield from _defaults_of_limits(declaration)
    for kind in ("sql", "http"):
        if (named := declaration.default(kind, "connection")) is not None:
            from pipectl.spec.check_connections import named_connection

            yield from named_connection(named, kind, declaration)
    for name, part in declaration.vars.items():
        yield from lost_zeros(name, part)


def _defaults_of_limits(declaration: Declaration) -> Iterator[Problem]:
    for key in ("pool", "resources", "cache"):
        for part in declaration.defaults.get(key, ()):
            yield from _limits(Part(part.source, part.path[:-1], {key: part.value}), declaration)
    for kind in ("wait", "approve"):
        for options in declaration.defaults.get(kind, ()):
            from pipectl.spec.check_waits import option_problems

            yield from option_problems(kind, options)


def env_problems(env: Iterable[tuple[str, Part]]) -> Iterator[Problem]:
    """Variables that pipectl sets itself, and numbers in lists, which do not arrive as they were typed."""
    for key, part in env:
        if isinstance(part.value, dict | list):
            yield from lost_zeros(key, part)
        if is_reserved(key):
            yield part.problem(f"`{key}` cannot be set: pipectl sets it", "give it another name", key=True)


def _retry_problems(task: Part) -> Iterator[Problem]:
    """Statuses where there are exit codes, and the reverse: a number in `on` means what the task ends with."""
    retries = task.get("retries")
    on = retries.get("on") if retries is not None else None
    if on is None or is_group(task.value) or not task.taken.isdisjoint(TYPES):
        return
    for entry in on.entries():
        value = entry.value
        if "http" in task.value:
            if isinstance(value, int) and value < 100:
                yield entry.problem(f"in an http task `{value}` is no status", "write e.g. `on: [429, 5xx, timeout]`")
        elif value in _CLASSES or (isinstance(value, int) and value > 255):
            message = f"`{value}` is a status, which http tasks alone have"
            yield entry.problem(message, "exit codes are 0 to 255; write e.g. `on: [75, timeout]`")


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
        yield from check_arguments.in_arguments(argv)


def _one_of(name: str, body: Part, keys: tuple[str, ...]) -> Iterator[Problem]:
    given = [key for key in keys if key in body.value]
    listed = ", ".join(f"`{key}`" for key in keys[:-1]) + f" or `{keys[-1]}`"
    if not given and not body.taken:
        yield body.problem(f"task `{name}` has nothing to run", f"add {listed} to its `{body.path[-1]}`", key=True)
    for key in given[1:]:
        yield body[key].problem(f"task `{name}` has both `{given[0]}` and `{key}`", "keep one of them", key=True)


def _python_problems(name: str, python: Part) -> Iterator[Problem]:
    if isinstance(python.value, str):
        kind = python_kind(python.value)
        if names_no_function(python.value):
            yield _names_no_function(python, python.value.strip())
            return
        if words := script_with_arguments(python.value):
            yield _command_line(python, words)
            return
        if call := called_by_path(python.value):
            yield python.problem(f"`{python.value.strip()}` is not a function's name", f"write `{call}`")
            return
        code = python if kind == "code" else None
    else:
        yield from _one_of(name, python, ("call", "code", "script"))
        yield from _options_that_do_not_go_together(python)
        code = python.get("code")
    if code is not None:
        yield from check_pasted.in_python(code)
        yield from _syntax(code)


def _command_line(python: Part, words: list[str]) -> Problem:
    arguments = ", ".join(
        word if re.fullmatch(r"[\w./=-]+", word) else json.dumps(word, ensure_ascii=False) for word in words[1:]
    )
    hint = f"write `python: {{script: {words[0]}, args: [{arguments}]}}`"
    return python.problem(f"`{words[0]}` is a script, and its arguments stand apart", hint)


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
            hint = f"write `{called_by_path(call.value) or 'package.module:function'}`"
            yield call.problem(f"`{call.value}` is not a function's name", hint)
    if arguments is not None and "script" not in python.value and not python.taken:
        yield arguments.problem("`args` are a script's", "write `with: {name: value}`", key=True)
    keywords = python.get("with")
    if keywords is None:
        return
    if "script" in python.value:
        yield keywords.problem("`with` is for `call` and `code`", 'write `args: [--name, "{{ … }}"]`', key=True)
    if isinstance(keywords.value, str) and not _is_expression(keywords.value.strip()):
        yield keywords.problem(
            "`with` must be a mapping, or one expression that gives one", "write `with: {name: value}`"
        )


def _is_expression(text: str) -> bool:
    try:
        return is_expression(text)
    except TemplateError:
        return True  # and is told with all other expressions


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


def _time_problems(owner: str, timeout: Part | None) -> Iterator[Problem]:
    if timeout is not None and parse_duration(timeout.value) == 0:
        yield timeout.problem(f"{owner} has no time at all", "remove `timeout` for no limit")
