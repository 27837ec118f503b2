"""The process behind the runner, which outlives it: it alone hears signals, and ends what a killed runner leaves."""

from __future__ import annotations

import os
import select
import signal
import struct
import time
from contextlib import suppress
from typing import NoReturn

from pipectl.executors import tree
from pipectl.executors.platform import is_portable, set_subreaper

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_APART = 0.3
_NOTE = struct.Struct("=i")


class GuardDied(Exception):
    """Nobody stands behind the runner any more: it ends its attempts and leaves with exit code 137."""


class Guard:
    """The runner's view of its guard. `fileno()` is readable when a signal came or the guard died."""

    def __init__(self, news: int, notes: int | None) -> None:
        self._news = news
        self._notes = notes

    def fileno(self) -> int:
        """For waiting on."""
        return self._news

    def arm(self) -> None:
        """From here on signals no longer end this process but are told by `signals`."""
        for signum in HEARD:
            signal.signal(signum, signal.SIG_IGN)

    def signals(self) -> list[int]:
        """The signals that came since, by number; a repetition within 300 ms is none. Raises GuardDied."""
        heard: list[int] = []
        with suppress(BlockingIOError):
            while data := os.read(self._news, 64):
                heard += data
            raise GuardDied
        return heard

    def started(self, group: int) -> None:
        """If the runner is killed, this process group is to be ended. Without effect where the guard sees trees."""
        self._note(group)

    def ended(self, group: int) -> None:
        """The process group is gone."""
        self._note(-group)

    def _note(self, number: int) -> None:
        if self._notes is not None:
            with suppress(BrokenPipeError):
                os.write(self._notes, _NOTE.pack(number))


def stand_guard(*, portable: bool | None = None) -> Guard:
    """Forks; returns in the child, the runner, which signals end as usual until it arms its guard.

    The parent stays, passes signals on to the runner and leaves with its exit code, or 128 and the number of the
    signal that killed it. Then it first ends every process that the runner left: by their descent or, where `portable`,
    by the process groups it was told. To be called before there are threads, and before descriptors are opened.
    """
    portable = is_portable() if portable is None else portable
    _hold_standard_descriptors()
    news, tell = os.pipe()
    notes, note = os.pipe() if portable else (None, None)
    # Signals wait until each side is ready for them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*HEARD, signal.SIGCHLD))
    runner = os.fork()
    if runner:
        os.close(news)
        if note is not None:
            os.close(note)
        _watch(runner, tell, notes, before)
    os.close(tell)
    if notes is not None:
        os.close(notes)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.set_blocking(news, False)
    return Guard(news, note)


def _watch(runner: int, tell: int, notes: int | None, mask: set[signal.Signals] | set[int]) -> NoReturn:
    """The guard's life."""
    code = 70
    try:
        if notes is None:
            set_subreaper(True)
        else:
            os.set_blocking(notes, False)
        groups: set[int] = set()
        status = _listen(runner, tell, notes, groups, mask)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            code = 128 - code
            _end_groups(groups) if notes is not None else _end_descendants()
    finally:
        os._exit(code)


def _listen(runner: int, tell: int, notes: int | None, groups: set[int], mask: set[signal.Signals] | set[int]) -> int:
    """Passes on signals until the runner has ended; gives its status."""
    wakeup = _hear(mask)
    os.set_blocking(tell, False)
    last = -_APART
    while True:
        ready, _, _ = select.select([wakeup, *([notes] if notes is not None else [])], [], [])
        if notes in ready and notes is not None and not _take_notes(notes, groups):
            notes = None
        for signum in os.read(wakeup, 512) if wakeup in ready else b"":
            if signum == signal.SIGCHLD:
                ended, status = os.waitpid(runner, os.WNOHANG)
                if ended:
                    if notes is not None:
                        _take_notes(notes, groups)
                    return status
            elif (now := time.monotonic()) - last >= _APART:
                last = now
                with suppress(OSError):
                    os.write(tell, bytes([signum]))
                    os.kill(runner, signum)  # ends it while it is not armed yet


def _hear(mask: set[signal.Signals] | set[int]) -> int:
    """From here on each signal is a byte to read; those that our caller ignores stay ignored."""
    wakeup, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for signum in (*HEARD, signal.SIGCHLD):
        if signum == signal.SIGCHLD or signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return wakeup


def _take_notes(notes: int, groups: set[int]) -> bool:
    """Notes the groups that began and ended; false once the runner closed its end."""
    with suppress(BlockingIOError):
        while data := os.read(notes, 1024 * _NOTE.size):
            for (number,) in _NOTE.iter_unpack(data):
                groups.add(number) if number > 0 else groups.discard(-number)
        return False
    return True


def _end_groups(groups: set[int]) -> None:
    for group in groups:
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)


def _end_descendants() -> None:
    """Whatever the runner had below it has fallen to this process."""
    while left := [pid for pid in tree.children(os.getpid()) if not tree.reap(pid) and tree.may_end(pid)]:
        tree.end(left)
        time.sleep(0.001)


def _hold_standard_descriptors() -> None:
    """A program started without some of them would open its files in their places, and then print there."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
