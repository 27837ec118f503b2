"""A YAML file as plain data that knows the place of each of its parts: every message names line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipectl.errors import Problem

Place = tuple[int, int]  # line and column, from 1
Path = tuple[str | int, ...]
Places = dict[int, Any]  # id of a mapping -> {key: (place of the key, of the value)}, of a list -> [place of the item]

_LONGEST_MESSAGE = 500
_BLOCK_HEADER = re.compile(r"\|[0-9+-]*\s*(#.*)?$")


@dataclass
class Source:
    """One file: its text, its plain data, and where each part of it stands.

    `file` is the name to show; `path` is absolute, and empty for standard input; `digest` is the SHA-256 of its bytes;
    `taken` are the keys that faults took out of the data, by the path of their mapping.
    """

    file: str
    path: str
    text: str
    data: Any
    places: Places
    digest: str = ""
    taken: dict[Path, set[str | int]] = field(default_factory=dict)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where the value at `path` begins, or the last part of the path that is there; `key`: where its key begins."""
        found: Place = (1, 1)
        container = self.data
        for depth, step in enumerate(path, 1):
            known = self.places.get(id(container))
            try:
                entry = known[step]  # type: ignore[index]
                container = container[step]
            except (KeyError, IndexError, TypeError):
                return found
            if isinstance(known, dict):
                found = entry[0 if key and depth == len(path) else 1]
            else:
                found = entry
        return found

    def problem(self, place: Place, message: str, hint: str = "", *, warning: bool = False) -> Problem:
        """A fault of this file; what it quotes of the file is made fit to be shown on one line."""
        return Problem(self.file, place[0], place[1], _on_one_line(message), _on_one_line(hint), warning)

    def line(self, number: int) -> str:
        """The text of a line, empty where there is none."""
        return self._lines[number - 1] if number <= len(self._lines) else ""

    def character(self, place: Place) -> str:
        """The character at a place, empty at the end of a line."""
        return self.line(place[0])[place[1] - 1 : place[1]]

    def within(self, place: Place, value: str, offset: int) -> Place:
        """The place of the character at `offset` of the text `value` that begins at `place`.

        Exact for plain and quoted text on one line and for literal blocks; else the beginning of the value.
        """
        line, column = place
        rest = self.line(line)[column - 1 :]
        if _BLOCK_HEADER.match(rest):
            return self._within_block(line, value, offset) or place
        quoted = 1 if rest[:1] in ("'", '"') else 0
        if rest[quoted : quoted + offset] == value[:offset]:
            return line, column + quoted + offset
        return place

    def _within_block(self, header: int, value: str, offset: int) -> Place | None:
        begin = value.rfind("\n", 0, offset) + 1
        end = value.find("\n", begin)
        line = header + 1 + value.count("\n", 0, offset)
        indent = self.line(line).find(value[begin : end if end >= 0 else None])
        return (line, indent + offset - begin + 1) if indent >= 0 else None

    @cached_property
    def _lines(self) -> list[str]:
        return re.split(r"\r\n|\r|\n", self.text)


@dataclass(frozen=True, slots=True)
class Part:
    """A value of a file together with its place."""

    source: Source
    path: Path
    value: Any

    def __getitem__(self, key: str | int) -> Part:
        return Part(self.source, (*self.path, key), self.value[key])

    def get(self, key: str) -> Part | None:
        """The part under `key`, None where there is none."""
        return self[key] if isinstance(self.value, dict) and key in self.value else None

    @property
    def taken(self) -> Set[str | int]:
        """The keys that this mapping had, or should have, and that a fault took out of it."""
        return self.source.taken.get(self.path, frozenset())

    def items(self) -> Iterator[tuple[str, Part]]:
        """Keys and parts of a mapping, in file order; nothing for other values."""
        if isinstance(self.value, dict):
            for key in self.value:
                yield key, self[key]

    def entries(self) -> Iterator[Part]:
        """The items of a list; a value that is no list is a list of itself."""
        if isinstance(self.value, list):
            for index in range(len(self.value)):
                yield self[index]
        else:
            yield self

    def scalars(self) -> Iterator[Part]:
        """Every text, number, boolean and null in this value, through lists and mappings."""
        if isinstance(self.value, dict):
            for key in self.value:
                yield from self[key].scalars()
        elif isinstance(self.value, list):
            for index in range(len(self.value)):
                yield from self[index].scalars()
        else:
            yield self

    def texts(self) -> Iterator[Part]:
        """Every text in this value, through lists and mappings."""
        return (part for part in self.scalars() if isinstance(part.value, str))

    def problem(
        self, message: str, hint: str = "", *, key: bool = False, offset: int | None = None, warning: bool = False
    ) -> Problem:
        """A fault of this part: at its value, at its key, or at the character `offset` of its text."""
        place = self.source.place(self.path, key=key)
        if offset is not None and isinstance(self.value, str):
            place = self.source.within(place, self.value, offset)
        return self.source.problem(place, message, hint, warning=warning)


def _on_one_line(text: str) -> str:
    shown = text if text.isprintable() else "".join(c if c.isprintable() else "�" for c in text)
    return shown if len(shown) <= _LONGEST_MESSAGE else f"{shown[:_LONGEST_MESSAGE]}…"
