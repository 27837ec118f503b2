"""Reads the files that a pipeline is made of, and says in the author's words why one cannot be read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipectl.errors import PipelineError, Problem
from pipectl.spec.compose import MAX_BYTES, decode
from pipectl.spec.source import Part
from pipectl.spec.words import did_you_mean


def read_text(path: str, shown: str) -> tuple[str, str]:
    """The text of a file and the SHA-256 of its bytes. Raises PipelineError, which names the file as `shown`."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)  # a device may never end
    except FileNotFoundError:
        raise PipelineError([Problem(shown, 0, 0, "no such file", _near_file(Path(path), Path(shown)))]) from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise PipelineError([Problem(shown, 0, 0, f"the file cannot be read: {reason}")]) from None
    return decode(raw, shown), hashlib.sha256(raw).hexdigest()


def not_a_file(entry: Part, path: Path) -> Problem | None:
    """What keeps the path that `entry` names from being a file, if anything does."""
    if "\0" in entry.value:
        return entry.problem("a path holds no NUL")
    try:
        if path.is_dir():
            return entry.problem(f"`{entry.value}` is a folder", "name the file in it")
        if not path.exists():
            return entry.problem(f"no such file: `{entry.value}`", _near_file(path, Path(entry.value)))
    except OSError as error:
        return entry.problem(f"`{entry.value}` cannot be read: {(error.strerror or str(error)).lower()}")
    return None


def _near_file(path: Path, written: Path) -> str:
    """The hint that names a file beside `path` whose name is near to it, in the way it was `written`; or nothing."""
    try:
        names = sorted(file.name for file in path.parent.iterdir() if file.is_file())
    except (OSError, ValueError):
        return ""
    return did_you_mean(str(written), [str(written.with_name(name)) for name in names]) if written.name else ""
