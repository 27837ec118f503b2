"""The names in expressions: what each place may use, and which of them cannot be there at run time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipectl.spec.check_graph import Graph
from pipectl.spec.check_items import ITEM_NAMES, Frames, wrong_item
from pipectl.spec.check_task_names import TaskNames, Wrong, spelt
from pipectl.spec.declaration import Declaration
from pipectl.spec.words import did_you_mean
from pipectl.template import Reference

BASE = frozenset({"params", "vars", "env", "run", "pipeline"})
IN_TASK = BASE | {"tasks", "inputs"}
HIDDEN = frozenset({"secrets", "connections"})
"""What may go only where it cannot be seen."""

_RUN = ("id", "logical_time", "date", "interval_start", "interval_end", "cause", "dir", "is_latest")
_PIPELINE = ("name", "dir")
_OF_CONNECTION = ("url", "host", "port", "user", "password", "database")
_NEED_CONSTANT_NAME = frozenset({"tasks", "secrets", "connections", "env"})
_DECLARED = frozenset({"params", "vars", "secrets", "connections"})


@dataclass(frozen=True, slots=True)
class Scope:
    """Which names an expression sees. `where` names the place in messages.

    `task` is the task that it belongs to, by its path; `frames` what it is repeated for. `constant` is the one of
    `vars` that it computes. With `renders_env` a variable of the environment is used as an expression.
    """

    names: frozenset[str]
    where: str
    task: str | None = None
    constant: str | None = None
    renders_env: bool = False
    frames: Frames = ()


class NameCheck:
    """Checks the names that the expressions of one declaration use."""

    def __init__(self, declaration: Declaration, graph: Graph) -> None:
        self._declaration = declaration
        self._tasks = TaskNames(declaration, graph)

    def wrong(self, reference: Reference, scope: Scope) -> Wrong | None:
        """What is wrong with the use of a name, if anything is."""
        return self._dash(reference, scope) or self._wrong(reference, scope)

    def _dash(self, reference: Reference, scope: Scope) -> Wrong | None:
        known = self._known(reference.path[0], scope)
        if not reference.minus or len(reference.path) < 2 or reference.path[1] in known:
            return None
        section = reference.path[0]
        message = f"`{section}.{reference.minus}` is a subtraction"
        return message, f"a name with a dash is written `{section}['{reference.minus}']`"

    def _known(self, section: str, scope: Scope) -> Mapping[str, object]:
        if section in ("tasks", "inputs"):
            return self._declaration.visible(scope.task or "")
        known: Mapping[str, object] = getattr(self._declaration, section) if section in _DECLARED else {}
        return known

    def _wrong(self, reference: Reference, scope: Scope) -> Wrong | None:
        name = reference.path[0]
        if name not in scope.names:
            return self._not_here(reference, scope)
        if name in _NEED_CONSTANT_NAME and len(reference.path) == 1:
            return f"after `{name}` comes a constant name", f"write `{name}.NAME`"
        if name in ITEM_NAMES:
            return wrong_item(reference.path, scope.frames)
        if len(reference.path) == 1:
            return None
        return _CHECKS[name](self, reference, scope) if name in _CHECKS else None

    def _not_here(self, reference: Reference, scope: Scope) -> Wrong:
        name = reference.path[0]
        if name in ITEM_NAMES and scope.task is not None:
            return _no_item(name, scope)
        if name in HIDDEN:
            return self._hidden(reference, scope)
        if name == "output":
            return "`output` is known in `expect` only", "another task's is `tasks.NAME.output`"
        if name in IN_TASK | ITEM_NAMES:
            if scope.where == "`vars`":
                return f"`{name}` is not known in `vars`, which are computed before any task runs", ""
            return f"`{name}` is not known in {scope.where}, which holds for every task", "write it in the task itself"
        return f"`{name}` is not defined", self._suggest(name, scope)

    def _hidden(self, reference: Reference, scope: Scope) -> Wrong:
        if scope.where == "`connections`":
            return "a connection cannot use another", "write the value itself, or make it a constant in `vars`"
        what = "a secret" if reference.path[0] == "secrets" else "a part of a connection"
        message = f"{what} may stand in `env`, `connections`, `headers` and `auth` only, where it cannot be seen"
        if scope.where == "`params`":
            return message, "declare it in the file of the sub-pipeline, which has its own"
        path = reference.path if len(reference.path) > 1 else (*reference.path, "NAME")
        variable = re.sub(r"\W", "_", "_".join(path[1:]).upper() if path[0] == "connections" else path[1])
        used = f"`{{{{ env.{variable} }}}}`" if scope.renders_env else "use the variable"
        return message, f'write `env: {{{variable}: "{{{{ {spelt(path)} }}}}"}}` and {used}'

    def _suggest(self, name: str, scope: Scope) -> str:
        for section in ("params", "vars"):
            if name in getattr(self._declaration, section):
                return f"write `{section}.{name}`"
        if "tasks" in scope.names and self._declaration.named(name, scope.task or ""):
            return f"write `tasks.{name}.output`"
        return did_you_mean(name, scope.names) or f"a text is written `'{name}'`"

    def _declared(self, reference: Reference, scope: Scope) -> Wrong | None:
        section, name = reference.path[:2]
        known = self._known(section, scope)
        if name in known:
            return None
        kind = {"params": "parameter", "vars": "constant"}.get(section, section.removesuffix("s"))
        short = {"secrets": f"[{name}]", "connections": f"{{{name}: {{url: …}}}}"}.get(section, f"{{{name}: …}}")
        return f"{kind} `{name}` is not declared", did_you_mean(name, known) or f"declare it: `{section}: {short}`"

    def _var(self, reference: Reference, scope: Scope) -> Wrong | None:
        name, user = reference.path[1], scope.constant
        declared = self._declaration.vars
        if user is None or name not in declared or declared[name].source is not declared[user].source:
            return self._declared(reference, scope)
        if name == user:
            return f"constant `{name}` uses itself", "a constant may use those above it"
        lines = [declared[one].source.place(declared[one].path, key=True) for one in (name, user)]
        if lines[0] > lines[1]:
            return (
                f"constant `{user}` uses `{name}`, which stands below it",
                "a constant may use those above it: move it up",
            )
        return None

    def _variable(self, reference: Reference, scope: Scope) -> Wrong | None:
        """A variable of the pipeline's `env` in a connection; where it extends the caller's, that one may be meant."""
        name = reference.path[1]
        entry = self._declaration.env.get(name)
        if scope.where != "`connections`" or entry is None or entry.value is None:
            return None
        if any(re.search(rf"\benv\b.*\b{re.escape(name)}\b", text.value) for text in entry.texts()):
            return None
        message = "the pipeline's `env` is not known in `connections`, which see the caller's and `env_file`"
        return message, f"write `vars: {{{name}: …}}`, and `{{{{ {spelt(('vars', name))} }}}}` here"

    def _attribute(self, reference: Reference, scope: Scope) -> Wrong | None:
        section, name = reference.path[:2]
        known = _RUN if section == "run" else _PIPELINE
        if name in known:
            return None
        hint = did_you_mean(name, known) or "it has " + ", ".join(f"`{one}`" for one in known)
        return f"`{section}` has no `{name}`", hint

    def _connection(self, reference: Reference, scope: Scope) -> Wrong | None:
        if wrong := self._declared(reference, scope):
            return wrong
        written, rest = spelt(reference.path[:2]), reference.path[2:]
        if not rest:
            return f"`{written}` is no value", f"write `{written}.url`"
        if rest[0] in _OF_CONNECTION:
            return None
        known = ", ".join(f"`{one}`" for one in _OF_CONNECTION)
        return f"`{written}` has no `{rest[0]}`", did_you_mean(rest[0], _OF_CONNECTION) or f"it has {known}"

    def _input(self, reference: Reference, scope: Scope) -> Wrong | None:
        return self._tasks.wrong_input(reference.path, scope.task or "")

    def _task_value(self, reference: Reference, scope: Scope) -> Wrong | None:
        return self._tasks.wrong_task(reference.path, scope.task or "")


def _no_item(name: str, scope: Scope) -> Wrong:
    if name == "outer" and scope.frames:
        return "`outer` is known where one `foreach` is within another", "write `item`"
    if scope.where == "`foreach`":
        return f"`{name}` is what `foreach` itself makes, and is not known in it", ""
    return f"`{name}` is known in a task with `foreach` only", "add `foreach: […]` to the task"


_CHECKS = {
    "params": NameCheck._declared,
    "secrets": NameCheck._declared,
    "connections": NameCheck._connection,
    "vars": NameCheck._var,
    "env": NameCheck._variable,
    "run": NameCheck._attribute,
    "pipeline": NameCheck._attribute,
    "inputs": NameCheck._input,
    "tasks": NameCheck._task_value,
}
