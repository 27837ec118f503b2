"""Python tasks start warm: forked from a process that has imported what they preload, each still alone in its own."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipectl.executors import tree
from pipectl.executors.attempt import Attempt
from pipectl.executors.pump import Pipe
from pipectl.executors.spawn import Unstartable, spawn
from pipectl.model import Call

WORKER = str(Path(__file__).parents[1] / "tasks" / "worker.py")
_REPLY = struct.Struct("=ii")
_UNANSWERED = 64  # more could fill the socket, and a runner that waits for a worker stands still
_KEPT = 1 << 13
_STARTUP_NAMES = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "PIPECTL_RUN_ID"})
_STARTUP_PREFIXES = (
    *("PYTHON", "LD_", "DYLD_", "LC_", "MALLOC_"),
    *("OMP_", "GOMP_", "KMP_", "OPENBLAS_", "MKL_", "BLIS_", "VECLIB_", "NUMEXPR_", "CUDA_"),
)

Key = tuple[str, str, tuple[str, ...], tuple[tuple[str, str], ...]]


def start_environment(call: Call, env: Mapping[str, str]) -> Mapping[str, str]:
    """What the interpreter of a call is started with: a task's settings for its own Python are not for pipectl's."""
    if call.folder:
        return env
    others = {name: value for name, value in env.items() if not name.startswith("PYTHON")}
    return others | {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}


def key_of(call: Call, env: Mapping[str, str]) -> Key:
    """Calls of one key can share a warm process: it holds what is read at start or at import, and nothing else."""
    env = start_environment(call, env)
    startup = ((n, env[n]) for n in sorted(env) if n in _STARTUP_NAMES or n.startswith(_STARTUP_PREFIXES))
    return call.interpreter, call.folder, call.preload, tuple(startup)


def worker_argv(call: Call, mode: str, *descriptors: int) -> tuple[str, ...]:
    """The command line of `tasks/worker.py`."""
    return (call.interpreter, "-u", WORKER, mode, *map(str, descriptors), call.folder, *call.preload)


def as_descriptor(document: Mapping[str, Any], path: str) -> int:
    """An open file without a name that holds the document as JSON: in memory, else made at `path`.

    Raises Unstartable.
    """
    try:
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("request")
        else:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            Path(path).unlink()
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(json.dumps(document).encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as fault:
        raise Unstartable(f"the call cannot be passed on: {fault.strerror}") from None
    return descriptor


class WarmProcess:
    """A Python process that forks an attempt at each request. `pid` is its own.

    `printed` is the end of what it said itself, by what it imported. Raises Unstartable.
    """

    def __init__(self, key: Key) -> None:
        interpreter, folder, preload, startup = key
        self.waiting: dict[int, Attempt] = {}
        self.printed = b""
        self.pipe = Pipe(self._keep)
        self.socket, theirs = socket.socketpair()
        self._unsent: deque[tuple[int, int, dict[int, int]]] = deque()
        self._unanswered = 0
        self._number = 0
        argv = worker_argv(Call(interpreter, folder, preload), "--serve", 3)
        try:
            with theirs:
                self.pid = spawn(argv, dict(startup), {1: self.pipe.writer, 2: self.pipe.writer, 3: theirs.fileno()})
        except BaseException:
            self.close()
            raise
        self.pipe.close_writer()

    def request(self, attempt: Attempt, payload: Mapping[str, Any]) -> None:
        """Asks for the attempt; `answers` will tell its process."""
        document = {"payload": payload, "env": attempt.env, "cwd": attempt.job.cwd}
        self._number += 1
        self.waiting[self._number] = attempt
        self._unsent.append((self._number, as_descriptor(document, f"{attempt.base}.request"), attempt.writers))
        self._send()

    def answers(self) -> list[tuple[Attempt, int]] | None:
        """The attempts that began, with their process id, or the negative error number of a fork; None: it is dead."""
        try:
            data = self.socket.recv(_UNANSWERED * _REPLY.size)
        except ConnectionError:
            data = b""
        if not data:
            return None
        replies = list(_REPLY.iter_unpack(data))
        self._unanswered -= len(replies)
        self._send()
        return [(self.waiting.pop(number), pid) for number, pid in replies]

    def kill(self) -> None:
        """Ends it, with what it may have started by importing."""
        tree.end([self.pid])

    def close(self) -> None:
        """Gives its descriptors back."""
        self.pipe.close()
        self.socket.close()
        for _, request, _ in self._unsent:
            os.close(request)
        self._unsent.clear()

    def _send(self) -> None:
        while self._unsent and self._unanswered < _UNANSWERED:
            number, request, writers = self._unsent.popleft()
            self._unanswered += 1
            try:
                socket.send_fds(self.socket, [struct.pack("=i", number)], [request, writers[1], writers[4]])
            except ConnectionError:
                pass  # the end of the socket tells
            finally:
                os.close(request)

    def _keep(self, data: bytes) -> None:
        self.printed = (self.printed + data)[-_KEPT:]
