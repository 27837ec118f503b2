"""What the executor's one thread waits on: descriptors, and the ends of child processes.

Ends are told by SIGCHLD through a self-pipe; then each running child is asked. This works on every POSIX system, and
for as many processes as one machine runs at once it costs no more than a descriptor for each.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Protocol

NEVER = math.inf


class HasDescriptor(Protocol):
    """What can be watched."""

    def fileno(self) -> int:
        """Its descriptor; -1 once closed."""
        ...


class Loop:
    """Calls back what is ready to be read. To be made in the main thread, whose SIGCHLD it takes until closed.

    `child_ended` is true when a child may have ended, and stays so until it is set to False.
    """

    def __init__(self) -> None:
        self.child_ended = False
        self._selector = selectors.DefaultSelector()
        self._wake: int | None = None
        self._told, self._tell = os.pipe()
        for descriptor in (self._told, self._tell):
            os.set_blocking(descriptor, False)
        self._selector.register(self._told, selectors.EVENT_READ, self._hear)
        self._handler_before = signal.signal(signal.SIGCHLD, _ignore)
        self._wakeup_before = signal.set_wakeup_fd(self._tell, warn_on_full_buffer=False)

    def watch(self, what: HasDescriptor, call: Callable[[], object]) -> None:
        """From here on `call` is called when `what` can be read; a true result wakes the caller of `turn`."""
        self._selector.register(what.fileno(), selectors.EVENT_READ, call)

    def forget(self, what: HasDescriptor) -> None:
        """Undoes `watch`; to be called before `what` is closed, and may be called again."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(what.fileno())

    def wake_by(self, descriptor: int | None) -> None:
        """From here on `turn` also returns when this can be read, instead of what was named before."""
        if descriptor == self._wake:
            return
        if self._wake is not None:
            with suppress(KeyError, OSError):
                self._selector.unregister(self._wake)
        if descriptor is not None:
            self._selector.register(descriptor, selectors.EVENT_READ, partial(bool, True))
        self._wake = descriptor

    def turn(self, until: float) -> bool:
        """Waits for what comes next, but not beyond this moment of the monotonic clock; true if a call said so."""
        if self.child_ended:
            pause: float | None = 0.0
        else:
            pause = None if until == NEVER else max(0.0, until - time.monotonic())
        woken = False
        for key, _ in self._selector.select(pause):
            if self._selector.get_map().get(key.fd) is key:  # else a call before this one has closed it
                woken |= bool(key.data())
        return woken

    def close(self) -> None:
        """Gives everything back, SIGCHLD too."""
        signal.set_wakeup_fd(self._wakeup_before)
        signal.signal(signal.SIGCHLD, self._handler_before)
        self._selector.close()
        os.close(self._told)
        os.close(self._tell)

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._told, 4096):
                self.child_ended = True


def _ignore(number: int, frame: FrameType | None) -> None:
    """Only a signal that has a handler reaches the self-pipe."""
