"""What attempts print: taken from pipes, masked, told and kept, in bounded memory and without decoding."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pipectl.errors import StateError
from pipectl.masking import MaskStream

_IN_MEMORY = 1 << 16
_TAIL = 1 << 13
_READ = 1 << 16
_BIG_PIPE = 1 << 20
_SET_PIPE_SIZE: int | None = getattr(fcntl, "F_SETPIPE_SZ", None)

Sink = Callable[[bytes], None]


class Log:
    """The log of one attempt: in memory while it is short and young, then in `folder/file`.

    `file` is None until then. Methods raise StateError where the file cannot be written.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.size = 0
        self.file: str | None = None
        self._folder = folder
        self._name = name
        self._text = bytearray()
        self._limit = _IN_MEMORY
        self._descriptor = -1

    @property
    def text(self) -> bytes:
        """The whole log, or its end once it is in a file."""
        return bytes(self._text if self.file is None else self._text[-_TAIL:])

    def write(self, data: bytes) -> None:
        """Appends the bytes."""
        self.size += len(data)
        if self.file is None and self.size <= self._limit:
            self._text += data
            return
        try:
            if self.file is None:
                self._open()
                _write(self._descriptor, self._text)
            _write(self._descriptor, data)
        except OSError as fault:
            raise self._unwritable(fault) from fault
        self._text += data[-_TAIL:]
        if len(self._text) > 2 * _TAIL:
            del self._text[:-_TAIL]

    def spill(self) -> None:
        """From here on the log is kept in its file."""
        self._limit = 0
        if self._text:
            self.write(b"")

    def close(self, *, sync: bool) -> None:
        """Nothing more comes; with `sync` the file is on disk when this returns."""
        if self._descriptor < 0:
            return
        try:
            if sync:
                os.fsync(self._descriptor)
                _sync(self._folder)
                _sync(self._folder.parent)
        except OSError as fault:
            raise self._unwritable(fault) from fault
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            os.unlink(self._folder / self._name)  # noqa: PTH108  (of an earlier look of the same wait)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._folder / self._name, flags, 0o600)
        self.file = self._name

    def _unwritable(self, fault: OSError) -> StateError:
        return StateError(f"the log {self._folder / self._name} cannot be written: {fault.strerror}")


class LogStream:
    """Masks one stream of output, tells it and writes it to the log."""

    def __init__(self, log: Log, mask: MaskStream, tell: Sink) -> None:
        self._log = log
        self._mask = mask
        self._tell = tell

    def feed(self, data: bytes) -> None:
        """Takes what was read; takes b"" for the end of the stream."""
        shown = self._mask.feed(data) if data else self._mask.end()
        if shown:
            self._log.write(shown)
            self._tell(shown)


class Kept:
    """Keeps the first `limit` bytes of a stream as they are, and drops the rest."""

    def __init__(self, limit: int) -> None:
        self.data = b""
        self._room = limit

    def feed(self, data: bytes) -> None:
        """Takes what was read."""
        if self._room > 0:
            self.data += data[: self._room]
            self._room -= len(data)


class Pipe:
    """A pipe whose `writer` is for a process to be spawned, and whose other end is read here."""

    def __init__(self, *sinks: Sink) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self._sinks = sinks
        self._size = _READ

    def fileno(self) -> int:
        """The end to be read; -1 once closed."""
        return self.reader

    def pump(self) -> int:
        """Reads once and hands on what came; gives its size: 0 at the end, -1 where nothing is there yet."""
        try:
            data = os.read(self.reader, self._size)
        except BlockingIOError:
            return -1
        for sink in self._sinks:
            sink(data)
        if len(data) == _READ == self._size:
            self._widen()
        return len(data)

    def drain(self, *, keep: bool = False) -> None:
        """Reads what is there now, be there writers left or not, and ends the stream.

        With `keep` the pipe stays: what comes later can be read, and is dropped.
        """
        left = _BIG_PIPE
        while self.reader >= 0 and left > 0 and (size := self.pump()) > 0:
            left -= size
        for sink in self._sinks:
            sink(b"")
        self._sinks = ()
        if not keep:
            self.close()

    def close_writer(self) -> None:
        """To be called once the process has its own copy: else the end would never be seen."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def close(self) -> None:
        """Gives both ends back."""
        self.close_writer()
        if self.reader >= 0:
            os.close(self.reader)
            self.reader = -1

    def _widen(self) -> None:
        """A busy pipe gets more room, as far as the system allows."""
        self._size = _BIG_PIPE
        if _SET_PIPE_SIZE is not None:
            with suppress(OSError):
                fcntl.fcntl(self.reader, _SET_PIPE_SIZE, _BIG_PIPE)


def _write(descriptor: int, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
