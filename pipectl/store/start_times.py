"""When the last attempts of a pool started, in a small file that all runs of a state share: how a rate is kept."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable

_SIZE = 8
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class StartTimes:
    """At most `count` starts in any window of so many `seconds`.

    The file holds a number for each start of the last window, in the time of day, since all processes share it; those
    that are over are written over. What lies in the future (the clock was set back, or the file is damaged) counts from
    now on. Methods raise OSError.
    """

    def __init__(self, path: str, count: int, seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._count = count
        self._seconds = seconds
        self._clock = clock

    def wait(self) -> float:
        """The seconds until the next start is allowed: 0 if it is now."""
        now = self._clock()
        live = [moment for moment in self._read(now) if moment > now - self._seconds]
        return 0.0 if len(live) < self._count else sorted(live)[-self._count] + self._seconds - now

    def add(self) -> None:
        """Records a start; only who has the pool's turn may call it."""
        now = self._clock()
        times = self._read(now)
        over = (at for at, moment in enumerate(times) if moment <= now - self._seconds)
        self._write(next(over, len(times)), now)

    def _read(self, now: float) -> array[float]:
        descriptor = os.open(self._path, _FLAGS, 0o600)
        try:
            data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        finally:
            os.close(descriptor)
        times = array("d", data[: len(data) // _SIZE * _SIZE])
        for at, moment in enumerate(times):
            if not moment <= now:  # not a number, too
                times[at] = now
                self._write(at, now)
        return times

    def _write(self, at: int, moment: float) -> None:
        descriptor = os.open(self._path, _FLAGS, 0o600)
        try:
            os.pwrite(descriptor, array("d", [moment]).tobytes(), at * _SIZE)
        finally:
            os.close(descriptor)
