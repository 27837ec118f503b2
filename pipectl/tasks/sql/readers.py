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
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.batches import batches
from pipectl.tasks.sql.formats import Format, format_of, opened
from pipectl.tasks.sql.inference import kind_of_fields, kind_of_value, settled
from pipectl.tasks.sql.json_texts import json_array, json_lines

Row = Sequence[Any]

_CHUNK = 1 << 16
_EMPTY_LINES = re.compile(rb"(\r?\n)(?:\r?\n)+")
_EMPTY_FIRST = re.compile(rb"\A(?:\r?\n)+")


class Source:
    """A file to load: its `header`, and those `columns` of it that are wanted. Raises Fault where it cannot be read.

    There are no columns where a file without a header has no rows.
    """

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

    def _header(self, wanted: Sequence[str] | None) -> list[str]:
        raise NotImplementedError

    def rows(self) -> Iterator[Row]:
        """The rows, each with the values of `columns`."""
        raise NotImplementedError

    def place(self, number: int) -> str:
        """Where the row of this number, from 1, is in the file."""
        return f"row {number}"

    def kinds(self) -> dict[str, str]:
        """The kind of each column, for which the whole file may be read: a key of `Database.types`."""
        raise NotImplementedError


class CsvFile(Source):
    """Fields between commas, under a line of names. An empty field is null, in quotes too, and so an empty text that
    was saved comes back as null. A line without anything is no row, but where there is one column: there it is a null.
    """

    def blocks(self) -> Iterator[bytes]:
        """The bytes below the header, in pieces of whole lines, of which none is no row."""
        quotes = 0
        with self._body() as (file, _):
            while block := file.read(_CHUNK):
                block += file.readline()
                quotes, before = quotes + block.count(b'"'), quotes
                yield block if len(self.header) == 1 else _without_empty_lines(block, quoted=bool(before % 2))

    def line_of(self, number: int) -> int:
        """The number of the line in the file that PostgreSQL, to which `blocks` went, gives this number.

        It does not know yet what ends a line while it reads the first record, and counts that as one.
        """
        quotes = records = 0
        with self._body() as (file, above):
            line_number = above
            for line in file:
                line_number += 1
                goes_on = bool(quotes % 2)
                begins = not goes_on and (len(self.header) == 1 or line.strip(b"\r\n") != b"")
                records += begins
                number -= begins or (goes_on and records > 1)
                if number <= 0:
                    break
                quotes += line.count(b'"')
        return line_number

    def line_of_record(self, number: int) -> int:
        """The number of the line at which the record of this number ends; the header and empty lines are such, too."""
        with self._parsed() as (reader, above):
            next(islice(reader, max(number - 2, 0), None), None)
            return int(reader.line_num) + above

    def place(self, number: int) -> str:
        """The line at which the row of this number ends."""
        with self._parsed() as (reader, above):
            next(islice(self._checked(reader, above), number - 1, None), None)
            return f"line {reader.line_num + above}"

    @contextmanager
    def _body(self) -> Iterator[tuple[BinaryIO, int]]:
        with _reading(self.path), opened(self.path, "rb", self.form) as file:
            _, above = _names(file)
            yield file, above

    def _header(self, wanted: Sequence[str] | None) -> list[str]:
        with _reading(self.path), opened(self.path, "rb", self.form) as file:
            names, _ = _names(file)
        if not names:
            raise Fault(f"`{self.path}` has no columns")
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
        return {name: settled(kind) for name, kind in zip(self.columns, found, strict=True)}

    def _records(self) -> Iterator[list[str | None]]:
        with self._parsed() as (reader, above):
            yield from self._checked(reader, above)

    @contextmanager
    def _parsed(self) -> Iterator[tuple[Any, int]]:
        csv.field_size_limit(sys.maxsize)
        with self._body() as (file, above), io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
            yield csv.reader(text, strict=True), above

    def _checked(self, reader: Any, above: int) -> Iterator[list[str | None]]:
        width = len(self.header)
        for row in reader:
            if len(row) == width:
                yield [field or None for field in row]
            elif row:
                problem = f"{len(row)} fields where the header has {width}"
                raise Fault(f"`{self.path}`, line {reader.line_num + above}: {problem}")
            elif width == 1:
                yield [None]


class JsonFile(Source):
    """Objects in a list, or one a line. What an object leaves out is null."""

    def _header(self, wanted: Sequence[str] | None) -> list[str]:
        if wanted:
            return list(wanted)
        names: dict[str, None] = {}
        found = None
        for found in self._objects():
            if not names.keys() >= found.keys():
                names.update(dict.fromkeys(found))
        if found is not None and not names:
            raise Fault(f"`{self.path}` has no columns")
        return list(names)

    def rows(self) -> Iterator[Row]:
        """The rows, with lists and mappings as they are."""
        columns = self.columns
        for found in self._objects():
            yield [found.get(name) for name in columns]

    def kinds(self) -> dict[str, str]:
        """As all values of each key say."""
        kinds = dict.fromkeys(self.columns, "")
        for found in self._objects():
            for name, kind in kinds.items():
                kinds[name] = kind_of_value(kind, found.get(name))
        return {name: settled(kind) for name, kind in kinds.items()}

    def _objects(self) -> Iterator[dict[str, Any]]:
        values = json_lines if self.form.kind == "jsonl" else json_array
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
        """The rows, with lists and mappings as they are."""
        from pipectl.tasks.sql.parquet import read_rows

        with _reading(self.path):
            yield from read_rows(self.path, self.columns)

    def kinds(self) -> dict[str, str]:
        """As the file says."""
        from pipectl.tasks.sql.parquet import read_schema

        return dict(read_schema(self.path))


def source(path: str, wanted: Sequence[str] | None) -> Source:
    """The file, by its ending. Raises Fault where it is not there, or is not what its ending says."""
    form = format_of(path)
    kinds: dict[str, type[Source]] = {"csv": CsvFile, "json": JsonFile, "jsonl": JsonFile, "parquet": ParquetFile}
    return kinds[form.kind](path, form, wanted)


def _names(file: BinaryIO) -> tuple[list[str], int]:
    """The first record, and of how many lines it is."""
    reader = csv.reader((line.decode() for line in iter(file.readline, b"")), strict=True)
    first = next(reader, [])
    return [first[0].removeprefix("\ufeff"), *first[1:]] if first else [], reader.line_num


def _without_empty_lines(block: bytes, *, quoted: bool) -> bytes:
    """The block, whose lines are whole, without the empty ones that stand outside of quotes."""
    if not _EMPTY_LINES.search(block) and not _EMPTY_FIRST.match(block):
        return block
    parts = block.split(b'"')
    if not quoted:
        parts[0] = _EMPTY_FIRST.sub(b"", parts[0])
    parts[quoted::2] = [_EMPTY_LINES.sub(rb"\1", part) for part in parts[quoted::2]]
    return b'"'.join(parts)


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
