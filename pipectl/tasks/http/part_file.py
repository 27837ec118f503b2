"""Writes a file that appears only when it is complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipectl.tasks.own import Fault


@contextmanager
def part_file(path: str) -> Iterator[Callable[[bytes], None]]:
    """Gives what writes to the file, which is there, and on disk, when the block has ended well. Raises Fault.

    Folders are made. What an earlier attempt of the same task left when it was killed is overwritten.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise Fault(f"`save`: `{path}` is there, and no regular file")
    part = target.with_name(f".{target.name[:200]}.{os.environ.get('PIPECTL_IDEMPOTENCY_KEY', os.getpid())}.part")
    with _explained(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("wb", buffering=0)
    try:
        with file:
            yield _writer(file.fileno(), path)
            with _explained(path):
                os.fsync(file.fileno())
        with _explained(path):
            part.replace(target)
            _sync_folder(target.parent)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _writer(descriptor: int, path: str) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        rest = memoryview(data)
        with _explained(path):
            while rest:
                rest = rest[os.write(descriptor, rest) :]

    return write


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Fault(f"`save`: `{path}` cannot be written: {error.strerror}", type(error).__name__) from None
