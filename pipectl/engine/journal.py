"""Where a run is written down, as its loop sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pipectl.events import Event
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
    ) -> int:
        """Adds to what was recorded after so many events; returns how many there are now."""
        ...

    def requests(self, run: Run, after: int) -> Sequence[tuple[int, str]]:
        """The requests past that number, oldest first, as (number, kind)."""
        ...
