"""Jinja2's sandbox, drawn tighter: attributes from a list, every value counted, places known to the character."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial, wraps
from inspect import signature
from typing import Any

from jinja2 import TemplateSyntaxError, UndefinedError
from jinja2.lexer import Lexer
from jinja2.runtime import Context, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from pipectl.template import files, growth
from pipectl.template.attributes import attribute
from pipectl.template.errors import TemplateError
from pipectl.template.filters import FILTERS, TESTS
from pipectl.template.limits import Budget
from pipectl.template.values import kind

CONCAT = "~"
"""The filter that the operator `~` becomes; no expression can spell it."""


class NotDefined(UndefinedError):
    """A name, key or element was used that is not there: `name`, looked up in `value`; None where it has none."""

    def __init__(self, value: Any, name: Any, message: str | None) -> None:
        super().__init__(message)
        self.value = value
        self.name = name if isinstance(name, str) else None


class _Absent(StrictUndefined):
    """What is not defined: fails when it is used, saying what it was."""

    __slots__ = ()

    def __init__(self, hint: str | None = None, obj: Any = missing, name: Any = None, exc: Any = None) -> None:
        fail: Any = partial(NotDefined, obj, name)
        super().__init__(hint, obj, name, exc or fail)


class _OffsetLexer(Lexer):
    """Counts characters where Jinja2 counts lines, so that every node and every fault knows its place."""

    def tokeniter(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> Iterator[tuple[int, str, str]]:
        offset = 0
        try:
            for _line, token, text in super().tokeniter(source, name, filename, state):
                yield offset, token, text
                offset += len(text)
        except TemplateSyntaxError as error:
            error.lineno = offset
            raise


class Sandbox(ImmutableSandboxedEnvironment):
    """Where expressions are read and computed. One evaluation at a time: its budget is `budget`."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, folder: str) -> None:
        # Not optimized: that would compute constants, `'a' * 10**9` among them, while compiling.
        super().__init__(undefined=_Absent, autoescape=False, optimized=False, cache_size=0)
        self.budget = Budget()
        filters: dict[str, Callable[..., Any]] = {**FILTERS, CONCAT: _concat}
        self.filters = {name: self._counted("filter", name, function) for name, function in filters.items()}
        self.tests = {name: self._counted("test", name, function) for name, function in TESTS.items()}
        self.globals = {"range": growth.numbers, "dict": dict, "null": None, **files.functions(folder)}
        self.binop_table |= {"*": growth.multiply, "**": growth.power, "%": growth.remainder}

    @cached_property
    def lexer(self) -> Lexer:
        """The lexer, whose lines are offsets."""
        return _OffsetLexer(self)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """What a dot gives: of a mapping its key, never a method; else an attribute that is on the list."""
        return self._key(obj, attribute) if isinstance(obj, Mapping) else self._attribute(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """What a subscript gives: a key, an element, or else what a dot would."""
        if isinstance(obj, Mapping) or not isinstance(argument, str):
            return self._key(obj, argument)
        return self._attribute(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The result of an operator that can grow, counted."""
        return self.budget.charge(super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a call, counted."""
        return self.budget.charge(super().call(context, obj, *args, **kwargs))

    def _key(self, value: Any, key: Any) -> Any:
        _must_be_defined(value)
        _must_be_defined(key)
        try:
            return value[key]
        except (TypeError, LookupError):
            return self.undefined(obj=value, name=str(key) if isinstance(key, (str, int)) else f"[{kind(key)}]")

    def _attribute(self, value: Any, name: Any) -> Any:
        _must_be_defined(value)
        _must_be_defined(name)
        try:
            return attribute(self, value, name)
        except AttributeError:
            return self.undefined(obj=value, name=name)

    def _counted(self, what: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            try:
                return self.budget.charge(function(*args, **kwargs))
            except TypeError:
                _check_arguments(f"the {what} `{name}`", function, args, kwargs)
                raise

        return counted


def _check_arguments(what: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    try:
        signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise TemplateError(f"{what} does not take these arguments: {error}") from None
    except ValueError:  # a built-in function without a signature
        pass


def _must_be_defined(value: Any) -> None:
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()


def _concat(values: list[Any]) -> str:
    return growth.join("", values)
