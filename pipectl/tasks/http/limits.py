"""The time that a request may take: in all, and in silence.

A timeout of a socket bounds one wait for a byte, and so nothing where a server sends a byte now and then. An alarm
ends whatever the process waits for, name servers, handshakes and dripping headers included.
"""

from __future__ import annotations

import math
import signal
import time
from types import FrameType, TracebackType
from typing import Any

from pipectl.durations import format_duration

CONNECT = 30.0
SILENCE = 60.0


class TimeUp(BaseException):
    """The time is up, as the message says. No `Exception`, so that code which handles those does not swallow it."""


class TimeLimit:
    """Raises TimeUp in the main thread when the `seconds` in all, or those allowed for a step, are over.

    It owns SIGALRM while it is entered.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._end = math.inf if seconds is None else time.monotonic() + seconds
        self._message = ""
        self._before: Any = None

    def __enter__(self) -> TimeLimit:
        self._before = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if self._before is None else self._before)

    def allow(self, seconds: float = math.inf, otherwise: str = "", hint: str = "") -> None:
        """Lets the step that begins now take so many seconds; `otherwise` says what it means when they are over."""
        left = self._end - time.monotonic()
        if seconds < left:
            self._message = f"{otherwise} for {format_duration(seconds)}{hint}"
        else:
            self._message = f"it took longer than its `timeout` of {format_duration(self.seconds or 0.0)}"
        wait = max(min(seconds, left), 0.001)
        signal.setitimer(signal.ITIMER_REAL, 0 if wait == math.inf else wait, 1.0)  # again, should one be swallowed

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        raise TimeUp(self._message)
