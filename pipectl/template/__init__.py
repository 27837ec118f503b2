"""Expressions, `{{ … }}`: which names a text uses, and what it becomes when they have values.

They are Jinja2's, in a sandbox with bounds. Importing this is cheap; Jinja2 is imported when the first text with an
expression comes.
"""

from __future__ import annotations

from pipectl.template.errors import TemplateError
from pipectl.template.references import Reference, references
from pipectl.template.renderer import Renderer
from pipectl.template.text import bare, has_expression, is_expression
from pipectl.template.values import SQL_FILTERS, Computed, to_json, to_text

__all__ = [
    "SQL_FILTERS",
    "Computed",
    "Reference",
    "Renderer",
    "TemplateError",
    "bare",
    "has_expression",
    "is_expression",
    "references",
    "to_json",
    "to_text",
]
