"""What wakes the loop besides the ends of attempts."""

from __future__ import annotations

import selectors
from collections.abc import Sequence
from typing import Protocol


class Signals(Protocol):
    """Where signals come from; see `executors.guard`."""

    def fileno(self) -> int:
        """Readable when there is something to take."""

    def signals(self) -> Sequence[int]:
        """The numbers of the signals that came since. Raises GuardDied where the guard is gone."""


class MayTell(Protocol):
    """What may have something to tell."""

    def fileno(self) -> int | None:
        """Readable when it has; None where it never will."""


class Wake:
    """One descriptor that is readable when any of its sources is; `descriptor` is None where there are none."""

    def __init__(self, *sources: MayTell | None) -> None:
        found = [number for source in sources if source is not None and (number := source.fileno()) is not None]
        self._together: selectors.DefaultSelector | None = None
        self.descriptor = found[0] if found else None
        if len(found) > 1:
            self._together = selectors.DefaultSelector()
            for number in found:
                self._together.register(number, selectors.EVENT_READ)
            self.descriptor = self._together.fileno()

    def close(self) -> None:
        """Gives back what it has of its own."""
        if self._together is not None:
            self._together.close()
