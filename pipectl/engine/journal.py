"""Where a run is written down, as its loop sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from pipectl.events import Event
from pipectl.store.cache import CacheRow
from pipectl.store.rows import Log, Run


class Journal(Protocol):
    """Takes in what happens in a run, and hands on what others ask of it; see `Store`."""

    def record(
        self,
        run: Run,
        after: int,
        events: Sequence[Event],
        outputs: Iterable[tuple[str, str]] = (),
        logs: Iterable[Log] = (),
        cache: Iterable[CacheRow] = (),
    ) -> int:
        """Adds to what was recorded after so many events; returns how many there are now."""
        ...

    def requests(self, run: Run, after: int) -> Sequence[tuple[int, str, dict[str, Any]]]:
        """The requests past that number, oldest first, as (number, kind, data)."""
        ...

    def rewrite_request(self, number: int, data: Mapping[str, Any]) -> None:
        """Puts this in place of what a request said."""
        ...
