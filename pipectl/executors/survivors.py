"""Finds and ends processes by the marker that each attempt carries in its environment.

Needed where nothing else leads to them: after both the runner and its guard died, and on systems without subreapers.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

from pipectl.executors import tree
from pipectl.executors.platform import is_portable
from pipectl.model import Job
from pipectl.programs import find_program

_LONGEST = 5.0


class Marker(NamedTuple):
    """What the environment of a run's or an attempt's processes holds; empty fields match all."""

    run_id: str
    instance: str = ""
    attempt: str = ""

    @classmethod
    def of(cls, run_id: str, job: Job) -> Marker:
        """The marker of the attempt."""
        return cls(run_id, job.instance, str(job.attempt))

    @property
    def entries(self) -> frozenset[str]:
        """The marker as `NAME=value`."""
        names = ("PIPECTL_RUN_ID", "PIPECTL_INSTANCE", "PIPECTL_ATTEMPT")
        return frozenset(f"{name}={value}" for name, value in zip(names, self, strict=True) if value)


def end_survivors(run_id: str, *, portable: bool | None = None) -> int:
    """Kills what still runs of the run, until none is found twice in a row; says how many processes there were."""
    return end_marked(Marker(run_id), portable=is_portable() if portable is None else portable)


def end_marked(marker: Marker, *, portable: bool, spared: Collection[Marker] = ()) -> int:
    """Kills all processes with the marker but this one, those above it and the spared; says how many there were.

    Gives up after some seconds on a process that the system will not let go.
    """
    look = _by_ps if portable and find_program("ps", None) else _by_proc
    ended: set[int] = set()
    clean = 0
    last = time.monotonic() + _LONGEST
    while clean < 2 and time.monotonic() < last:
        kept = {pid for other in spared for pid in look(other)}
        found = [pid for pid in look(marker) if pid not in kept and tree.may_end(pid)]
        clean = 0 if found else clean + 1
        ended.update(found)
        tree.end(found)  # without /proc it is these processes, elsewhere all below them too
        if found:
            time.sleep(0.002)
    return len(ended)


def _by_proc(marker: Marker) -> list[int]:
    entries = marker.entries
    with os.scandir("/proc") as listing:
        pids = [int(entry.name) for entry in listing if entry.name.isdecimal()]
    found = [pid for pid in pids if entries <= tree.environment(pid)]
    above = _above({pid: tree.parent(pid) for pid in pids}) if found else set()
    return [pid for pid in found if pid not in above]


def _by_ps(marker: Marker) -> list[int]:
    """`ps` shows the environment behind the arguments, with spaces between."""
    patterns = [re.compile(rf"\s{re.escape(entry)}(?=\s|$)") for entry in marker.entries]
    parents: dict[int, int] = {}
    found = []
    for pid, parent, command in _processes():
        parents[pid] = parent
        if all(pattern.search(command) for pattern in patterns):
            found.append(pid)
    above = _above(parents)
    return [pid for pid in found if pid not in above]


def _processes() -> Iterator[tuple[int, int, str]]:
    import subprocess

    listing = subprocess.run(
        ["ps", "axeww", "-o", "pid=,ppid=,state=,command="], capture_output=True, check=True, stdin=subprocess.DEVNULL
    )
    for line in os.fsdecode(listing.stdout).splitlines():
        pid, parent, state, command = (*line.split(None, 3), "")[:4]
        if not state.startswith("Z"):
            yield int(pid), int(parent), command


def _above(parents: dict[int, int]) -> set[int]:
    """This process and its ancestors."""
    pid, found = os.getpid(), set()
    while pid and pid not in found:
        found.add(pid)
        pid = parents.get(pid, 0)
    return found
