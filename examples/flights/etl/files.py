"""Reading and writing files in a way that a killed attempt cannot spoil."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def replacing(target: Path) -> Iterator[TextIO]:
    """A text file that takes the place of `target` when the block ends well, and leaves it untouched when not.

    Readers see the old file or the whole new one, so an attempt may be killed and repeated at any point.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def write_rows(target: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file, all of it or nothing."""
    with replacing(target) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_rows(source: Path) -> Iterator[Mapping[str, str]]:
    """The rows of a CSV file, one after another, by the names in its header."""
    with source.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
