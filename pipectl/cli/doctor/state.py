"""What `doctor` looks at in a state: where it lies, who may read it, and whether it is sound."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from pipectl.cli.doctor.check import Check
from pipectl.cli.state_option import state_option
from pipectl.errors import StateError, UsageError
from pipectl.model import RunState
from pipectl.reports.text import listed
from pipectl.store.folder import file_system, has_state, is_remote, nearest, of_pipeline
from pipectl.store.store import Store

_LITTLE_SPACE = 1 << 30
_LARGE_LOG = 64 << 20
_MOST_RUNS = 5
_PARTS = ("state.db", "state.db-wal", "locks", "logs", "runs", "tmp")


def checks(file: Path | None, option: str | None) -> Iterator[Check]:
    """The state of a pipeline file, else the nearest."""
    try:
        folder = _folder(file, option)
        found = has_state(folder)
    except StateError as error:
        yield Check("state", "error", error.message, error.hint)
        return
    if option and not found and file is None:
        yield Check(
            "state",
            "warning",
            f"there is none in {folder}",
            f"`pipectl run FILE --state {shlex.quote(option)}` makes one",
        )
    else:
        yield Check("state", "ok", f"{folder}" if found else f"there is none yet in {folder}")
    yield _place(folder)
    yield _space(folder)
    yield _writable(folder)
    if found:
        yield _access(folder)
        yield _log(folder)
        yield from _contents(folder)


def _folder(file: Path | None, option: str | None) -> Path:
    here = Path.cwd() if file is None else file.parent.resolve()
    try:
        return nearest(option) if file is None else of_pipeline(str(here), option)
    except UsageError:
        return of_pipeline(str(here), option)


def _writable(folder: Path) -> Check:
    """Whether a run could write to the state, or make it; as far as that can be told without writing."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    blocked = next((path for path in (there, *(folder / name for name in _PARTS)) if not _may_write(path)), None)
    if not there.is_dir():
        why = f"`{there}` is not a folder"
    elif os.statvfs(there).f_flag & os.ST_RDONLY:
        why = f"`{there}` is on a file system that is mounted read-only"
    elif blocked is not None:
        why = f"`{blocked}` cannot be written to: permission denied"
    else:
        return Check("writable", "ok", "it can be written to" if there == folder else "it can be made")
    return Check("writable", "error", why, "name a folder that you may write to: `--state DIR`")


def _may_write(path: Path) -> bool:
    return not path.exists() or os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0))


def _place(folder: Path) -> Check:
    kind = file_system(folder)
    if is_remote(kind):
        message = f"the state is on a network file system ({kind}), where SQLite loses data"
        return Check("file system", "error", message, "keep it on a local disk: `--state DIR` or PIPECTL_STATE")
    return Check("file system", "ok", f"{kind or 'of unknown type'}, not one of a network")


def _space(folder: Path) -> Check:
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if free < _LITTLE_SPACE:
        return Check("space", "warning", f"only {_size(free)} are free", "make room: a run ends where it cannot write")
    return Check("space", "ok", f"{_size(free)} are free")


def _access(folder: Path) -> Check:
    open_to_others, foreign = [], []
    for path in (folder, *(folder / name for name in _PARTS)):
        try:
            found = path.stat()
        except OSError:
            continue
        if stat.S_IMODE(found.st_mode) & 0o077:
            open_to_others.append(path)
        if found.st_uid != os.geteuid():
            foreign.append(path)
    if foreign:
        return Check(
            "access", "error", f"`{foreign[0]}` belongs to another user", "use a state of your own: `--state DIR`"
        )
    if open_to_others:
        message = f"`{open_to_others[0]}` can be read by others, and logs may hold what is not for them"
        return Check("access", "warning", message, f"`chmod -R go= {shlex.quote(str(folder.resolve()))}`")
    return Check("access", "ok", "only its owner can read it")


def _contents(folder: Path) -> Iterator[Check]:
    try:
        store = Store.open_for_reading(folder)
        faults = store.faults()
        if faults:
            hint = "keep a copy of the folder, then move it away to start anew"
            yield Check("soundness", "error", f"the state is damaged: {faults[0]}", hint)
        else:
            yield Check("soundness", "ok", "the database is sound")
        yield from _runs(store)
    except UsageError:
        yield Check("soundness", "ok", "the state is still empty")
    except StateError as error:
        yield Check("soundness", "error", error.message, error.hint)


def _log(folder: Path) -> Check:
    """The write-ahead log, which the next run folds into the file where the last one was killed."""
    try:
        size = (folder / "state.db-wal").lstat().st_size
    except OSError:
        size = 0
    whole = f"state.db has {_size((folder / 'state.db').lstat().st_size)}, its log {_size(size)}"
    if size > _LARGE_LOG:
        return Check("size", "warning", whole, "the next run folds the log into the file")
    return Check("size", "ok", whole)


def _runs(store: Store) -> Iterator[Check]:
    unfinished = list(store.runs(unfinished=True))
    going_on = [run for run in unfinished if run.state is RunState.RUNNING]
    if going_on:
        yield Check("runs", "ok", f"{len(going_on)} going on: {listed([run.id for run in going_on], _MOST_RUNS)}")
    option = state_option(store.folder)
    interrupted = [run for run in unfinished if run.state is RunState.INTERRUPTED]
    for run in interrupted[:_MOST_RUNS]:
        yield Check(
            "runs", "warning", f"run {run.id} of {run.pipeline} was interrupted", f"`pipectl resume {run.id}{option}`"
        )
    others = len(interrupted) - _MOST_RUNS
    if others > 0:
        yield Check("runs", "warning", f"{others} others were interrupted too", f"`pipectl runs{option}` lists them")
    if not going_on and not interrupted:
        yield Check("runs", "ok", "none is going on or was interrupted")


def _size(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
