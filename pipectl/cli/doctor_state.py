"""What `doctor` looks at in a state: where it lies, who may read it, and whether it is sound."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from pipectl.cli.doctor_check import Check
from pipectl.cli.state_option import state_option
from pipectl.errors import StateError, UsageError
from pipectl.model import RunState
from pipectl.store.folder import file_system, has_state, is_remote, nearest, of_pipeline
from pipectl.store.store import Store

_LITTLE_SPACE = 1 << 30
_LARGE_LOG = 64 << 20


def checks(file: Path | None, option: str | None) -> Iterator[Check]:
    """The state of a pipeline file, else the nearest. Raises UsageError where one is named that is not there."""
    if file is not None:
        folder = of_pipeline(str(file.parent.resolve()), option)
    else:
        try:
            folder = nearest(option)
        except UsageError:
            if option:
                raise
            folder = Path.cwd() / ".pipectl"
    try:
        found = has_state(folder)
    except StateError as error:
        yield Check("state", "error", error.message, error.hint)
        return
    yield Check("state", "ok", f"{folder}" if found else f"there is none yet in {folder}")
    yield _place(folder)
    yield _space(folder)
    if found:
        yield _access(folder)
        yield _log(folder)
        yield from _contents(folder)


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
    for path in (folder, *(folder / name for name in ("state.db", "state.db-wal", "locks", "logs", "runs", "tmp"))):
        try:
            found = path.lstat()
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
        return Check("access", "warning", message, f"`chmod -R go= {shlex.quote(str(folder))}`")
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
        yield Check("runs", "ok", f"{len(going_on)} going on: {', '.join(run.id for run in going_on[:5])}")
    option = state_option(store.folder)
    interrupted = [run for run in unfinished if run.state is RunState.INTERRUPTED]
    for run in interrupted[:5]:
        yield Check(
            "runs", "warning", f"run {run.id} of {run.pipeline} was interrupted", f"`pipectl resume {run.id}{option}`"
        )
    if not going_on and not interrupted:
        yield Check("runs", "ok", "none is going on or was interrupted")


def _size(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
