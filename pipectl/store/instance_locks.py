"""Who of several runs does a cached instance anew: a byte of one file for each, which the kernel frees with its holder.

So no run takes for good what another is only writing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from pipectl.errors import StateError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class InstanceLocks:
    """The instances of one pipeline that this process does. The file is to be opened nowhere else in it."""

    def __init__(self, folder: Path, pipeline: str) -> None:
        self._pipeline = pipeline
        try:
            self._file = os.open(folder / "cached.lock", _FLAGS, 0o600)
        except OSError as error:
            raise StateError(f"the lock `{folder / 'cached.lock'}` cannot be made: {error.strerror}") from error

    def take(self, instance: str) -> bool:
        """Whether nobody else does the instance now; it is this process's then, and may be already."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._place(instance))
        except (BlockingIOError, PermissionError):
            return False
        return True

    def free(self, instance: str) -> None:
        """Lets others do it, if it was this process's."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._place(instance))

    def close(self) -> None:
        """Lets others do all of them."""
        os.close(self._file)

    def _place(self, instance: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self._pipeline}/{instance}".encode()).digest()[:7])
