"""Expressions in an argument vector where a program takes its argument for code: refused, as in scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from pipectl.errors import Problem
from pipectl.spec.bodies import argument
from pipectl.spec.source import Part
from pipectl.template import has_expression

_FURTHER = "pass it as a further argument: the code sees `$1`, or `sys.argv[1]`"
_STANDARD_INPUT = 'send it by standard input: a script with `printf %s "$PARAM_NAME" | ssh HOST …`'
_FILE_OF_SQL = "write `-v, 'name={{ … }}', -f, FILE.sql`, and `:'name'` in that file"
_BOUND = "run the statement from a `python` task, which can bind parameters"
_AWK_VARIABLE = "`awk` takes it apart from its code: `-v, 'name={{ … }}'`"
_FILE_OF_POWERSHELL = "write `-File, FILE.ps1, '{{ … }}'`"

_SSH_WITH_VALUE = re.compile(r"-[bcDEeFIiJLlmOopQRSWw]")


@dataclass(frozen=True, slots=True)
class _Syntax:
    """The options of a program, as far as they tell where its code stands.

    Code follows those of `code`, another value those of `value`; those of `joined` have theirs in the same argument.
    Options end at the first argument that is none, unless they may stand `anywhere`.
    """

    code: str
    value: str = ""
    joined: str = ""
    anywhere: bool = False
    hint: str = _FURTHER

    def kind(self, option: str) -> str:
        """`code`, `value` or `joined`; empty for an option that is followed by nothing."""
        return next((kind for kind in ("code", "value", "joined") if option in getattr(self, kind).split()), "")


_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"})
_PYTHON = _Syntax("-c", "-W -X")
_NODE = _Syntax("-e -p -pe --eval --print", "-r --require --import -C --conditions")
_MYSQL = _Syntax("-e --execute", "-u -h -P -D -S", "-p", anywhere=True, hint=_BOUND)
_SU = _Syntax("-c --command --session-command", "-s -g -G -w -u", anywhere=True)
_SYNTAX = {
    "fish": _Syntax("-c -C --command --init-command", "-d -D"),
    **dict.fromkeys(("su", "runuser"), _SU),
    **dict.fromkeys(("python", "pypy", "ipython"), _PYTHON),
    "perl": _Syntax("-e -E", "-I", "-M -m -F -i -x -C -D"),
    "ruby": _Syntax("-e", "-I -r -E -C", "-F -i -K -W -x"),
    **dict.fromkeys(("node", "nodejs", "bun"), _NODE),
    "deno": _Syntax("eval -e"),
    "php": _Syntax("-r -B -R -E --run", "-d -c -z"),
    **dict.fromkeys(("lua", "luajit"), _Syntax("-e", "-l")),
    **dict.fromkeys(("R", "Rscript"), _Syntax("-e", "-f -g")),
    "julia": _Syntax("-e -E --eval --print", "-L -J -C -t -p"),
    "elixir": _Syntax("-e --eval", "-r -pr -pa -pz"),
    **dict.fromkeys(("awk", "gawk", "mawk"), _Syntax("-e --source", "-F -v -f", hint=_AWK_VARIABLE)),
    "sed": _Syntax("-e --expression", "-f -l", "-i", anywhere=True, hint=_AWK_VARIABLE),
    "psql": _Syntax("-c --command", "-d -f -v -F -L -o -p -P -R -T -U -h", anywhere=True, hint=_FILE_OF_SQL),
    **dict.fromkeys(("mysql", "mariadb"), _MYSQL),
    "sqlcmd": _Syntax("-q -Q", "-S -U -P -d -i -o -v -h -s -w", anywhere=True, hint=_BOUND),
}


def in_arguments(argv: Part) -> Iterator[Problem]:
    """Expressions in what an interpreter in an argument vector, or a remote shell, takes for code."""
    elements = list(argv.entries())
    for index, element in enumerate(elements):
        program = PurePath(argument(element.value)).name
        code, hint = _code_of(re.sub(r"[\d.]+$", "", program), elements[index + 1 :])
        what = "the command of `ssh`" if program == "ssh" else f"the code that `{program}` runs"
        for part in code:
            if isinstance(part.value, str) and has_expression(part.value):
                message = f"an expression in {what}: values are never pasted into code"
                yield part.problem(message, hint, offset=max(part.value.find("{{"), 0))
        if program == "ssh":
            return  # what else is there runs elsewhere, and was told


def _code_of(program: str, arguments: list[Part]) -> tuple[list[Part], str]:
    """The arguments that a program takes for code, and how else a value gets there."""
    if program in _SYNTAX:
        return _after_options(arguments, _SYNTAX[program]), _SYNTAX[program].hint
    if program in _SHELLS:
        return _first_of_shell(arguments), _FURTHER
    if program == "ssh":
        return _after_host(arguments), _STANDARD_INPUT
    if program in ("pwsh", "powershell"):
        return _after_command(arguments), _FILE_OF_POWERSHELL
    return [], ""


def _after_options(arguments: list[Part], syntax: _Syntax) -> list[Part]:
    code: list[Part] = []
    awaited = ""
    for element in arguments:
        text = argument(element.value)
        if awaited:
            code += [element] if awaited == "code" else []
            awaited = ""
        elif text.startswith(("-", "+")) or syntax.kind(text):
            kind, has_value = _option(text, syntax)
            code += [element] if kind == "code" and has_value else []
            awaited = "" if has_value else kind
        elif not syntax.anywhere:
            break
    return code


def _option(text: str, syntax: _Syntax) -> tuple[str, bool]:
    """The kind of an option, and whether it holds its value; short ones may stand together, as in `-qe`."""
    name, equals, _ = text.partition("=")
    if text.startswith("--") or syntax.kind(text):
        return syntax.kind(name), bool(equals)
    for end, letter in enumerate(text[1:], 2):
        kind = syntax.kind(f"-{letter}")
        if kind or not letter.isalnum():
            return kind, end < len(text) or kind == "joined"
    return "", False


def _first_of_shell(arguments: list[Part]) -> list[Part]:
    """What a shell runs: its `-c` only says that the first argument that is no option is code."""
    is_code = takes_value = False
    for element in arguments:
        text = argument(element.value)
        if takes_value:
            takes_value = False
        elif not text.startswith(("-", "+")):
            return [element] if is_code else []
        elif text.startswith("--"):
            takes_value = text in ("--rcfile", "--init-file")
        else:
            is_code = is_code or "c" in text
            takes_value = text.endswith(("o", "O"))
    return []


def _after_host(arguments: list[Part]) -> list[Part]:
    takes_value = False
    for index, element in enumerate(arguments):
        text = argument(element.value)
        if takes_value:
            takes_value = False
        elif text.startswith("-"):
            takes_value = bool(_SSH_WITH_VALUE.fullmatch(text))
        else:
            return arguments[index + 1 :]
    return []


def _after_command(arguments: list[Part]) -> list[Part]:
    """All that follows `-Command`, which PowerShell joins."""
    for index, element in enumerate(arguments):
        text = argument(element.value).lower()
        if text in ("-c", "-command"):
            return arguments[index + 1 :]
        if text in ("-f", "-file") or text.endswith(".ps1"):
            break
    return []
