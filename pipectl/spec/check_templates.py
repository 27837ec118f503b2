"""The names in expressions, wherever a file may hold one: what cannot exist at run time is found before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from pipectl.errors import Problem
from pipectl.spec.check_graph import Graph
from pipectl.spec.declaration import Declaration
from pipectl.spec.source import Part
from pipectl.spec.words import did_you_mean
from pipectl.template import Reference, TemplateError, has_expression, references

_RUN = ("id", "logical_time", "date", "interval_start", "interval_end", "cause", "dir", "is_latest")
_PIPELINE = ("name", "dir")
_OF_TASK = ("output", "state", "exit_code", "error")
_BASE = frozenset({"params", "vars", "env", "run", "pipeline"})
_IN_TASK = _BASE | {"tasks", "inputs"}
_NEED_CONSTANT_NAME = frozenset({"tasks", "secrets", "env"})
_FOREACH = frozenset({"item", "index", "outer"})


@dataclass(frozen=True, slots=True)
class _Scope:
    """Which names an expression sees. `where` names the place in messages.

    `task` is the task that it belongs to, `constant` the one of `vars` that it computes.
    """

    names: frozenset[str]
    where: str
    task: str | None = None
    constant: str | None = None


class TemplateCheck:
    """Checks the expressions of one declaration."""

    def __init__(self, declaration: Declaration, graph: Graph) -> None:
        self._declaration = declaration
        self._graph = graph
        self._references = cache(references)  # tasks written by a program repeat their texts

    def problems(self) -> Iterator[Problem]:
        """Every name that cannot be there, and every expression that cannot be read."""
        yield from self._vars()
        scope = _Scope(_BASE | {"secrets"}, "the pipeline's `env`")
        for part in self._declaration.env.values():
            yield from self._texts(part, scope)
        yield from self._defaults()
        yield from self._constants()
        for name, task in self._declaration.tasks.items():
            yield from self._task(name, task)

    def _vars(self) -> Iterator[Problem]:
        for name, part in self._declaration.vars.items():
            yield from self._texts(part, _Scope(_BASE, "`vars`", constant=name))

    def _defaults(self) -> Iterator[Problem]:
        defaults = self._declaration.defaults
        for key, part in ((key, part) for key, parts in defaults.items() for part in parts):
            if key in ("when", "allow_failure", "expect"):
                names = _BASE | {"output"} if key == "expect" else _BASE
                yield from self._expressions(part, _Scope(names, f"`defaults.{key}`"))
            elif key in ("env", "cwd"):
                names = _BASE | {"secrets"} if key == "env" else _BASE
                yield from self._texts(part, _Scope(names, f"`defaults.{key}`"))
            elif key in ("shell", "python"):
                yield from self._constant_texts(part)

    def _constants(self) -> Iterator[Problem]:
        env_file = self._declaration.top.get("env_file")
        for part in (env_file, *self._declaration.secrets.values()):
            if part is not None:
                yield from self._constant_texts(part)

    def _task(self, name: str, task: Part) -> Iterator[Problem]:
        inside = _Scope(_IN_TASK, "", name)
        for key, part in task.items():
            if key in ("when", "allow_failure"):
                yield from self._expressions(part, _Scope(_IN_TASK, f"`{key}`", name))
            elif key == "expect":
                yield from self._expressions(part, _Scope(_IN_TASK | {"output"}, "`expect`", name))
            elif key == "env":
                yield from self._texts(part, _Scope(_IN_TASK | {"secrets"}, "`env`", name))
            elif key == "cwd":
                yield from self._texts(part, inside)
            elif key in ("shell", "python"):
                yield from self._body(part, inside)

    def _body(self, body: Part, scope: _Scope) -> Iterator[Problem]:
        if isinstance(body.value, list):
            yield from self._texts(body, scope)
        for key, part in body.items():
            if key in ("argv", "with", "args"):
                yield from self._texts(part, scope)
            elif key not in ("script", "code") or (key == "script" and body.path[-1] == "python"):
                yield from self._constant_texts(part)

    def _constant_texts(self, part: Part) -> Iterator[Problem]:
        for text in part.texts():
            if "{{" in text.value:
                key = next(step for step in reversed(text.path) if isinstance(step, str))
                yield text.problem(
                    f"`{key}` must be constant: expressions are not computed here", "write the value itself"
                )

    def _texts(self, part: Part, scope: _Scope) -> Iterator[Problem]:
        for text in part.texts():
            if has_expression(text.value):
                yield from self._check(text, scope, expression=False)

    def _expressions(self, part: Part, scope: _Scope) -> Iterator[Problem]:
        for text in part.texts():
            yield from self._check(text, scope, expression=True)

    def _check(self, text: Part, scope: _Scope, *, expression: bool) -> Iterator[Problem]:
        try:
            found = self._references(text.value, expression=expression)
        except TemplateError as error:
            yield text.problem(error.message, error.hint, offset=error.offset)
            return
        for reference in found:
            if wrong := self._dash(reference) or self._wrong(reference, scope):
                yield text.problem(*wrong, offset=reference.offset)
                if reference.minus:
                    return  # what is subtracted is the rest of the name

    def _dash(self, reference: Reference) -> tuple[str, str] | None:
        known = self._known(reference.path[0])
        if not reference.minus or len(reference.path) < 2 or reference.path[1] in known:
            return None
        section = reference.path[0]
        message = f"`{section}.{reference.minus}` is a subtraction"
        return message, f"a name with a dash is written `{section}['{reference.minus}']`"

    def _known(self, section: str) -> Mapping[str, object]:
        named = {"params": "params", "vars": "vars", "secrets": "secrets", "tasks": "tasks", "inputs": "tasks"}
        known: Mapping[str, object] = getattr(self._declaration, named[section]) if section in named else {}
        return known

    def _wrong(self, reference: Reference, scope: _Scope) -> tuple[str, str] | None:
        name = reference.path[0]
        if name not in scope.names:
            return self._not_here(reference, scope)
        if name in _NEED_CONSTANT_NAME and len(reference.path) == 1:
            return f"after `{name}` comes a constant name", f"write `{name}.NAME`"
        if len(reference.path) == 1:
            return None
        return _CHECKS[name](self, reference, scope) if name in _CHECKS else None

    def _not_here(self, reference: Reference, scope: _Scope) -> tuple[str, str]:
        name = reference.path[0]
        if name in _FOREACH:
            return f"`{name}` is known in a task with `foreach`, which this version of pipectl does not support", ""
        if name == "connections":
            return "`connections` is not supported by this version of pipectl", ""
        if name == "secrets":
            secret = reference.path[1] if len(reference.path) > 1 else "NAME"
            hint = f'write `env: {{{secret}: "{{{{ secrets.{secret} }}}}"}}` and use the variable'
            return "a secret may stand in `env` only, where it cannot be seen", hint
        if name == "output":
            return "`output` is known in `expect` only", "another task's is `tasks.NAME.output`"
        if name in _IN_TASK:
            if scope.where == "`vars`":
                return f"`{name}` is not known in `vars`, which are computed before any task runs", ""
            return f"`{name}` is not known in {scope.where}, which holds for every task", "write it in the task itself"
        return f"`{name}` is not defined", self._suggest(name, scope)

    def _suggest(self, name: str, scope: _Scope) -> str:
        for section in ("params", "vars"):
            if name in getattr(self._declaration, section):
                return f"write `{section}.{name}`"
        if name in self._declaration.tasks and "tasks" in scope.names:
            return f"write `tasks.{name}.output`"
        return did_you_mean(name, scope.names) or f"a text is written `'{name}'`"

    def _declared(self, reference: Reference, scope: _Scope) -> tuple[str, str] | None:
        section, name = reference.path[:2]
        known = self._known(section)
        if name in known:
            return None
        kind = {"params": "parameter", "secrets": "secret", "vars": "constant"}[section]
        short = f"[{name}]" if section == "secrets" else f"{{{name}: …}}"
        return f"{kind} `{name}` is not declared", did_you_mean(name, known) or f"declare it: `{section}: {short}`"

    def _var(self, reference: Reference, scope: _Scope) -> tuple[str, str] | None:
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

    def _attribute(self, reference: Reference, scope: _Scope) -> tuple[str, str] | None:
        section, name = reference.path[:2]
        known = _RUN if section == "run" else _PIPELINE
        if name in known:
            return None
        hint = did_you_mean(name, known) or "it has " + ", ".join(f"`{one}`" for one in known)
        return f"`{section}` has no `{name}`", hint

    def _input(self, reference: Reference, scope: _Scope) -> tuple[str, str] | None:
        task, name = scope.task or "", reference.path[1]
        if name in self._graph.needs.get(task, ()):
            return None
        if name not in self._declaration.tasks:
            return f"task `{name}` is not defined", did_you_mean(name, self._graph.needs.get(task, ()))
        if self._graph.is_upstream(task, name):
            return f"`inputs` holds direct upstreams, and `{name}` is none", f"write `tasks.{name}.output`"
        return self._not_upstream(task, name)

    def _task_value(self, reference: Reference, scope: _Scope) -> tuple[str, str] | None:
        task, name = scope.task or "", reference.path[1]
        if name not in self._declaration.tasks:
            return f"task `{name}` is not defined", did_you_mean(name, self._declaration.tasks)
        written = f"tasks.{name}" if name.isidentifier() else f"tasks['{name}']"
        if len(reference.path) == 2:
            return f"`{written}` is no value", f"write `{written}.output`"
        if reference.path[2] not in _OF_TASK:
            hint = did_you_mean(reference.path[2], _OF_TASK) or f"write `{written}.output.{reference.path[2]}`"
            return f"`{written}` has no `{reference.path[2]}`", hint
        if name == task:
            return f"task `{task}` uses its own `{reference.path[2]}`", "in `expect` its output is `output`"
        if name not in self._graph.needs.get(task, ()) and not self._graph.is_upstream(task, name):
            return self._not_upstream(task, name)
        return None

    def _not_upstream(self, task: str, name: str) -> tuple[str, str]:
        part = self._declaration.tasks[task].get("needs")
        written = [entry.value for entry in part.entries()] if part else self._graph.needs.get(task, ())
        needs = ["'*'" if one == "*" else one for one in (*written, name)]
        hint = f"needs: {name}" if len(needs) == 1 else f"needs: [{', '.join(needs)}]"
        return f"task `{task}` uses `{name}` and does not need it", f"add it to `needs`: `{hint}`"


_CHECKS = {
    "params": TemplateCheck._declared,
    "secrets": TemplateCheck._declared,
    "vars": TemplateCheck._var,
    "run": TemplateCheck._attribute,
    "pipeline": TemplateCheck._attribute,
    "inputs": TemplateCheck._input,
    "tasks": TemplateCheck._task_value,
}
