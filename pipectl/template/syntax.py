"""Reads expressions without computing them: their syntax, their filters and tests, and the names they use."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from jinja2 import TemplateSyntaxError, nodes
from jinja2.parser import Parser

from pipectl.template.environment import Sandbox
from pipectl.template.errors import TemplateError, near
from pipectl.template.references import Reference
from pipectl.template.text import LONGEST, Expression
from pipectl.template.values import SQL_FILTERS

OWN_NAMES = frozenset({"range", "dict", "null", "exists", "glob", "lines"})

_DASHED = re.compile(r"\b(\w+)\.(\w+(?:-\w+)+)")

_HINTS = {
    "&": "write `and`",
    "!": "write `not`",
    "?": "write `b if a else c` for `a ? b : c`",
    "$": "names stand without `$`",
    "=": "write `==` to compare",
    "|": "write `or`",
}


@lru_cache(maxsize=1)
def _sandbox() -> Sandbox:
    return Sandbox("")


def references_of(expression: Expression, closing: Collection[str] = ()) -> list[Reference]:
    """The names that the expression uses, in the order in which they stand; raises TemplateError for any fault."""
    sandbox = _sandbox()
    try:
        found = [*_visit(parse(sandbox, expression, closing)[0], expression.offset)]
    except RecursionError:
        raise nested_too_deeply(expression) from None
    return sorted(found, key=lambda reference: reference.offset)


def parse(sandbox: Sandbox, expression: Expression, closing: Collection[str] = ()) -> tuple[nodes.Expr, str]:
    """The syntax tree, in which every `lineno` is an offset in the source, and the filter of `closing` that ends it.

    That filter is no part of the tree. Raises TemplateError for what cannot be read, and for filters and tests that do
    not exist.
    """
    source = expression.source
    if len(source) > LONGEST:
        raise TemplateError(f"an expression has at most {LONGEST:,} characters", expression.offset)
    try:
        parser = Parser(sandbox, source, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            got = source[parser.stream.current.lineno :].split(maxsplit=1)[0]
            raise TemplateSyntaxError(f"unexpected `{got[:20]}`", parser.stream.current.lineno)
        tree, closed_by = _without_closing(tree, closing)
        _check(sandbox, tree, expression.offset, closing)
    except TemplateSyntaxError as error:
        raise _syntax_error(expression, error) from None
    except RecursionError:
        raise nested_too_deeply(expression) from None
    except TemplateError:
        raise
    except ValueError as error:  # a number of more digits than Python reads
        raise TemplateError("the expression cannot be read: a number is too long", expression.offset) from error
    return tree, closed_by


def _without_closing(tree: nodes.Expr, closing: Collection[str]) -> tuple[nodes.Expr, str]:
    if isinstance(tree, nodes.Filter) and tree.name in closing and tree.node and not (tree.args or tree.kwargs):
        return tree.node, tree.name
    return tree, ""


def nested_too_deeply(expression: Expression) -> TemplateError:
    """The error of an expression that Python cannot follow down."""
    return TemplateError("the expression is nested too deeply", expression.offset)


def _syntax_error(expression: Expression, error: TemplateSyntaxError) -> TemplateError:
    source, offset = expression.source, error.lineno
    message = re.sub("'?end of (?:template|print statement)'?", "end", error.message or "").rstrip(".")
    message = re.sub(r"unexpected char '?\"?(.*?)\"?'? at \d+", r"unexpected `\1`", message).replace("token ", "")
    message = re.sub("'([^']*)'", r"`\1`", message)
    dashed = _DASHED.search(source)
    hint = f"write `{dashed[1]}['{dashed[2]}']`" if dashed else _HINTS.get(source[offset : offset + 1], "")
    lowered = message[:1].lower() + message[1:]
    return TemplateError(f"the expression cannot be read: {lowered}", expression.offset + offset, hint)


def _check(sandbox: Sandbox, tree: nodes.Expr, start: int, closing: Collection[str]) -> None:
    for node in _all(tree):
        if isinstance(node, nodes.Filter):
            _check_known("filter", node.name, (*sandbox.filters, *closing), start + node.lineno)
            _check_mapped(sandbox, node, start)
        elif isinstance(node, nodes.Test):
            _check_known("test", node.name, sandbox.tests, start + node.lineno)
        elif isinstance(node, nodes.CondExpr) and node.expr2 is None:
            raise TemplateError("an `if` in an expression needs an `else`", start + node.lineno, "add `else null`")


def _check_known(what: str, name: str, known: Collection[str], offset: int) -> None:
    if what == "filter" and name in SQL_FILTERS:
        raise TemplateError(f"the filter `{name}` is for SQL, where it ends an expression", offset)
    if name not in known:
        words = [word for word in known if word.isidentifier()]
        raise TemplateError(f"there is no {what} `{name}`", offset, near(name, words))


def _check_mapped(sandbox: Sandbox, node: nodes.Filter, start: int) -> None:
    """Checks the filter or test that `map`, `select` and their like are given by its name."""
    position = 1 if node.name in {"selectattr", "rejectattr"} else 0
    given = node.args[position] if len(node.args) > position else None
    if not isinstance(given, nodes.Const) or not isinstance(given.value, str):
        return
    if node.name == "map":
        _check_known("filter", given.value, sandbox.filters, start + given.lineno)
    elif node.name in {"select", "reject", "selectattr", "rejectattr"}:
        _check_known("test", given.value, sandbox.tests, start + given.lineno)


def _all(tree: nodes.Node) -> Iterator[nodes.Node]:
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.iter_child_nodes())


def _visit(node: nodes.Node, start: int, dashes: str = "") -> Iterator[Reference]:
    base, steps, computed = _unfold(node)
    if isinstance(base, nodes.Name):
        if base.name not in OWN_NAMES:
            path = (base.name, *steps)
            yield Reference(path, start + base.lineno, bool(computed), path[-1] + dashes if dashes else "")
        children: list[nodes.Node] = computed
    elif isinstance(node, nodes.Sub):
        word = _first_word(node.right)
        rest = dashes if isinstance(node.right, (nodes.Name, nodes.Const)) else ""
        yield from _visit(node.left, start, f"-{word}{rest}" if word else "")
        children = [node.right]
    else:
        children = list(node.iter_child_nodes())
    for child in children:
        yield from _visit(child, start)


def _unfold(node: nodes.Node) -> tuple[nodes.Node, list[str], list[nodes.Node]]:
    """What stands before the dots and subscripts, the constant steps after it, and the subscripts to compute."""
    chain: list[nodes.Getattr | nodes.Getitem] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        chain.append(node)
        node = node.node
    steps: list[str] = []
    computed: list[nodes.Node] = []
    for step in reversed(chain):
        if isinstance(step, nodes.Getattr):
            key: object = step.attr
        elif isinstance(step.arg, nodes.Const):
            key = step.arg.value
        elif isinstance(step.arg, nodes.Neg) and isinstance(step.arg.node, nodes.Const):
            key = f"-{step.arg.node.value}"
        else:
            computed.append(step.arg)
            continue
        if not computed:
            steps.append(str(key))
    return node, steps, computed


def _first_word(node: nodes.Node | None) -> str:
    """The name or number that the source of the expression begins with, or nothing."""
    while node is not None:
        if isinstance(node, nodes.Name):
            return node.name
        if isinstance(node, nodes.Const):
            return str(node.value) if type(node.value) is int else ""
        node = next(
            (getattr(node, part) for part in ("node", "left", "expr", "expr1") if hasattr(node, part)),
            None,
        )
    return ""
