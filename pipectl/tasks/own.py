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

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGTERM) from None
    finally:
        signal.signal(signal.SIGTERM, before)
