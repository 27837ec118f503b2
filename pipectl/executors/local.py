"""Runs attempts on this machine: spawns them, takes what they print, ends whole trees; in one thread, by one loop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipectl.durations import format_duration
from pipectl.errors import InternalError, StateError
from pipectl.executors.attempt import Attempt
from pipectl.executors.descendants import Descendants
from pipectl.executors.groups import Groups
from pipectl.executors.guard import Guard
from pipectl.executors.loop import NEVER, Loop
from pipectl.executors.platform import is_portable
from pipectl.executors.pump import Pipe
from pipectl.executors.spawn import Unstartable, inside, keep_descriptors, spawn
from pipectl.masking import Masker
from pipectl.model import Call, Cause, Job, Outcome

if TYPE_CHECKING:
    from pipectl.executors.calls import Calls

_LOOK_AGAIN = 0.02
_LONGEST_END = 10.0


class LocalExecutor:
    """The executor of one run, in the main thread of its process, whose children are all the run's while it is open.

    `scratch` is an existing folder for files of running attempts; `logs` the folder of the run's logs, made when first
    needed. `on_output` is told what each attempt prints, masked. With `sync` a log file is on disk before its Outcome
    is given. `portable` uses only what every POSIX system has, and keeps no limits of memory.
    """

    def __init__(
        self,
        *,
        scratch: Path,
        logs: Path,
        masker: Masker,
        on_output: Callable[[str, int, bytes], None],
        run_id: str,
        sync: bool = True,
        portable: bool | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._scratch = scratch
        self._logs = logs
        self._masker = masker
        self._on_output = on_output
        self._sync = sync
        self._portable = is_portable() if portable is None else portable
        self._trees: Descendants | Groups = Groups(run_id, guard) if self._portable else Descendants(run_id)
        keep_descriptors()
        self._loop = Loop()
        self._calls: Calls | None = None
        self._running: dict[str, Attempt] = {}
        self._ended: list[Outcome] = []
        self._left_open: set[Pipe] = set()
        self._closed = False

    def start(self, job: Job) -> None:
        """Begins the attempt; that it cannot be started is an Outcome too. Raises StateError if its files fail."""
        attempt = self._running[job.instance] = Attempt(job, self._scratch, self._logs, time.monotonic())
        try:
            self._begin(attempt)
        except Unstartable as problem:
            self._unstartable(attempt, str(problem))

    def attach(self, job: Job, handle: str) -> None:
        """Never called: no work of this executor lives elsewhere."""
        raise InternalError(f"a local attempt of `{job.instance}` has no handle, but was to be found by `{handle}`")

    def wait(self, timeout: float | None, wake: int | None = None) -> Sequence[Outcome]:
        """As `Executor.wait`."""
        self._loop.wake_by(wake)
        last = NEVER if timeout is None else time.monotonic() + timeout
        while not self._ended:
            due = min((attempt.due for attempt in self._running.values()), default=NEVER)
            woken = self._loop.turn(min(due, last))
            if self._loop.child_ended:
                self._ask_children()
            self._on_time()
            if woken or time.monotonic() >= last:
                break
        ended, self._ended = self._ended, []
        return ended

    def cancel(self, instance: str, *, at_once: bool = False) -> None:
        """As `Executor.cancel`."""
        attempt = self._running.get(instance)
        if attempt is None:
            return
        self._stop(attempt, Cause.CANCELLED)
        if at_once and not attempt.killed:
            self._kill(attempt)

    def close(self) -> None:
        """Ends everything that is left, at once, and gives no Outcome of it. May be called again."""
        if self._closed:
            return
        self._closed = True
        if self._calls:
            self._calls.close()
        running = list(self._running.values())
        for attempt in running:
            if attempt.pid and attempt.status is None:
                self._trees.kill(attempt.pid)
        last = time.monotonic() + _LONGEST_END
        while any(not _is_dead(attempt) for attempt in running) or not self._trees.close():
            if time.monotonic() > last:
                break
            time.sleep(0.001)
        for pipe in (*self._left_open, *(pipe for attempt in running for pipe in attempt.pipes)):
            pipe.close()
        for attempt in running:
            with suppress(StateError):
                attempt.log.close(sync=False)
            attempt.outcome()
        self._loop.close()

    def _begin(self, attempt: Attempt) -> None:
        job = attempt.job
        attempt.prepare(self._masker, partial(self._on_output, job.instance, job.attempt))
        for pipe in attempt.pipes:
            self._loop.watch(pipe, partial(self._pump, pipe))
        if not isinstance(job.work, Call):
            argv = attempt.argv(job.work)
            with inside(job.cwd):
                pid = spawn(argv, attempt.env, attempt.writers)
            self._began(attempt, pid)
        elif self._portable:
            self._python().begin_cold(attempt, job.work)
        else:
            self._python().begin(attempt, job.work)

    def _python(self) -> Calls:
        """Loaded when first needed: a run without Python tasks does without sockets."""
        if self._calls is None:
            from pipectl.executors.calls import Calls

            self._calls = Calls(self._loop, self._trees, began=self._began, failed=self._unstartable)
        return self._calls

    def _began(self, attempt: Attempt, pid: int) -> None:
        attempt.pid = pid
        self._trees.add(pid, attempt.job)
        for pipe in attempt.pipes:
            pipe.close_writer()
        if attempt.stopping:
            self._signal(attempt)
        if attempt.job.memory is not None and not self._portable:
            self._weigh(attempt, attempt.job.memory)
        if isinstance(attempt.job.work, Call):
            self._loop.child_ended = True  # it may have ended before it was known

    def _ask_children(self) -> None:
        self._loop.child_ended = False
        ended = [a for a in self._running.values() if a.status is not None or (a.pid and a.poll())]
        for attempt in ended:
            self._settle(attempt)
        if not ended:
            self._trees.orphans()

    def _on_time(self) -> None:
        now = time.monotonic()
        for attempt in [attempt for attempt in self._running.values() if attempt.due <= now]:
            if now >= attempt.spill_at:
                attempt.spill_at = NEVER
                attempt.log.spill()
            if now >= attempt.timeout_at:
                self._stop(attempt, Cause.TIMEOUT)
            if now >= attempt.kill_at:
                self._kill(attempt)
            elif now >= attempt.look_at:
                self._look(attempt)
            elif now >= attempt.weigh_at and attempt.job.memory is not None:
                self._weigh(attempt, attempt.job.memory)

    def _look(self, attempt: Attempt) -> None:
        """What was killed or told to end may be gone without a word: a process that is no child of ours."""
        attempt.look_at = NEVER
        if attempt.status is None:
            self._kill(attempt)
        else:
            self._settle(attempt)

    def _weigh(self, attempt: Attempt, limit: int) -> None:
        """Kills what uses more memory than its limit; else says when to look again."""
        from pipectl.executors import memory  # what a run without limits need not import

        attempt.weigh_at = NEVER
        if attempt.status is not None or attempt.killed:
            return
        begun = time.monotonic()
        used = memory.used(self._trees.members(attempt.pid), limit)
        if used <= limit:
            now = time.monotonic()
            attempt.weigh_at = now + memory.pause(limit - used, now - begun)
            return
        if not attempt.stopping:
            attempt.cause = Cause.MEMORY
            attempt.error = memory.explain(limit)
        self._kill(attempt)

    def _pump(self, pipe: Pipe) -> None:
        if pipe.pump() == 0:
            self._loop.forget(pipe)
            pipe.close()

    def _stop(self, attempt: Attempt, cause: Cause) -> None:
        """Tells it to end; what has not done so after its grace is killed."""
        attempt.timeout_at = NEVER
        if attempt.stopping or attempt.status is not None:
            return
        attempt.cause = cause
        if cause is Cause.TIMEOUT:
            attempt.error = f"it ran longer than its time limit of {format_duration(attempt.job.timeout or 0.0)}"
        attempt.kill_at = time.monotonic() + attempt.job.grace
        if attempt.pid:
            self._signal(attempt)

    def _signal(self, attempt: Attempt) -> None:
        self._trees.signal(attempt.pid, signal.Signals[attempt.job.stop_signal])

    def _kill(self, attempt: Attempt) -> None:
        attempt.killed = True
        attempt.kill_at = NEVER
        if attempt.status is not None:
            self._settle(attempt)
            return
        attempt.look_at = time.monotonic() + _LOOK_AGAIN
        if attempt.pid:
            self._trees.kill(attempt.pid)
        else:
            self._python().kill_before_begin(attempt)

    def _settle(self, attempt: Attempt) -> None:
        """Its main process has ended: once nothing else is left of it, it is over."""
        now = time.monotonic()
        if not attempt.stopping and attempt.job.background:
            self._trees.spare(attempt.pid)
            left = False
        elif attempt.stopping and not attempt.killed:
            left = self._trees.remain(attempt.pid)
        else:
            attempt.give_up_at = min(attempt.give_up_at, now + _LONGEST_END)
            left = not self._trees.clean(attempt.pid) and now < attempt.give_up_at
        if left:
            attempt.look_at = now + _LOOK_AGAIN
        else:
            self._finish(attempt)

    def _unstartable(self, attempt: Attempt, error: str, printed: bytes = b"") -> None:
        if not attempt.stopping:
            attempt.cause = Cause.UNSTARTABLE
            attempt.error = self._masker.mask(error)
        if printed:
            shown = self._masker.mask_bytes(printed)
            attempt.log.write(shown)
            self._on_output(attempt.job.instance, attempt.job.attempt, shown)
        self._finish(attempt)

    def _finish(self, attempt: Attempt) -> None:
        keep = attempt.job.background and not attempt.stopping
        for pipe in attempt.pipes:
            self._loop.forget(pipe)
            pipe.drain(keep=keep)
            if pipe.reader >= 0:
                self._left_open.add(pipe)
                self._loop.watch(pipe, partial(self._pump, pipe))
        del self._running[attempt.job.instance]
        self._trees.remove(attempt.pid)
        attempt.log.close(sync=self._sync)
        self._ended.append(attempt.outcome())


def _is_dead(attempt: Attempt) -> bool:
    return not attempt.pid or attempt.status is not None or attempt.poll()
