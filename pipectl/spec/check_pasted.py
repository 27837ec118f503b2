"""Values pasted into code: refused wherever it can be seen, each with the name by which the value is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pipectl.errors import Problem
from pipectl.labels import is_reserved, item_variables, param_variable
from pipectl.spec.source import Part

_OURS = re.compile(
    r"\{\{-?\s*(?P<path>(?:(?:params|tasks|run|vars|env|secrets|connections|pipeline)(?=\s*[.\[])"
    r"|(?:item|inputs|outer|index(?!\s+[.$(\"`]))\b)[\w.\-\[\]'\"]*)"  # `{{index .Ports 0}}` is a Go template
)
_END = re.compile(r"\s*\}\}")
_RUN_VARIABLES = {
    "id": "PIPECTL_RUN_ID",
    "logical_time": "PIPECTL_LOGICAL_TIME",
    "date": "PIPECTL_DATE",
    "interval_start": "PIPECTL_INTERVAL_START",
    "interval_end": "PIPECTL_INTERVAL_END",
    "dir": "PIPECTL_RUN_DIR",
}


def expression_in(text: str) -> str:
    """The first of our expressions in a text, empty where there is none."""
    found = _OURS.search(text)
    return f"{{{{ {found['path']} }}}}" if found else ""


def in_script(script: Part) -> Iterator[Problem]:
    """Our expressions in a shell script."""
    return _pasted(script, _shell_name)


def in_python(code: Part) -> Iterator[Problem]:
    """Our expressions in Python code, but for single names: `{{item}}` is how an f-string writes `{item}`."""
    return _pasted(code, _python_name, alone=False)


def _pasted(code: Part, variable_of: Callable[[list[str]], str], *, alone: bool = True) -> Iterator[Problem]:
    """Expressions in code that is never templated: each with the name by which the value is there."""
    for found in _OURS.finditer(code.value):
        if not alone and found["path"].isidentifier() and _END.match(code.value, found.end()):
            continue
        path = re.split(r"[.\[\]'\"]+", found["path"].rstrip(".-"))
        hint = variable_of([step for step in path if step])
        message = f"`{{{{ {found['path']} }}}}` in code: values are never pasted into it"
        yield code.problem(message, hint, offset=found.start())


_IN_USE = re.compile(
    r"PATH|HOME|USER|SHELL|PWD|IFS|ENV|TERM|TZ|LANG|TMPDIR|UID|EUID|PPID|HOSTNAME|RANDOM|SECONDS|LINENO|OPT(ARG|IND)"
    r"|(BASH|PYTHON|LC_|LD_|PS\d).*"
)


def _by_env(path: list[str], use: str) -> str:
    called = path[1:] if path[0] == "connections" else path[1:2]
    name = re.sub(r"\W", "_", "_".join(called) or path[0]).upper()
    if _IN_USE.fullmatch(name) or is_reserved(name) or name[0].isdigit():
        name = f"{path[0]}_{name}".upper()
    expression = path[0] + "".join(f".{s}" if re.fullmatch(r"[^\W\d]\w*|\d+", s) else f"['{s}']" for s in path[1:])
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
    if path[0] == "item" and len(path) < 3:
        ((variable, _),) = item_variables({path[1]: None} if len(path) == 2 else None).items()
        return f'write `"${variable}"`'
    return _by_env(path, '`"$%s"`')


def _python_name(path: list[str]) -> str:
    if path[0] in ("item", "index", "outer"):
        return f"write `{path[0]}" + "".join(f'["{step}"]' for step in path[1:]) + "`"
    if path[0] in ("params", "vars", "inputs", "run") and len(path) > 1:
        return f"write `{path[0]}" + "".join(f'["{step}"]' for step in path[1:]) + "`"
    if path[0] == "inputs":
        return "write `inputs`"
    if path[0] == "tasks" and len(path) > 2 and path[2] == "output":
        return f'write `inputs["{path[1]}"]' + "".join(f'["{step}"]' for step in path[3:]) + "`"
    if path[0] == "env" and len(path) == 2:
        return f'write `os.environ["{path[1]}"]`'
    return _by_env(path, '`os.environ["%s"]`')
