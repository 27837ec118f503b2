"""Files that appear only when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipectl.tasks.own import Fault


@contextmanager
def part_of(path: str) -> Iterator[str]:
    """The path of a file to write in its place: it replaces it, on disk, when the block has ended well. Raises Fault.

    Folders are made; a file that is there keeps its mode. What an earlier attempt of the task left when it was killed
    is overwritten.
    """
    target = Path(os.path.realpath(path))
    mark = os.environ.get("PIPECTL_IDEMPOTENCY_KEY", os.getpid())
    part = target.with_name(f".{target.name[:200]}.{mark}.part")
    try:
        if target.exists() and not target.is_file():
            raise Fault(f"`save`: `{path}` is there and no regular file")
        target.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        if target.exists():
            part.chmod(target.stat().st_mode & 0o777)
        yield str(part)
        _sync(part)
        part.replace(target)
        _sync(target.parent)
    except OSError as error:
        raise Fault(f"`save`: `{path}` cannot be written: {error.strerror or error}", type(error).__name__) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
