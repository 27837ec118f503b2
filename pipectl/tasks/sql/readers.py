"""Files as rows, read as they are needed."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.databases.base import batches
from pipectl.tasks.sql.formats import Format, format_of, opened
from pipectl.tasks.sql.inference import kind_of_fields, kind_of_value

Row = Sequence[Any]

_CHUNK = 1 << 16
_BETWEEN = re.compile(r"[\s,]*")


class Source:
    """A file to load: its `header`, and those `columns` of it that are wanted. Raises Fault where it cannot be read."""

    def __init__(self, path: str, form: Format, wanted: Sequence[str] | None) -> None:
        self.path = path
        self.form = form
        if not Path(path).is_file():
            raise Fault(f"there is no file `{path}`")
        self.header = self._header(wanted)
        missing = [name for name in wanted or () if name not in self.header]
        if missing:
            raise Fault(f"`{path}` has no column `{missing[0]}`; it has {_listed(self.header)}")
        self.columns = list(wanted or self.header)
        if not self.columns:
            raise Fault(f"`{path}` has no columns")

    def _header(self, wanted: Sequence[str] | None) -> list[str]:
        raise NotImplementedError

    def rows(self) -> Iterator[Row]:
        """The rows, each with the values of `columns`."""
        raise NotImplementedError

    def kinds(self) -> dict[str, str]:
        """The kind of each column, for which the whole file may be read: a key of `Database.types`."""
        raise NotImplementedError


class CsvFile(Source):
    """Fields between commas, under a line of names. An empty field is null."""

    @contextmanager
    def body(self) -> Iterator[BinaryIO]:
        """The bytes below the header."""
        with _reading(self.path), opened(self.path, "rb", self.form) as file:
            _names(file)
            yield file

    def _header(self, wanted: Sequence[str] | None) -> list[str]:
        with _reading(self.path), opened(self.path, "rb", self.form) as file:
            names = _names(file)
        if len(set(names)) < len(names):
            raise Fault(f"`{self.path}` has two columns of one name: {_listed(names)}")
        return names

    def rows(self) -> Iterator[Row]:
        """The rows, each with the texts of `columns`, or None."""
        chosen = [self.header.index(name) for name in self.columns]
        if chosen == list(range(len(self.header))):
            return self._records()
        return ([row[index] for index in chosen] for row in self._records())

    def kinds(self) -> dict[str, str]:
        """As all fields of each column say."""
        found = [""] * len(self.columns)
        for batch in batches(self.rows()):
            found = [kind_of_fields(kind, fields) for kind, fields in zip(found, zip(*batch, strict=True), strict=True)]
        return {name: kind or "text" for name, kind in zip(self.columns, found, strict=True)}

    def _records(self) -> Iterator[list[str | None]]:
        width = len(self.header)
        csv.field_size_limit(sys.maxsize)
        with self.body() as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
            reader = csv.reader(text, strict=True)
            for row in reader:
                if len(row) == width:
                    yield [field or None for field in row]
                elif row:
                    problem = f"{len(row)} fields where the header has {width}"
                    raise Fault(f"`{self.path}`, line {reader.line_num + 1}: {problem}")


class JsonFile(Source):
    """Objects in a list, or one a line. What an object leaves out is null; a list or an object in it is JSON text."""

    def _header(self, wanted: Sequence[str] | None) -> list[str]:
        if wanted:
            return list(wanted)
        names: dict[str, None] = {}
        for found in self._objects():
            if not names.keys() >= found.keys():
                names.update(dict.fromkeys(found))
        return list(names)

    def rows(self) -> Iterator[Row]:
        """The rows."""
        columns = self.columns
        for found in self._objects():
            yield [_flat(found.get(name)) for name in columns]

    def kinds(self) -> dict[str, str]:
        """As all values of each key say."""
        kinds = dict.fromkeys(self.columns, "")
        for found in self._objects():
            for name, kind in kinds.items():
                kinds[name] = kind_of_value(kind, found.get(name))
        return {name: kind or "text" for name, kind in kinds.items()}

    def _objects(self) -> Iterator[dict[str, Any]]:
        values = _json_lines if self.form.kind == "jsonl" else _json_array
        with (
            _reading(self.path),
            opened(self.path, "rb", self.form) as file,
            io.TextIOWrapper(file, encoding="utf-8-sig") as text,
        ):
            for value in values(text):
                if not isinstance(value, dict):
                    raise Fault(f"`{self.path}` holds something else than objects: `{json.dumps(value):.40}`")
                yield value


class ParquetFile(Source):
    """A file of typed columns."""

    def _header(self, wanted: Sequence[str] | None) -> list[str]:
        return list(self.kinds())

    def rows(self) -> Iterator[Row]:
        """The rows; a list or a mapping in them is JSON text."""
        from pipectl.tasks.sql.parquet import read_rows

        with _reading(self.path):
            for row in read_rows(self.path, self.columns):
                yield [_flat(value) for value in row]

    def kinds(self) -> dict[str, str]:
        """As the file says."""
        from pipectl.tasks.sql.parquet import read_schema

        return dict(read_schema(self.path))


def source(path: str, wanted: Sequence[str] | None) -> Source:
    """The file, by its ending. Raises Fault where it is not there, or is not what its ending says."""
    form = format_of(path)
    kinds: dict[str, type[Source]] = {"csv": CsvFile, "json": JsonFile, "jsonl": JsonFile, "parquet": ParquetFile}
    return kinds[form.kind](path, form, wanted)


def header(path: str, form: Format) -> list[str]:
    """The names of the columns of a CSV file."""
    with opened(path, "rb", form) as file:
        return _names(file)


def _names(file: BinaryIO) -> list[str]:
    lines = (line.decode() for line in iter(file.readline, b""))
    first = next(csv.reader(lines, strict=True), [])
    return [first[0].removeprefix("\ufeff"), *first[1:]] if first else []


def _refuse(constant: str) -> None:
    raise ValueError(f"`{constant}` is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _json_lines(text: io.TextIOWrapper) -> Iterator[Any]:
    for number, line in enumerate(text, 1):
        if line.strip():
            try:
                yield _DECODER.decode(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def _json_array(text: io.TextIOWrapper) -> Iterator[Any]:
    """The items of a list, of which no more is in memory than what is being read."""
    unread = text.read(_CHUNK).lstrip()
    if not unread.startswith("["):
        raise ValueError("it holds no list")
    at = 1
    while True:
        at = _end_of(_BETWEEN.match(unread, at), at)
        if unread.startswith("]", at):
            return
        try:
            value, at = _DECODER.raw_decode(unread, at)
        except json.JSONDecodeError as error:
            more = text.read(max(_CHUNK, len(unread) - at))
            if not more:
                raise ValueError(f"the list does not end, or ends badly: {error.msg}") from None
            unread, at = unread[at:] + more, 0
        else:
            yield value


def _end_of(found: re.Match[str] | None, at: int) -> int:
    return found.end() if found else at


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else value


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:10])
    return f"{shown}, …" if len(names) > 10 else shown


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Makes a Fault of what may be wrong with a file that is read within."""
    try:
        yield
    except UnicodeDecodeError:
        raise Fault(f"`{path}` is not UTF-8") from None
    except (csv.Error, ValueError, EOFError, zlib.error) as error:
        raise Fault(f"`{path}` cannot be read: {error}") from None
    except OSError as error:
        raise Fault(f"`{path}` cannot be read: {error.strerror or error}", type(error).__name__) from None
