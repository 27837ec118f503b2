"""The expressions of a file, wherever it may hold one: what cannot exist at run time is found before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from pipectl.errors import Problem
from pipectl.spec.bodies import BODIES
from pipectl.spec.check_graph import Graph
from pipectl.spec.check_items import frames, names_of
from pipectl.spec.check_names import BASE, HIDDEN, IN_TASK, NameCheck, Scope
from pipectl.spec.declaration import Declaration
from pipectl.spec.nesting import has
from pipectl.spec.source import Part
from pipectl.spec.sql_files import sql_of
from pipectl.spec.waits import KINDS, long_form
from pipectl.template import SQL_FILTERS, TemplateError, has_expression, references

_RENDERED = {
    "shell": frozenset({"argv"}),
    "python": frozenset({"with", "args"}),
    "sql": frozenset({"load", "save"}),
    "http": frozenset({"url", "method", "query", "json", "form", "data", "body_file", "save", "verify"}),
}
_CODE = frozenset({("shell", "script"), ("python", "code"), ("sql", "query"), ("sql", "file")})
_OUT_OF_SIGHT = frozenset({"headers", "auth"})


class TemplateCheck:
    """Checks the expressions of one declaration."""

    def __init__(self, declaration: Declaration, graph: Graph) -> None:
        self._declaration = declaration
        self._names = NameCheck(declaration, graph)
        self._references = cache(references)  # tasks written by a program repeat their texts

    def problems(self) -> Iterator[Problem]:
        """Every name that cannot be there, and every expression that cannot be read."""
        yield from self._vars()
        scope = Scope(BASE | HIDDEN, "the pipeline's `env`")
        for part in self._declaration.env.values():
            yield from self._texts(part, scope)
        for part in self._declaration.connections.values():
            yield from self._texts(part, Scope(BASE | {"secrets"}, "`connections`"))
        yield from self._defaults()
        yield from self._constants()
        for name, task in self._declaration.tasks.items():
            yield from self._task(name, task)

    def _vars(self) -> Iterator[Problem]:
        for name, part in self._declaration.vars.items():
            yield from self._texts(part, Scope(BASE, "`vars`", constant=name))

    def _defaults(self) -> Iterator[Problem]:
        defaults = self._declaration.defaults
        for key, part in ((key, part) for key, parts in defaults.items() for part in parts):
            if key in ("when", "allow_failure", "expect"):
                names = BASE | {"output"} if key == "expect" else BASE
                yield from self._expressions(part, Scope(names, f"`defaults.{key}`"))
            elif key in ("env", "cwd", "cache"):
                names = BASE | HIDDEN if key == "env" else BASE
                yield from self._texts(part, Scope(names, f"`defaults.{key}`"))
            elif key in BODIES:
                yield from self._options(key, part, Scope(BASE, f"`defaults.{key}`", renders_env=key == "http"))

    def _constants(self) -> Iterator[Problem]:
        env_file = self._declaration.top.get("env_file")
        for part in (env_file, *self._declaration.secrets.values()):
            if part is not None:
                yield from self._constant_texts(part)

    def _task(self, name: str, task: Part) -> Iterator[Problem]:
        around_it = frames(name, self._declaration)
        inside = Scope(IN_TASK | names_of(around_it), "", name, frames=around_it)
        for key, part in task.items():
            if key == "key" and not has(task, "foreach"):
                continue  # and is told as such
            if key in ("when", "allow_failure", "key", "expect"):
                names = inside.names | {"output"} if key == "expect" else inside.names
                yield from self._expressions(part, replace(inside, names=names, where=f"`{key}`"))
            elif key in ("env", "cwd", "cache"):
                yield from self._texts(part, _of_surroundings(inside, key, task))
            elif key == "foreach":
                outside = frames(name, self._declaration, own=False)
                yield from self._texts(part, Scope(IN_TASK | names_of(outside), "`foreach`", name, frames=outside))
            else:
                yield from self._type(task, key, inside)

    def _type(self, task: Part, key: str, scope: Scope) -> Iterator[Problem]:
        if key in BODIES:
            yield from self._body(task, key, scope)
        elif key == "wait":
            yield from self._wait(long_form(task[key]), scope)
        elif key == "approve":
            yield from self._texts(task[key].get("question") or task[key], scope)
        elif key == "pipeline" and (params := task[key].get("params")) is not None:
            yield from self._texts(params, replace(scope, where="`params`"))

    def _wait(self, wait: Part, scope: Scope) -> Iterator[Problem]:
        for key, part in wait.items():
            if key == "expect":
                yield from self._expressions(part, replace(scope, names=scope.names | {"output"}, where="`expect`"))
            elif key in BODIES:
                yield from self._body(wait, key, scope)
            elif key in KINDS:
                yield from self._texts(part, scope)

    def _body(self, task: Part, kind: str, scope: Scope) -> Iterator[Problem]:
        scope = replace(scope, renders_env=kind in ("sql", "http"))
        body = task[kind]
        if isinstance(body.value, list) or (kind == "http" and isinstance(body.value, str)):
            yield from self._texts(body, scope)
        yield from self._options(kind, body, scope)
        if kind == "sql":
            yield from self._sql(task, scope)

    def _options(self, kind: str, body: Part, scope: Scope) -> Iterator[Problem]:
        for key, part in body.items():
            if key in _RENDERED[kind]:
                yield from self._texts(part, scope)
            elif kind == "http" and key in _OUT_OF_SIGHT:
                yield from self._texts(part, replace(scope, names=scope.names | HIDDEN))
            elif (kind, key) not in _CODE:
                yield from self._constant_texts(part)

    def _sql(self, task: Part, scope: Scope) -> Iterator[Problem]:
        if "render" in task["sql"].taken:
            return
        sql = sql_of(task["sql"], self._declaration)
        render = self._declaration.option(task, "sql", "render")
        if sql is None or not has_expression(sql.value) or (render is not None and not render.value):
            return
        from pipectl.spec.check_connections import dialect_of
        from pipectl.spec.check_sql_text import in_quotes

        problems, rest = in_quotes(sql, dialect_of(task, self._declaration))
        yield from problems
        yield from self._check(sql, scope, rest, filters=SQL_FILTERS)

    def _constant_texts(self, part: Part) -> Iterator[Problem]:
        for text in part.texts():
            if "{{" in text.value:
                key = next(step for step in reversed(text.path) if isinstance(step, str))
                yield text.problem(
                    f"`{key}` must be constant: expressions are not computed here", "write the value itself"
                )

    def _texts(self, part: Part, scope: Scope) -> Iterator[Problem]:
        for text in part.texts():
            if has_expression(text.value):
                yield from self._check(text, scope, text.value)

    def _expressions(self, part: Part, scope: Scope) -> Iterator[Problem]:
        for text in part.texts():
            yield from self._check(text, scope, text.value, expression=True)

    def _check(
        self, part: Part, scope: Scope, text: str, *, expression: bool = False, filters: tuple[str, ...] = ()
    ) -> Iterator[Problem]:
        """The problems of `text`, which stands at `part`, character by character."""
        try:
            found = self._references(text, expression=expression, filters=filters)
        except TemplateError as error:
            yield part.problem(error.message, error.hint, offset=error.offset)
            return
        for reference in found:
            if wrong := self._names.wrong(reference, scope):
                yield part.problem(*wrong, offset=reference.offset)
                if reference.minus:
                    return  # what is subtracted is the rest of the name


def _of_surroundings(scope: Scope, key: str, task: Part) -> Scope:
    """What `env`, `cwd` and `cache` see. The `cwd` of a group is computed for each of its tasks."""
    if key == "cwd" and "tasks" in task.value:
        return replace(scope, names=scope.names - {"inputs"}, where="the `cwd` of a group")
    return replace(scope, names=scope.names | HIDDEN if key == "env" else scope.names, where=f"`{key}`")
