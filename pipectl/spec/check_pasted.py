"""Values pasted into code: refused wherever it can be seen, each with the name by which the value is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePath

from pipectl.errors import Problem
from pipectl.labels import param_variable
from pipectl.spec.bodies import argument
from pipectl.spec.source import Part
from pipectl.template import has_expression

_OURS = re.compile(
    r"\{\{-?\s*(?P<path>(?:(?:params|tasks|run|vars|env|secrets|connections|pipeline)(?=\s*[.\[])"
    r"|(?:item|inputs|outer|index(?!\s+[.$(\"`]))\b)[\w.\-\[\]'\"]*)"  # `{{index .Ports 0}}` is a Go template
)
_RUN_VARIABLES = {
    "id": "PIPECTL_RUN_ID",
    "logical_time": "PIPECTL_LOGICAL_TIME",
    "date": "PIPECTL_DATE",
    "interval_start": "PIPECTL_INTERVAL_START",
    "interval_end": "PIPECTL_INTERVAL_END",
    "dir": "PIPECTL_RUN_DIR",
}


def in_script(script: Part) -> Iterator[Problem]:
    """Our expressions in a shell script."""
    return _pasted(script, _shell_name)


def in_python(code: Part) -> Iterator[Problem]:
    """Our expressions in Python code."""
    return _pasted(code, _python_name)


def _pasted(code: Part, variable_of: Callable[[list[str]], str]) -> Iterator[Problem]:
    """Expressions in code that is never templated: each with the name by which the value is there."""
    for found in _OURS.finditer(code.value):
        path = re.split(r"[.\[\]'\"]+", found["path"].rstrip(".-"))
        hint = variable_of([step for step in path if step])
        message = f"`{{{{ {found['path']} }}}}` in code: values are never pasted into it"
        yield code.problem(message, hint, offset=found.start())


def _by_env(path: list[str], use: str) -> str:
    name = re.sub(r"\W", "_", path[1] if len(path) > 1 else path[0]).upper()
    expression = path[0] + "".join(f".{s}" if re.fullmatch(r"\w+", s) else f"['{s}']" for s in path[1:])
    return f'write `env: {{{name}: "{{{{ {expression} }}}}"}}` and {use % name}'


def _shell_name(path: list[str]) -> str:
    if path[0] == "params" and len(path) == 2:
        return f'write `"${param_variable(path[1])}"`'
    if path[0] == "env" and len(path) == 2:
        return f'write `"${path[1]}"`'
    if path[0] == "run" and len(path) == 2 and path[1] in _RUN_VARIABLES:
        return f'write `"${_RUN_VARIABLES[path[1]]}"`'
    if path == ["pipeline", "name"]:
        return 'write `"$PIPECTL_PIPELINE"`'
    if path[0] == "inputs" and len(path) == 1:
        return 'they are in the JSON file `"$PIPECTL_INPUTS"`'
    if path[0] in ("item", "index", "outer", "connections"):
        return f"`{path[0]}` is not supported by this version of pipectl"
    return _by_env(path, '`"$%s"`')


def _python_name(path: list[str]) -> str:
    if path[0] in ("params", "vars", "inputs", "run") and len(path) > 1:
        return f"write `{path[0]}" + "".join(f'["{step}"]' for step in path[1:]) + "`"
    if path[0] == "inputs":
        return "write `inputs`"
    if path[0] == "tasks" and len(path) > 2 and path[2] == "output":
        return f'write `inputs["{path[1]}"]' + "".join(f'["{step}"]' for step in path[3:]) + "`"
    if path[0] == "env" and len(path) == 2:
        return f'write `os.environ["{path[1]}"]`'
    if path[0] in ("item", "index", "outer", "connections"):
        return f"`{path[0]}` is not supported by this version of pipectl"
    return _by_env(path, '`os.environ["%s"]`')


_SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "su"}
_CODE_AFTER = {
    **dict.fromkeys(_SHELLS, "c"),
    **dict.fromkeys(("python", "psql", "sqlcmd"), "c"),
    **dict.fromkeys(("perl", "ruby", "lua", "Rscript", "R", "mysql", "mariadb", "awk", "sed", "julia", "elixir"), "e"),
    **dict.fromkeys(("node", "bun", "deno"), "ep"),
    "php": "r",
}
_WITH_VALUE = re.compile(r"[-+][oO]|-[WXIr]|--rcfile|--init-file")
_SSH_WITH_VALUE = re.compile(r"-[bcDEeFIiJLlmOopQRSWw]")


def in_arguments(argv: Part) -> Iterator[Problem]:
    """Expressions in what an interpreter in an argument vector, or a remote shell, takes for code."""
    elements = list(argv.entries())
    for index, element in enumerate(elements):
        program = PurePath(argument(element.value)).name
        if program == "ssh":
            hint = 'send it by standard input: a script with `printf %s "$PARAM_NAME" | ssh HOST …`'
            yield from _refuse(_after_host(elements[index + 1 :]), "the command of `ssh`", hint)
            return
        flags = _CODE_AFTER.get(re.sub(r"[\d.]+$", "", program))
        if flags:
            hint = "pass it as a further argument: the code sees `$1`, or `sys.argv[1]`"
            yield from _refuse(_code(elements[index + 1 :], flags), f"the code that `{program}` runs", hint)


def _code(elements: list[Part], flags: str) -> list[Part]:
    """The elements that are code: what follows `-c` (or `-e`), or hangs on it."""
    option = re.compile(rf"-[A-Za-z]*[{flags}]")
    joined = re.compile(rf"-[{flags}].+", re.DOTALL)
    takes_value = False
    for index, element in enumerate(elements):
        text = argument(element.value)
        if takes_value:
            takes_value = False
        elif option.fullmatch(text) or text in ("--command", "--eval", "--execute"):
            return elements[index + 1 : index + 2]
        elif joined.fullmatch(text):
            return [element]
        elif not text.startswith(("-", "+")):
            return []
        else:
            takes_value = bool(_WITH_VALUE.fullmatch(text))
    return []


def _after_host(elements: list[Part]) -> list[Part]:
    takes_value = False
    for index, element in enumerate(elements):
        text = argument(element.value)
        if takes_value:
            takes_value = False
        elif text.startswith("-"):
            takes_value = bool(_SSH_WITH_VALUE.fullmatch(text))
        else:
            return elements[index + 1 :]
    return []


def _refuse(elements: list[Part], what: str, hint: str) -> Iterator[Problem]:
    for element in elements:
        if isinstance(element.value, str) and has_expression(element.value):
            offset = element.value.find("{{")
            yield element.problem(
                f"an expression in {what}: values are never pasted into code", hint, offset=max(offset, 0)
            )
