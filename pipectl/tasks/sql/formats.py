"""The forms of files, by their endings."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pipectl.tasks.own import Fault

_ENDINGS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


_BUFFER = 1 << 17


@dataclass(frozen=True, slots=True)
class Format:
    """`kind` is `csv`, `json`, `jsonl` or `parquet`."""

    kind: str
    compressed: bool


def format_of(path: str) -> Format:
    """The form of a file. Raises Fault where its ending says none."""
    endings = [ending.lower() for ending in Path(path).suffixes]
    compressed = endings[-1:] == [".gz"]
    kind = _ENDINGS.get((endings[:-1] if compressed else endings)[-1:][0] if endings[compressed:] else "")
    if kind is None or (kind == "parquet" and compressed):
        raise Fault(f"the form of `{path}` is not known: a file ends in .csv, .json, .jsonl, .ndjson or .parquet")
    return Format(kind, compressed)


@contextmanager
def opened(path: str, mode: str, form: Format) -> Iterator[BinaryIO]:
    """The file's bytes as they are without compression."""
    with Path(path).open(mode) as file:
        if not form.compressed:
            yield cast("BinaryIO", file)
            return
        with gzip.GzipFile(fileobj=file, mode=mode, filename="", mtime=0, compresslevel=6) as unpacked:
            if mode == "rb":
                yield cast("BinaryIO", unpacked)
            else:
                with io.BufferedWriter(cast("io.RawIOBase", unpacked), _BUFFER) as buffered:
                    yield cast("BinaryIO", buffered)
