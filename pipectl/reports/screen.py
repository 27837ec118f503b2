"""A terminal whose last rows are repainted, below lines that stay.

The cursor always rests at the start of the row below what is repainted, and is never hidden: so whatever becomes of
this process, the terminal is as usable as before, and the shell's prompt begins on a row of its own.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from pipectl.reports.cells import cells
from pipectl.reports.text import uncoloured

_AT_ONCE, _SHOWN = "\x1b[?2026h", "\x1b[?2026l"  # terminals that know it show all between them in one go
_CUT, _WRAP = "\x1b[?7l", "\x1b[?7h"
_CLEAR_LINE = "\x1b[K"
# Not from the first column: there a terminal may take it for clearing the whole screen, and keep what was on it.
_CLEAR_BELOW = f"{_CLEAR_LINE}\x1b[C\x1b[J\r"


class Screen:
    """Standard error, a terminal. Nothing waits for it but `close`; silent from the moment it is gone."""

    def __init__(self) -> None:
        self.silent = False
        self._drawn: list[str] = []
        self._unsent = b""
        self._descriptor = _reopened(sys.stderr.fileno())
        signal.signal(signal.SIGCONT, lambda *_: self._forget())

    def size(self) -> tuple[int, int]:
        """Columns and lines, as they are now."""
        with suppress(OSError):
            size = os.get_terminal_size(self._descriptor)
            if size.columns > 0 and size.lines > 0:
                return size.columns, size.lines
        return shutil.get_terminal_size()

    def ready(self) -> bool:
        """Whether the terminal has taken all that was painted, and would take more."""
        self._send()
        return not self.silent and not self._unsent and bool(select.select([], [self._descriptor], [], 0)[1])

    def in_front(self) -> bool:
        """Whether it is ours, and not the shell's that runs us in the background."""
        with suppress(OSError):
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        return True

    def paint(self, said: Sequence[str], region: Sequence[str]) -> None:
        """Adds lines that stay, and makes the rows below them those of `region`."""
        text = frame(self._drawn, said, region, self.size())
        self._drawn = list(region)
        if text:
            self._unsent += f"{_AT_ONCE}{text}{_SHOWN}".encode(sys.stderr.encoding, errors="replace")
            self._send()

    def close(self, said: Sequence[str] = ()) -> None:
        """Adds lines that stay, and leaves nothing below them. May be called again."""
        if self._descriptor < 0:
            return
        self.paint(said, [])
        while self._unsent and not self.silent:
            select.select([], [self._descriptor], [])
            self._send()
        signal.signal(signal.SIGCONT, signal.SIG_DFL)
        os.close(self._descriptor)
        self._descriptor = -1

    def _forget(self) -> None:
        """After a stop the shell has written below what we painted: that stays as it is."""
        self._drawn = []

    def _send(self) -> None:
        try:
            while self._unsent and not self.silent:
                self._unsent = self._unsent[os.write(self._descriptor, self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self.silent = True


def frame(drawn: Sequence[str], said: Sequence[str], region: Sequence[str], size: tuple[int, int]) -> str:
    """What a terminal of so many columns and lines is sent to show `said` and `region` in place of `drawn`.

    Empty where nothing changes. A terminal that became narrower has wrapped what was drawn, and it takes more rows.
    """
    columns, lines = size
    if not said and list(drawn) == list(region):
        return ""
    rows = [-(-max(1, cells(uncoloured(line))) // columns) for line in drawn]
    up = min(sum(rows), lines - 1)
    text = f"\x1b[{up}A\r" if up else "\r"
    if said or up != len(drawn):
        text += _CLEAR_BELOW + "".join(f"{line}\r\n" for line in said)
        drawn = []
    text += _CUT
    for number, line in enumerate(region):
        unchanged = number < len(drawn) and drawn[number] == line
        text += "\r\n" if unchanged else f"{line}{_CLEAR_LINE}\r\n"
    return text + _WRAP + (_CLEAR_BELOW if len(region) < len(drawn) else "")


def _reopened(descriptor: int) -> int:
    """The same terminal with flags of its own: that we do not wait for it must not be so for all who share it."""
    with suppress(OSError):
        return os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    return os.dup(descriptor)
