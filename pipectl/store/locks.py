"""Locks that a living process holds: the kernel frees them when it dies, so none is ever stale.

A lock file is never removed while its run is kept: removing and making it anew would let two processes hold "the" lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipectl.errors import AlreadyRunning, StateError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class RunLock:
    """The right to change one run, held by its runner for as long as it lives."""

    def __init__(self, path: Path, run_id: str) -> None:
        self._path = path
        self._run_id = run_id
        self._fd = -1

    def acquire(self, patience: float = 0.0) -> None:
        """Takes the lock, waiting up to `patience` seconds. Raises AlreadyRunning, naming the holder."""
        try:
            self._fd = os.open(self._path, _FLAGS, 0o600)
        except OSError as error:
            raise StateError(f"the lock `{self._path}` cannot be made: {error.strerror}") from error
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    holder = os.pread(self._fd, 200, 0).decode(errors="replace").strip()
                    self.release()
                    raise AlreadyRunning(
                        f"run {self._run_id} is held by another runner{f' ({holder})' if holder else ''}",
                        f"follow it: `pipectl logs {self._run_id} --follow`; end it: `pipectl cancel {self._run_id}`",
                    ) from None
                time.sleep(0.02)
        os.ftruncate(self._fd, 0)
        # The parent is the guard, which hears signals; what a person reads here is whom to send one.
        os.pwrite(self._fd, f"process {os.getppid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n".encode(), 0)

    def discard(self) -> None:
        """Gives the lock up and removes its file: only for a run that never was."""
        self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Gives the lock up; does nothing where it is not held."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class WriterMutex:
    """One writer of the database at a time, over all processes: fair, without polling.

    Commits and checkpoints alike happen under it, so that no checkpoint can race a commit (the "WAL-reset bug" of
    SQLite up to 3.51.2, https://sqlite.org/wal.html).
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, _FLAGS, 0o600)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the mutex for the length of the block."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Closes the lock's file."""
        os.close(self._fd)
