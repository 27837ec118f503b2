"""How much memory a tree of processes uses, as Linux's /proc shows it, and when to look at it again.

A limit is kept by looking, in the same way on every machine: to have the kernel keep it takes a control group of one's
own, which is seldom given, and a resource limit counts what is reserved and never used (the stacks of threads, the heap
of a Java program) and each process by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from pipectl.sizes import format_size

_FASTEST = 4 << 30  # bytes a second; one core fills about half of that
_SHORTEST = 0.01
_LONGEST = 0.25
_SHARE = 20  # looking takes at most one part in so many of the time

_OWN = (b"RssAnon", b"RssShmem", b"VmSwap")
_SHARED = (b"Pss_Anon", b"Pss_Shmem", b"SwapPss")


def used(pids: Iterable[int], limit: int) -> int:
    """The bytes that these processes use together, in memory and swapped out; exact only where it is over the limit.

    What they share with each other is counted once, what they share with other processes in part. Files count only
    where they lie in memory alone (/dev/shm) and are mapped: the rest the system gives up by itself when in need.
    """
    pids = tuple(pids)
    most = sum(_sum(f"/proc/{pid}/status", _OWN) or 0 for pid in pids)
    return most if most <= limit else sum(_exactly(pid) for pid in pids)


def pause(room: int, cost: float) -> float:
    """The seconds to the next look at a tree that has so many bytes left, after a look that took `cost` seconds."""
    return max(_SHORTEST, min(_LONGEST, room / _FASTEST), cost * _SHARE)


def explain(limit: int) -> str:
    """What to say of an attempt that was killed for it."""
    return f"it used more memory than its limit of {format_size(limit)} (resources.memory)"


def _exactly(pid: int) -> int:
    """A figure that takes the kernel ten milliseconds for each GiB."""
    share = _sum(f"/proc/{pid}/smaps_rollup", _SHARED)
    return share if share is not None else _sum(f"/proc/{pid}/status", _OWN) or 0


def _sum(path: str, names: tuple[bytes, ...]) -> int | None:
    """The sum of some lines of a file of /proc, in bytes; None where it has none of them, or is gone or not ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(descriptor, 1 << 16)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    found = [line.split() for line in text.splitlines() if line.partition(b":")[0] in names]
    return sum(int(words[1]) << 10 for words in found) if found else None
