"""What the engine renders with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipectl.template.errors import TemplateError, shorten
from pipectl.template.text import has_expression
from pipectl.template.values import Computed, kind

if TYPE_CHECKING:
    from pipectl.template.render import Evaluator


class Renderer:
    """Puts values in place of expressions; paths in them are relative to `folder`.

    All methods raise TemplateError for whatever goes wrong in an expression, and bound its size and time (the time
    only in the main thread). What they give is plain JSON, times being ISO 8601 text. For one thread at a time.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def render(self, text: str, names: Mapping[str, Any]) -> Any:
        """The text with each expression's value in its place; the value itself where the text is one expression.

        In between other text, text stands as it is and everything else as JSON. What a value holds is not rendered.
        """
        return self._evaluator.render(text, names) if has_expression(text) else text

    def parts(self, text: str, names: Mapping[str, Any], filters: Collection[str] = ()) -> list[str | Computed]:
        """The text outside of the braces as it stands, and in between what each expression came to.

        An expression may end in one of `filters`: its value is then what stands before that, and it says so.
        """
        return self._evaluator.parts(text, names, filters) if has_expression(text) else [text]

    def render_tree(self, value: Any, names: Mapping[str, Any]) -> Any:
        """A copy of the value with all texts in its lists and mappings rendered; keys stay."""
        if isinstance(value, str):
            return self.render(value, names)
        if isinstance(value, Mapping):
            return {key: self.render_tree(item, names) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.render_tree(item, names) for item in value]
        return value

    def evaluate(self, text: str, names: Mapping[str, Any]) -> Any:
        """The value of one expression, whose braces may be left out."""
        return self._evaluator.evaluate(text, names)

    def truth(self, condition: str | bool, names: Mapping[str, Any]) -> bool:
        """Whether the condition holds; TemplateError where it gives neither true nor false."""
        if isinstance(condition, bool):
            return condition
        value = self.evaluate(condition, names)
        if not isinstance(value, bool):
            source = condition.replace("{{", "").replace("}}", "").strip()
            message = f"`{shorten(source)}` must be true or false, and gives {_shown(value)}"
            raise TemplateError(message, 0, f"write `{_comparison(source, value)}`")
        return value

    @cached_property
    def _evaluator(self) -> Evaluator:
        from pipectl.template.render import Evaluator  # Jinja2 only where a text has an expression

        return Evaluator(self.folder)


def _shown(value: Any) -> str:
    return kind(value) if value is None or isinstance(value, (list, Mapping)) else f"{kind(value)} (`{value!s:.60}`)"


def _comparison(source: str, value: Any) -> str:
    operand = source if source.replace(".", "").replace("_", "").isalnum() else f"({source})"
    if value is None:
        return f"{operand} is not none"
    if isinstance(value, str):
        return f"{operand} != ''"
    return f"{operand} != 0" if isinstance(value, (int, float)) else f"{operand}|length > 0"
