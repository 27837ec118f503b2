"""What bounds an expression: the size of each value, the sum of all that it makes, and the time it takes.

A file may come from someone who is not trusted with the machine; and even an innocent `*` must not stall the runner,
which has one thread.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, TypeVar

from pipectl.template.errors import TemplateError

VALUE_LIMIT = 16 << 20
"""A value has at most this many characters as text."""

BUDGET = 4 * VALUE_LIMIT
"""All values that one evaluation makes have at most this many together."""

DIGITS_LIMIT = 4200
"""A whole number has at most this many digits: about what Python still prints."""

TIME_LIMIT = 2.0
PATTERN_TIME_LIMIT = 0.5

T = TypeVar("T")


class TooSlow(BaseException):
    """The time is up. No `Exception`, so that code which handles those does not swallow it."""


def size(value: object, limit: int = VALUE_LIMIT) -> int:
    """About how many characters the value has as text; counting ends beyond the limit.

    Values that share parts count them each time, as their text does.
    """
    total = 0
    pending: list[Any] = [value]
    while pending and total <= limit:
        item = pending.pop()
        if isinstance(item, str):
            total += len(item) + 2
        elif isinstance(item, (list, tuple, Mapping)):
            total += 2 + 2 * len(item)
            if total <= limit:
                pending.extend(item)
                if isinstance(item, Mapping):
                    pending.extend(item.values())
        else:
            total += item.bit_length() // 3 if isinstance(item, int) else 4
    return total


def allow(characters: float) -> None:
    """Raises TemplateError if a value of so many characters is too large; to be asked before it is made."""
    if characters > VALUE_LIMIT:
        raise TemplateError(f"a value becomes larger than {VALUE_LIMIT >> 20} MiB")


def allow_digits(bits: float) -> None:
    """Raises TemplateError if a whole number of so many bits is too large."""
    if bits * 0.30103 > DIGITS_LIMIT:
        raise TemplateError(f"a number becomes longer than {DIGITS_LIMIT:,} digits")


class Budget:
    """What an evaluation may still make."""

    def __init__(self) -> None:
        self.left = BUDGET

    def charge(self, value: T) -> T:
        """The value itself, counted; raises TemplateError where it, or all until now, is too large."""
        if value is None or isinstance(value, (bool, float)):
            return value
        characters = size(value)
        allow(characters)
        self.left -= characters
        if self.left < 0:
            raise TemplateError(f"the expression makes values of more than {BUDGET >> 20} MiB in all")
        return value


def within(seconds: float, compute: Callable[[], T]) -> T:
    """The result of `compute`; raises TooSlow when the time is up.

    Only the main thread can be interrupted: elsewhere there is no bound. The timer and handler of SIGALRM that were
    there before come back.
    """
    if threading.current_thread() is not threading.main_thread():
        return compute()
    handler = signal.signal(signal.SIGALRM, _time_is_up)
    started = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        return _interruptible(compute)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - started)), interval)


def _interruptible(compute: Callable[[], T]) -> T:
    return compute()


def _time_is_up(_number: int, frame: FrameType | None) -> None:
    # Raised only below `_interruptible`: an alarm that comes while the timer is being put away must not escape.
    while frame is not None:
        if frame.f_code is _interruptible.__code__:
            raise TooSlow
        frame = frame.f_back
