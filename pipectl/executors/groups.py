"""Ends process groups, for systems that do not show whole trees; the marker finds what left its group."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from pipectl.executors.guard import Guard
from pipectl.executors.survivors import Marker, end_marked
from pipectl.model import Job


class Groups:
    """The process groups of the attempts of one run; the guard, if there is one, is told of each.

    What leaves its group is ended with the run, by its marker, or when its attempt is killed; what also clears its
    environment is not found.
    """

    def __init__(self, run_id: str, guard: Guard | None) -> None:
        self.unannounced = 0
        self._run_id = run_id
        self._guard = guard
        self._known: dict[int, Marker | None] = {}
        self._spared: set[Marker] = set()

    def add(self, pid: int, job: Job | None = None) -> None:
        """An attempt's main process was started."""
        self._known[pid] = Marker.of(self._run_id, job) if job else None
        if self._guard:
            self._guard.started(pid)

    def remove(self, pid: int) -> None:
        """The attempt is over and settled."""
        if self._known.pop(pid, None) and self._guard:
            self._guard.ended(pid)

    def spare(self, pid: int) -> None:
        """What the attempt left running may stay, beyond the end of the run."""
        if marker := self._known[pid]:
            self._spared.add(marker)

    def members(self, pid: int) -> list[int]:
        """None: they cannot be told apart from others."""
        return []

    def signal(self, pid: int, signum: int) -> None:
        """Sends the signal to the attempt's group."""
        with suppress(OSError):
            os.killpg(pid, signum)

    def kill(self, pid: int) -> None:
        """Kills the attempt's group, and what carries its marker."""
        self.signal(pid, signal.SIGKILL)
        if marker := self._known[pid]:
            end_marked(marker, portable=True)

    def remain(self, pid: int) -> bool:
        """Whether anything is left of the group of the attempt whose main process has ended."""
        try:
            os.killpg(pid, 0)
        except OSError:
            return False
        return True

    def clean(self, pid: int) -> bool:
        """Kills what is left of the attempt's group."""
        self.signal(pid, signal.SIGKILL)
        return True

    def orphans(self) -> list[int]:
        """None: they do not fall to us."""
        return []

    def close(self) -> bool:
        """Kills what is left of the run but what was spared."""
        end_marked(Marker(self._run_id), portable=True, spared=self._spared)
        return True
