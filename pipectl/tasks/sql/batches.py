"""Rows in batches that memory holds, however long they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from sys import getsizeof
from typing import Any, TypeVar

Row = TypeVar("Row", bound=Sequence[Any])

BATCH = 5000
"""How many rows are inserted and written at once, if they are small."""

ROOM = 2 << 20
"""About how many bytes these may be."""

_SLICE = 8
_NESTED: frozenset[type] = frozenset({dict, list})


def batches(rows: Iterable[Row], size: int = BATCH) -> Iterator[list[Row]]:
    """The rows in lists of about `size`, or of fewer where these are as large as `ROOM`."""
    source, batch, room = iter(rows), list[Row](), ROOM
    while some := list(islice(source, _SLICE)):
        batch += some
        room -= _bytes(chain.from_iterable(some))
        if len(batch) >= size or room < 0:
            yield batch
            batch, room = [], ROOM
    if batch:
        yield batch


def _bytes(values: Iterable[Any]) -> int:
    held = list(values)
    size = sum(map(getsizeof, held))
    if not _NESTED.isdisjoint({type(value) for value in held}):
        size += sum(len(repr(value)) for value in held if type(value) in _NESTED)
    return size
