"""Computes expressions: a text with names becomes a value."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template, nodes
from jinja2.visitor import NodeTransformer

from pipectl.template.environment import CONCAT, Sandbox
from pipectl.template.explain import explain
from pipectl.template.limits import TIME_LIMIT, Budget, TooSlow, allow, within
from pipectl.template.syntax import nested_too_deeply, parse
from pipectl.template.text import Expression, single, split
from pipectl.template.values import Computed, to_json, written

_RESULT = "result"
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class _Compiled:
    expression: Expression
    code: Template
    filter: str


class Evaluator:
    """Computes texts for one folder; what was compiled is kept for a while."""

    def __init__(self, folder: str) -> None:
        self._sandbox = Sandbox(folder)
        self._parts = lru_cache(_KEPT)(self._compile_parts)
        self._condition = lru_cache(_KEPT)(self._compile_condition)

    def render(self, text: str, names: Mapping[str, Any]) -> Any:
        """See `Renderer.render`."""
        parts = self._parts(text)
        if len(parts) == 1 and isinstance(parts[0], _Compiled):
            return self._compute(parts[0], names)
        texts = [part if isinstance(part, str) else written(self._compute(part, names)) for part in parts]
        allow(sum(map(len, texts)))
        return "".join(texts)

    def parts(self, text: str, names: Mapping[str, Any], filters: Collection[str]) -> list[str | Computed]:
        """See `Renderer.parts`."""
        return [
            part if isinstance(part, str) else Computed(self._compute(part, names), part.filter)
            for part in self._parts(text, tuple(filters))
        ]

    def evaluate(self, text: str, names: Mapping[str, Any]) -> Any:
        """See `Renderer.evaluate`."""
        return self._compute(self._condition(text), names)

    def _compile_parts(self, text: str, filters: tuple[str, ...] = ()) -> tuple[str | _Compiled, ...]:
        return tuple(self._compile(part, filters) if isinstance(part, Expression) else part for part in split(text))

    def _compile_condition(self, text: str) -> _Compiled:
        return self._compile(single(text))

    def _compile(self, expression: Expression, filters: tuple[str, ...] = ()) -> _Compiled:
        try:
            parsed, closed_by = parse(self._sandbox, expression, filters)
            tree = _Concatenations().visit(parsed)
            tree.set_environment(self._sandbox)
            body: list[nodes.Node] = [nodes.Assign(nodes.Name(_RESULT, "store"), tree, lineno=1)]
            return _Compiled(expression, self._sandbox.from_string(nodes.Template(body, lineno=1)), closed_by)
        except (RecursionError, MemoryError, SyntaxError):  # Python's own parser gives up by any of these
            raise nested_too_deeply(expression) from None

    def _compute(self, compiled: _Compiled, names: Mapping[str, Any]) -> Any:
        self._sandbox.budget = Budget()
        try:
            return within(TIME_LIMIT, lambda: self._run(compiled.code, names))
        except (Exception, TooSlow) as error:  # noqa: BLE001  # an expression can raise whatever Python can
            raise explain(error, compiled.expression, names) from None

    def _run(self, code: Template, names: Mapping[str, Any]) -> Any:
        context = code.new_context(dict(names))
        deque(code.root_render_func(context), maxlen=0)
        return to_json(context.vars[_RESULT])


class _Concatenations(NodeTransformer):
    """Makes a filter of `~`, so that it is counted as all others, and writes values as `render` does."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802  # Jinja2 calls it so
        self.generic_visit(node)
        values = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(values, CONCAT, [], [], None, None, lineno=node.lineno)
