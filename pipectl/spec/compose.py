"""YAML text to plain data and places, from libyaml's events: bounded in depth and expansion, and strict.

PyYAML's own composer takes the last of two equal keys, builds what a tag asks for, and in C overflows the stack at
30,000 brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from pipectl.errors import PipelineError, Problem
from pipectl.spec.scalars import resolve
from pipectl.spec.source import Place, Places, Source
from pipectl.spec.syntax import explain, unquoted_braces

MAX_BYTES = 32 << 20
MAX_DEPTH = 100
MAX_EXPANSION = 1_000_000  # nodes that aliases add to what is written

_UNPRINTABLE = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAKS = "\x85\u2028\u2029"  # to libyaml, not to YAML 1.2: lines would be miscounted, and values changed


def parse(text: str, file: str, path: str = "") -> Source:
    """The data of a YAML text. Raises PipelineError with the one fault that was met first."""
    if not yaml.__with_libyaml__:
        raise PipelineError([Problem(file, 0, 0, "this Python's PyYAML was built without libyaml", _INSTALL_LIBYAML)])
    text = text.removeprefix("\ufeff")
    source = Source(file, path, text, None, {})
    if odd := _UNPRINTABLE.search(text):
        raise PipelineError([_unprintable(source, odd)])
    composer = _Composer(source)
    try:
        source.data = composer.compose()
    except yaml.MarkedYAMLError as error:
        raise PipelineError([explain(source, error)]) from None
    return source


_INSTALL_LIBYAML = "pip install --force-reinstall --only-binary :all: pyyaml"


def decode(raw: bytes, file: str) -> str:
    """The text of a file's bytes. Raises PipelineError where they are too many or no UTF-8."""
    if len(raw) > MAX_BYTES:
        raise PipelineError([Problem(file, 0, 0, f"the file has more than {MAX_BYTES >> 20} MiB")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"the file is not UTF-8: byte 0x{raw[error.start]:02x}"
        raise PipelineError([Problem(file, line, column, message, "save the file as UTF-8")]) from None


def _unprintable(source: Source, odd: re.Match[str]) -> Problem:
    before = source.text[: odd.start()]
    place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    kind = "line break" if odd[0] in _LINE_BREAKS else "control character"
    name = "a NUL" if odd[0] == "\0" else f"the {kind} U+{ord(odd[0]):04X}"
    hint = "remove it" if odd[0] == "\0" else f'in double quotes it is `"\\u{ord(odd[0]):04x}"`'
    return source.problem(place, f"{name} is not allowed", hint)


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read. `weight` is the number of its nodes with aliases expanded."""

    value: Any
    places: Any
    place: Place
    anchor: str | None
    key: str | None = None
    key_place: Place = (0, 0)
    merges: list[tuple[Any, Place]] | None = None
    weight: int = 1


@dataclass(slots=True)
class _Anchored:
    value: Any
    weight: int


class _Composer:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._places: Places = source.places
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchored | None] = {}  # None while it is being read
        self._expanded = 0
        self._root: Any = None

    def compose(self) -> Any:
        documents = 0
        for event in yaml.parse(self._source.text, Loader=yaml.CSafeLoader):
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._begin(event, {} if kind is yaml.MappingStartEvent else [])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._end()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    self._fail(
                        _place(event), "a second document begins here", "a file holds one pipeline: remove `---`"
                    )
        return self._root

    def _scalar(self, event: Any) -> None:
        if event.tag:
            self._refuse_tag(event)
        place = _place(event)
        text: str = event.value
        value = resolve(text) if event.implicit[0] else text
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, 1 + len(text) // 100)
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.key is None and type(parent.value) is dict:
            self._key(parent, text, place, plain=event.implicit[0])
        else:
            self._add(value, place, 1)

    def _key(self, parent: _Open, text: str, place: Place, *, plain: bool) -> None:
        if text == "<<" and plain and parent.merges is None:
            parent.merges = []
        elif text in parent.places:
            line, _ = parent.places[text][0]
            self._fail(place, f"duplicate key `{text}`: it stands in line {line} already", "keep one of the two")
        parent.key = text
        parent.key_place = place

    def _begin(self, event: Any, value: Any) -> None:
        if event.tag:
            self._refuse_tag(event)
        place = _place(event)
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.key is None and type(parent.value) is dict:
            self._refuse_key(parent, event)
        if len(self._open) >= MAX_DEPTH:
            self._fail(place, f"lists and mappings stand more than {MAX_DEPTH} deep in one another")
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(_Open(value, type(value)(), place, event.anchor))

    def _end(self) -> None:
        done = self._open.pop()
        if done.merges:
            self._merge(done)
        self._places[id(done.value)] = done.places
        if done.anchor:
            self._anchors[done.anchor] = _Anchored(done.value, done.weight)
        self._add(done.value, done.place, done.weight)

    def _alias(self, event: Any) -> None:
        place = _place(event)
        parent = self._open[-1] if self._open else None
        if parent is not None and parent.key is None and type(parent.value) is dict:
            self._fail(place, f"the alias `*{event.anchor}` stands for a key", "a key is plain text")
        if event.anchor not in self._anchors:
            self._fail(
                place, f"the alias `*{event.anchor}` has no anchor", f"write `&{event.anchor}` at what it is to repeat"
            )
        anchored = self._anchors[event.anchor]
        if anchored is None:
            self._fail(place, f"the alias `*{event.anchor}` stands within what it repeats")
        self._expanded += anchored.weight
        if self._expanded > MAX_EXPANSION:
            self._fail(place, f"aliases expand to more than {MAX_EXPANSION:,} values")
        self._add(anchored.value, place, anchored.weight)

    def _add(self, value: Any, place: Place, weight: int) -> None:
        if not self._open:
            self._root = value
            return
        parent = self._open[-1]
        parent.weight += weight
        if type(parent.value) is list:
            parent.value.append(value)
            parent.places.append(place)
            return
        key = parent.key
        parent.key = None
        if key == "<<" and parent.merges is not None and key not in parent.places:
            parent.places[key] = (parent.key_place, place)  # a second `<<` is a duplicate
            parent.merges.append((value, place))
        else:
            parent.value[key] = value
            parent.places[key] = (parent.key_place, place)

    def _merge(self, done: _Open) -> None:
        del done.places["<<"]
        for value, place in done.merges or ():
            for mapping in value if isinstance(value, list) else [value]:
                if not isinstance(mapping, dict):
                    self._fail(place, "`<<` takes a mapping, or a list of mappings", "e.g. `<<: *defaults`")
                known = self._places[id(mapping)]
                for key in [key for key in mapping if key not in done.value]:
                    done.value[key] = mapping[key]
                    done.places[key] = known[key]

    def _refuse_key(self, parent: _Open, event: Any) -> NoReturn:
        place = _place(event)
        if event.flow_style and parent.value == {} and parent.place == (place[0], place[1] - 1):
            self._fail(parent.place, *unquoted_braces(self._source, parent.place))
        self._fail(place, "a key must be text, not a list or a mapping")

    def _refuse_tag(self, event: Any) -> NoReturn:
        tag = re.sub(r"^tag:yaml\.org,2002:", "!!", event.tag)
        hint = {"!include": "use `include:` at the top of the file", "!!str": "write the value in quotes"}
        self._fail(
            _place(event), f"the tag `{tag}` is not allowed: a pipeline is plain data", hint.get(tag, "remove the tag")
        )

    def _fail(self, place: Place, message: str, hint: str = "") -> NoReturn:
        raise PipelineError([self._source.problem(place, message, hint)])


def _place(event: Any) -> Place:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
