"""Processes and what descends from them, seen through Linux's /proc."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """The living and dead children of the process, of all its threads; none if it is gone."""
    found: list[int] = []
    with suppress(OSError), os.scandir(f"/proc/{pid}/task") as threads:
        for thread in threads:
            found += thread_children(f"{thread.path}/children")
    return found


def thread_children(path: str) -> list[int]:
    """The process ids in a `children` file of /proc; none if it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        data = b""
        while chunk := os.read(descriptor, 1 << 16):
            data += chunk
    except OSError:
        return []
    finally:
        os.close(descriptor)
    return [int(pid) for pid in data.split()]


def descent(roots: Iterable[int]) -> list[int]:
    """The processes and all that descend from them, parents first."""
    found = list(dict.fromkeys(roots))
    seen = set(found)
    for pid in found:
        for child in children(pid):
            if child not in seen:
                seen.add(child)
                found.append(child)
    return found


def send(pid: int, signum: int) -> None:
    """Sends the signal, to a process that may be gone or not ours to end."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)


def end(roots: Iterable[int]) -> None:
    """Kills the trees: first all are stopped, until no new process appears, so that none escapes by a fork."""
    roots = list(roots)
    stopped: set[int] = set()
    while new := [pid for pid in descent(roots + list(stopped)) if pid not in stopped]:
        for pid in new:
            send(pid, signal.SIGSTOP)
        stopped.update(new)
    for pid in stopped:
        send(pid, signal.SIGKILL)


def environment(pid: int) -> frozenset[str]:
    """The `NAME=value` entries with which the process was started; none if they cannot be read."""
    try:
        return frozenset(os.fsdecode(Path(f"/proc/{pid}/environ").read_bytes()).split("\0"))
    except OSError:
        return frozenset()


def session(pid: int) -> int:
    """The process's session, 0 if it is gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def may_end(pid: int) -> bool:
    """Whether the process is there and ours to end."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def parent(pid: int) -> int:
    """The process's parent, 0 if it has none or is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def reap(pid: int) -> bool:
    """Lays the child to rest if it is dead; true if it was."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False
