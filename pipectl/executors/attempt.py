"""One attempt while it exists: its files, its pipes, its clock."""

from __future__ import annotations

import os
import resource
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipectl.errors import StateError
from pipectl.executors.loop import NEVER
from pipectl.executors.platform import peak_memory
from pipectl.executors.pump import Kept, Log, LogStream, Pipe
from pipectl.executors.spawn import Unstartable
from pipectl.labels import file_label
from pipectl.masking import Masker
from pipectl.model import OUTPUT_LIMIT, Call, Cause, Command, Job, Outcome

_YOUNG = 1.0
_ENVELOPE = 64


class Attempt:
    """What an executor knows of a running attempt. `pid` is 0 until its process is known.

    `writers` are the pipes' ends by the descriptor that each is for in the process: a command's 1 and 2; a call's also
    4, for its result. `base` is the beginning of the paths of its files.

    The times are of the monotonic clock: `spill_at` is when its log goes to a file, `timeout_at` its time limit,
    `kill_at` when what is left of it is killed, `look_at` when it is to be looked at in any case, `weigh_at` when at
    the memory that it uses.
    """

    def __init__(self, job: Job, scratch: Path, logs: Path, now: float) -> None:
        self.job = job
        self.pid = 0
        self.cause = Cause.EXITED
        self.error: str | None = None
        self.status: int | None = None
        self.killed = False
        self.asked_again = False
        self.env: dict[str, str] = {}
        self.pipes: list[Pipe] = []
        self.writers: dict[int, int] = {}
        label = file_label(job.instance, job.attempt)
        self.log = Log(logs, f"{label}.log")
        self.spill_at = now + _YOUNG
        self.timeout_at = NEVER if job.timeout is None else now + job.timeout
        self.kill_at = NEVER
        self.look_at = NEVER
        self.weigh_at = NEVER
        self.give_up_at = NEVER
        self.base = f"{scratch}/{label}"
        self._written: list[str] = []
        self._stdout: Kept | None = None
        self._result: Kept | None = None
        self._memory: int | None = None

    @property
    def due(self) -> float:
        """The next moment at which something is to be done about it."""
        return min(self.spill_at, self.timeout_at, self.kill_at, self.look_at, self.weigh_at)

    @property
    def stopping(self) -> bool:
        """Whether it is being ended."""
        return self.cause is not Cause.EXITED

    def prepare(self, masker: Masker, tell: Callable[[bytes], None]) -> None:
        """Makes its pipes, its environment and the file of its inputs. Raises Unstartable or StateError."""
        try:
            self._open_pipes(masker, tell)
        except OSError as fault:
            raise Unstartable(f"no pipe can be made: {fault.strerror}") from None
        self.env = {**self.job.env, "PIPECTL_OUTPUT": f"{self.base}.out"}
        if self.job.inputs is not None:
            self.env["PIPECTL_INPUTS"] = self._write(".in.json", self.job.inputs, 0o600)

    def argv(self, command: Command) -> tuple[str, ...]:
        """The command's arguments, with the file of its script."""
        if command.script is None:
            return command.argv
        return (*command.argv, self._write(".script", command.script, 0o700))

    def poll(self) -> bool:
        """Whether its main process has ended: not to be asked again then. Reaped elsewhere counts as ended with 0."""
        try:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status, usage = self.pid, 0, resource.getrusage(resource.RUSAGE_SELF)
        if pid:
            self.status = status
            self._memory = peak_memory(usage)
        return bool(pid)

    def outcome(self) -> Outcome:
        """How it ended; its files are gone when this returns."""
        code = None if self.status is None else os.waitstatus_to_exitcode(self.status)
        output = self._take_output(f"{self.base}.out")
        for path in self._written:
            with suppress(OSError):
                Path(path).unlink()
        return Outcome(
            instance=self.job.instance,
            attempt=self.job.attempt,
            cause=self.cause,
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            error=self.error,
            stdout=self._stdout.data if self._stdout else None,
            output=output,
            result=self._result.data or None if self._result else None,
            log=self.log.text,
            log_file=self.log.file,
            log_size=self.log.size,
            max_rss=self._memory,
        )

    def _take_output(self, path: str) -> bytes | None:
        """What the task left in its output file, which is gone then; None if it made none, or no file (an error)."""
        try:
            kind = os.lstat(path).st_mode
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(kind):
            self.error = "what the task left at $PIPECTL_OUTPUT is no file"
            shutil.rmtree(path) if stat.S_ISDIR(kind) else os.unlink(path)  # noqa: PTH108
            return None
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                return file.read(OUTPUT_LIMIT + 1)
        except OSError as fault:
            self.error = f"what the task left at $PIPECTL_OUTPUT cannot be read: {fault.strerror}"
            return None
        finally:
            os.unlink(path)  # noqa: PTH108

    def _open_pipes(self, masker: Masker, tell: Callable[[bytes], None]) -> None:
        def stream() -> Callable[[bytes], None]:
            return LogStream(self.log, masker.stream(), tell).feed

        log = self._pipe(stream())
        self.writers = {1: log.writer, 2: log.writer}
        if isinstance(self.job.work, Call):
            self._result = Kept(OUTPUT_LIMIT + _ENVELOPE)
            self.writers[4] = self._pipe(self._result.feed).writer
        elif self.job.work.capture:
            self._stdout = Kept(OUTPUT_LIMIT + 1)
            self.writers[1] = self._pipe(stream(), self._stdout.feed).writer

    def _pipe(self, *sinks: Callable[[bytes], None]) -> Pipe:
        self.pipes.append(pipe := Pipe(*sinks))
        return pipe

    def _write(self, ending: str, text: str, mode: int) -> str:
        path = self.base + ending
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            self._written.append(path)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
                file.write(text)
        except OSError as fault:
            raise StateError(f"{path} cannot be written: {fault.strerror}") from fault
        return path
