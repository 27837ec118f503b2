"""Begins the attempts of Python tasks: forked from warm processes, or each in a fresh one where that cannot be."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from pipectl.executors.attempt import Attempt
from pipectl.executors.descendants import Descendants
from pipectl.executors.groups import Groups
from pipectl.executors.loop import Loop
from pipectl.executors.spawn import Unstartable, check_fit, inside, spawn
from pipectl.executors.warm import Key, WarmProcess, as_descriptor, key_of, start_environment, worker_argv
from pipectl.model import Call


class Calls:
    """The warm processes of one run, made when first needed.

    `began` is told each attempt with its process id; `failed` each that cannot begin, why, and what was printed.
    """

    def __init__(
        self,
        loop: Loop,
        trees: Descendants | Groups,
        *,
        began: Callable[[Attempt, int], None],
        failed: Callable[[Attempt, str, bytes], None],
    ) -> None:
        self._loop = loop
        self._trees = trees
        self._began = began
        self._failed = failed
        self._warm: dict[Key, WarmProcess] = {}

    def begin(self, attempt: Attempt, call: Call) -> None:
        """Has the attempt forked from a warm process, which will tell its id. Raises Unstartable."""
        check_fit((), attempt.env)
        with inside(attempt.job.cwd):
            pass
        key = key_of(call, attempt.env)
        warm = self._warm.get(key) or self._warm_up(key)
        self._trees.unannounced += 1
        warm.request(attempt, call.payload)

    def begin_cold(self, attempt: Attempt, call: Call) -> None:
        """Starts a process for this attempt alone. Raises Unstartable."""
        request = as_descriptor({"payload": call.payload}, f"{attempt.base}.request")
        try:
            with inside(attempt.job.cwd):
                env = start_environment(call, attempt.env)
                pid = spawn(worker_argv(call, "--once", 3, 4), env, {**attempt.writers, 3: request})
        finally:
            os.close(request)
        self._began(attempt, pid)

    def kill_before_begin(self, attempt: Attempt) -> None:
        """Ends the warm process that was asked for the attempt; others that wait for it are asked for again."""
        for warm in self._warm.values():
            if attempt in warm.waiting.values():
                warm.kill()

    def close(self) -> None:
        """Ends the warm processes."""
        for warm in self._warm.values():
            self._end(warm)
        self._warm.clear()
        self._trees.unannounced = 0  # what was not announced by now never will be

    def _warm_up(self, key: Key) -> WarmProcess:
        with inside(key[1] or "/"):
            warm = self._warm[key] = WarmProcess(key)
        self._trees.add(warm.pid)
        self._loop.watch(warm.socket, partial(self._answered, key))
        self._loop.watch(warm.pipe, partial(self._hear, warm))
        return warm

    def _hear(self, warm: WarmProcess) -> None:
        if warm.pipe.pump() == 0:
            self._loop.forget(warm.pipe)
            warm.pipe.close()

    def _answered(self, key: Key) -> None:
        answers = self._warm[key].answers()
        if answers is None:
            self._lost(key)
            return
        for attempt, pid in answers:
            self._trees.unannounced -= 1
            if pid > 0:
                self._began(attempt, pid)
            else:
                self._failed(attempt, f"no process can be made: {os.strerror(-pid)}", b"")

    def _lost(self, key: Key) -> None:
        """The warm process is dead: what waits for it is asked for once more, of another."""
        warm = self._warm.pop(key)
        self._end(warm)
        for attempt in warm.waiting.values():
            self._trees.unannounced -= 1
            if attempt.stopping or attempt.asked_again:
                last = _last_line(warm.printed)
                self._failed(attempt, last or f"`{key[0]}` ended before it took the task", warm.printed)
                continue
            attempt.asked_again = True
            try:
                self.begin(attempt, _call_of(attempt))
            except Unstartable as problem:
                self._failed(attempt, str(problem), b"")

    def _end(self, warm: WarmProcess) -> None:
        self._loop.forget(warm.socket)
        self._loop.forget(warm.pipe)
        warm.kill()
        os.waitpid(warm.pid, 0)
        self._trees.remove(warm.pid)
        warm.pipe.drain()
        warm.close()


def _call_of(attempt: Attempt) -> Call:
    assert isinstance(attempt.job.work, Call)
    return attempt.job.work


def _last_line(printed: bytes) -> str:
    lines = printed.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
