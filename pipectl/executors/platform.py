"""What the operating system offers for looking after processes."""

from __future__ import annotations

import functools
import os
import resource
import sys
from pathlib import Path

_SET_CHILD_SUBREAPER = 36
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@functools.cache
def is_portable() -> bool:
    """Whether only what every POSIX system has is used: elsewhere than on Linux, or if PIPECTL_PORTABLE is 1.

    Then whole trees cannot be seen: process groups and the marker in the environment take their place, and Python
    tasks start cold.
    """
    if sys.platform != "linux" or os.environ.get("PIPECTL_PORTABLE") == "1":
        return True
    return not Path(f"/proc/self/task/{os.getpid()}/children").exists()


def set_subreaper(on: bool) -> None:
    """From here on orphaned descendants of this process fall to it, or again to an ancestor. Linux only."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_CHILD_SUBREAPER, int(on), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def peak_memory(usage: resource.struct_rusage) -> int | None:
    """The largest resident memory of one of the processes, in bytes.

    A spawned process begins with its parent's figure, so what is not above our own is unknown.
    """
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage.ru_maxrss * _RSS_UNIT if usage.ru_maxrss > own else None
