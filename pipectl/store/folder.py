"""The state folder: where it is, who may read it, and on what file system it may lie."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from pipectl.errors import StateError, UsageError

NAME = ".pipectl"

# SQLite's WAL needs shared memory and working locks, which these do not give across machines, or at all.
_REMOTE = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "lustre", "gpfs", "ceph", "ncpfs", "glusterfs", "fuse.sshfs"},
)


def of_pipeline(pipeline_folder: str, option: str | None) -> Path:
    """The state folder for a pipeline file: the option, else `PIPECTL_STATE`, else `.pipectl` beside the file."""
    given = option or os.environ.get("PIPECTL_STATE")
    return Path(os.path.abspath(given)) if given else Path(pipeline_folder) / NAME  # noqa: PTH100


def nearest(option: str | None) -> Path:
    """The state folder for commands that name no file: the option, `PIPECTL_STATE`, else the nearest here or above.

    Raises UsageError where there is none.
    """
    given = option or os.environ.get("PIPECTL_STATE")
    if given:
        folder = Path(os.path.abspath(given))  # noqa: PTH100
        if not has_state(folder):
            raise UsageError(f"there is no state in `{given}`", "run a pipeline first: `pipectl run FILE`")
        return folder
    here = Path.cwd()
    for above in (here, *here.parents):
        if has_state(above / NAME):
            return above / NAME
    raise UsageError(
        f"there is no `{NAME}` folder here or above",
        "go to the pipeline's folder, or name its state: `--state DIR`",
    )


def prepare(folder: Path) -> None:
    """Makes the folder, private to its owner, with what belongs in it. Raises StateError where that cannot be."""
    refuse_remote(folder)
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
            _ignore(folder)
        for name in ("locks", "logs", "runs", "tmp"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise unusable(folder, error) from error


def _ignore(folder: Path) -> None:
    """Keeps git away from a folder that was just made, whose entry is on disk when this returns."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(folder / ".gitignore", flags, 0o600), "w") as file:
        file.write("*\n")
    descriptor = os.open(folder.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def has_state(folder: Path) -> bool:
    """Whether there is a state in the folder. Raises StateError where one may not look."""
    try:
        return (folder / "state.db").exists()
    except OSError as error:
        raise unusable(folder, error) from error


def check_private(folder: Path) -> None:
    """Raises StateError where the state is a link or belongs to somebody else: neither is followed or touched."""
    for path in (folder / "state.db", folder / "locks"):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unusable(folder, error) from error
        if stat.S_ISLNK(found.st_mode):
            raise StateError(f"`{path}` is a symbolic link", "name the folder that it points into: `--state DIR`")
        if os.geteuid() not in {0, found.st_uid}:
            raise StateError(f"`{path}` belongs to another user", "use a state of your own: `--state DIR`")


def refuse_remote(folder: Path) -> None:
    """Raises StateError where the folder would lie on a network file system."""
    kind = file_system(folder)
    if is_remote(kind):
        raise StateError(
            f"the state folder `{folder}` is on a network file system ({kind}), where SQLite loses data",
            "keep it on a local disk: `--state DIR` or PIPECTL_STATE",
        )


def unusable(folder: Path, error: OSError) -> StateError:
    """The StateError for a folder that the system does not let us use."""
    return StateError(
        f"the state folder `{folder}` cannot be used: {error.strerror}",
        "name one that you may write to: `--state DIR`",
    )


def is_remote(kind: str) -> bool:
    """Whether a file system of this type is shared by machines."""
    return kind in _REMOTE


def file_system(folder: Path) -> str:
    """The type of the file system that holds the folder, or would hold it; empty where the system does not tell."""
    if sys.platform != "linux":
        return ""
    path = os.path.realpath(folder)
    best, kind = "", ""
    try:
        with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                left, _, right = line.partition(" - ")
                point = left.split()[4].encode().decode("unicode_escape") if "\\" in left else left.split()[4]
                inside = path == point or path.startswith(point.rstrip("/") + "/")
                if inside and len(point) >= len(best):
                    best, kind = point, right.split()[0]
    except OSError:
        return ""
    return kind
