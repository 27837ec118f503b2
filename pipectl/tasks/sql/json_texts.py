"""JSON values read one by one from a text of any length."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from pipectl.tasks.sql.values import from_json_number

_CHUNK = 1 << 16
_SPACE = re.compile(r"\s*")
_CUT = 16  # so near to the end of what was read a fault may be that the rest is missing


def _refuse(constant: str) -> None:
    raise ValueError(f"`{constant}` is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=from_json_number)


def json_lines(text: TextIO) -> Iterator[Any]:
    """The values of the lines. Raises ValueError, which tells the line."""
    for number, line in enumerate(text, 1):
        if line.strip():
            try:
                yield _DECODER.decode(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}, column {error.colno}: {error.msg}") from None
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def json_array(text: TextIO) -> Iterator[Any]:
    """The items of a list, of which no more is in memory than what is being read. Raises ValueError."""
    unread = _Unread(text)
    if unread.sign() != "[":
        raise ValueError("it holds no list")
    sign = unread.sign(take="]")
    while sign != "]":
        yield unread.value()
        sign = unread.sign()
        if sign not in (",", "]"):
            raise ValueError("the list does not end, or lacks a comma" if sign else "the list does not end")
    if unread.sign():
        raise ValueError("something follows the list: a file holds one")


class _Unread:
    """What of a text is still to be read; as much as is needed is in memory."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._read = ""
        self._at = 0

    def sign(self, take: str | None = None) -> str:
        """The next character that is no space, nothing at the end. It is passed over, or only if it is `take`."""
        while True:
            self._at = self._after_space()
            if self._at < len(self._read):
                found = self._read[self._at]
                self._at += take in (None, found)
                return found
            if not self._more():
                return ""

    def value(self) -> Any:
        """The next JSON value. Raises ValueError where there is none."""
        self.sign(take="")
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._read, self._at)
            except json.JSONDecodeError as error:
                is_cut = error.pos + _CUT > len(self._read) or error.msg.startswith("Unterminated string")
                if not is_cut or not self._more():
                    raise ValueError(f"the list does not end, or ends badly: {error.msg}") from None
            else:
                return value

    def _after_space(self) -> int:
        found = _SPACE.match(self._read, self._at)
        return found.end() if found else self._at

    def _more(self) -> bool:
        more = self._text.read(max(_CHUNK, len(self._read) - self._at))
        self._read, self._at = self._read[self._at :] + more, 0
        return bool(more)
