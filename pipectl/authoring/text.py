"""Plain data as YAML that people read and pipectl takes back as it was: scripts as blocks, quotes where needed."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.emitter import ScalarAnalysis

from pipectl.spec.scalars import resolve

_LONGEST_LIST = 80
_ESCAPED = re.compile(
    '["\\\\]|[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufdcf\ufdf0-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]'
)
_ODD = re.compile(_ESCAPED.pattern.replace('["\\\\]|[^', "[^\t\n"))


def to_yaml(data: Any) -> str:
    """The text of a file with this data."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 30, default_flow_style=False)


class _Dumper(yaml.SafeDumper):
    """The emitter of YAML 1.1, kept from writing what YAML 1.2 reads otherwise, or pipectl not at all."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        """A tab keeps no script from being a block, unless it is what its first line is indented by."""
        if "\n" not in scalar or scalar.lstrip(" \n").startswith("\t"):
            return super().analyze_scalar(scalar)
        analysis = super().analyze_scalar(scalar.replace("\t", " "))
        analysis.scalar = scalar
        return analysis

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        self.write_indicator(f'"{_ESCAPED.sub(_escape, text)}"', need_whitespace=True)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    return short or f"\\u{ord(character):04x}"


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if _ODD.search(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    elif not isinstance(resolve(text), str):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


def _number(dumper: _Dumper, number: float) -> yaml.ScalarNode:
    """As Python prints it, which is not always what YAML 1.1 takes for a number."""
    text = repr(number)
    tag = dumper.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(tag, text)


def _list(dumper: _Dumper, items: list[Any]) -> yaml.SequenceNode:
    """On one line where it is short and holds nothing that is long itself."""
    one_line = all(not isinstance(item, dict | list) and "\n" not in str(item) for item in items)
    fits = one_line and sum(len(str(item)) + 2 for item in items) <= _LONGEST_LIST
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=fits)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)
_Dumper.add_representer(list, _list)
