"""The time of a run."""

from __future__ import annotations

import time

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps, where there is one


def booted() -> float:
    """When the machine started, in seconds since the epoch by its present clock."""
    return time.time() - time.clock_gettime(_STEADY)


class Clock:
    """Seconds since the epoch that never jump: set once, then steady, so that a change of the clock moves no limit."""

    def __init__(self) -> None:
        self._base = time.time() - time.clock_gettime(_STEADY)

    def now(self) -> float:
        """The present moment."""
        return self._base + time.clock_gettime(_STEADY)
