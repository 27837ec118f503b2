"""Attempts that run pipectl's own code: how it is called, and how it fails.

It runs in a worker like a user's Python, but with pipectl's interpreter and without the pipeline's folder on its path.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipectl.model import Call, Task

_STOP_SIGNALS = tuple(
    signal.Signals[f"SIG{name}"] for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "ABRT")
)  # what a `stop_signal` may be, as far as a program hears it


class Fault(Exception):
    """Ends the attempt with a sentence in place of a traceback; `kinds` and `retry_after` are those of `TaskFailed`."""

    pipectl_fault = True  # by this the worker knows it, which imports nothing of pipectl

    def __init__(self, message: str, *kinds: int | str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.kinds = kinds
        self.retry_after = retry_after


def own_call(task: Task, target: str, arguments: Mapping[str, Any]) -> Call:
    """The call of `module:function` with plain JSON arguments; the module is imported once for all its attempts."""
    payload = {"task": task.name, "call": target, "with": dict(arguments)}
    return Call(sys.executable, "", (target.partition(":")[0],), payload)


@contextmanager
def cleaning() -> Iterator[None]:
    """Makes a KeyboardInterrupt of the signal by which a time limit or a cancel ends an attempt.

    So what is to be undone can be undone: part files removed, statements cancelled on their server. Then it is over.
    """
    heard: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _STOP_SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(128 + heard[0] if heard else 130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
