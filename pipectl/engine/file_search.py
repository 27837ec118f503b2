"""Which files patterns name.

Patterns are relative to a folder. `*`, `?`, `[…]` and `**` match as in a shell: no name that starts with a dot, and for
`**` no folder behind a link; a pattern that is itself the name of something is that. A folder stands for all in it,
hidden files too, but for what others keep there: pipectl's state, `.git`, `__pycache__`.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from pipectl.store.hashes import Signature

_Identity = tuple[int, int]  # device and inode
_NOT_CONTENT = frozenset({".git", "__pycache__", ".pipectl"})
_MAGIC = re.compile(r"[*?[]")
_NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})  # a link may lead nowhere, or in a circle
_LARGEST = (1 << 63) - 1  # whole number that SQLite keeps; inodes of some file systems are larger
_name_of = attrgetter("name")


class File(NamedTuple):
    """A file in a folder, as it was found."""

    folder: str
    name: str
    signature: Signature


Found = dict[str, File | str]
"""By path as the patterns say it: the file there, or the word for what is no file."""

MISSING, _FOLDER, _SPECIAL = "missing", "folder", "no file"


class Unreadable(Exception):
    """Something that a pattern names cannot be looked at; the message says what and why."""


def is_literal(pattern: str) -> bool:
    """Whether the pattern can only name one thing."""
    return not _MAGIC.search(pattern)


def signature_of(status: os.stat_result) -> Signature:
    """What changes with a file's content."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino & _LARGEST)


def unreadable(path: str, error: OSError) -> Unreadable:
    """The Unreadable for a path that the system does not let us look at."""
    return Unreadable(f"`{printable(path)}` cannot be read: {(error.strerror or str(error)).lower()}")


def printable(path: str) -> str:
    """The path as it may be shown: bytes that are no text, and what would steer a terminal, as escapes."""
    return path if path.isprintable() else ascii(path)[1:-1]


def path_of(pattern: str) -> str:
    """The pattern in the form in which what it names is told."""
    segments = [segment for segment in pattern.split("/") if segment not in ("", ".")]
    return ("/" if pattern.startswith("/") else "") + "/".join(segments) or "."


def find(patterns: Iterable[str], cwd: str, state: str | None = None) -> Found:
    """What the patterns name now, but for the folder `state` and all in it. Raises Unreadable."""
    search = _Search(cwd, _identity(state) if state else None)
    for pattern in patterns:
        search.add(pattern)
    return search.found


class _Search:
    """Collects what patterns name; a folder is listed once."""

    def __init__(self, cwd: str, state: _Identity | None) -> None:
        self.found: Found = {}
        self._cwd = cwd
        self._state = state
        self._listings: dict[str, list[os.DirEntry[str]]] = {}

    def add(self, pattern: str) -> None:
        shown = path_of(pattern)
        path = self._cwd if shown == "." else os.path.join(self._cwd, shown)  # noqa: PTH118
        if is_literal(pattern) or os.path.lexists(path):
            self._take(path, shown)
            if os.path.isdir(path):  # noqa: PTH112
                self.found[f"{shown}/"] = _FOLDER  # also where there is nothing in it
            return
        root, prefix = ("/", "/") if shown.startswith("/") else (self._cwd, "")
        try:
            self._match(root, prefix, tuple(shown.strip("/").split("/")), set())
        except RecursionError:
            raise Unreadable(f"`{pattern}` leads through too many folders within each other") from None

    # Matching

    def _match(self, folder: str, prefix: str, segments: tuple[str, ...], seen: set[tuple[str, int]]) -> None:
        """Takes what the segments name within the folder, each of whose paths starts with the prefix when shown."""
        if (folder, len(segments)) in seen:
            return
        seen.add((folder, len(segments)))
        segment, *rest = segments
        if segment == "**":
            self._match_below(folder, prefix, segments, seen)
        elif is_literal(segment):
            path = _join(folder, segment)
            if rest and os.path.isdir(path):  # noqa: PTH112
                self._match(path, f"{prefix}{segment}/", tuple(rest), seen)
            elif not rest and os.path.lexists(path):
                self._take(path, prefix + segment)
        else:
            fits = _matcher(segment)
            for entry in self._listing(folder, prefix):
                if not fits(entry.name):
                    continue
                if not rest:
                    self._take(_join(folder, entry.name), prefix + entry.name)
                elif _is_folder(entry):
                    self._match(_join(folder, entry.name), f"{prefix}{entry.name}/", tuple(rest), seen)

    def _match_below(self, folder: str, prefix: str, segments: tuple[str, ...], seen: set[tuple[str, int]]) -> None:
        rest = segments[1:]
        if rest:
            self._match(folder, prefix, rest, seen)
        for entry in self._listing(folder, prefix):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                self._match(_join(folder, entry.name), f"{prefix}{entry.name}/", segments, seen)
            elif not rest and not _is_folder(entry):
                self._take(_join(folder, entry.name), prefix + entry.name)

    # Taking what matches

    def _take(self, path: str, shown: str) -> None:
        """Takes what is there, all in it where it is a folder."""
        folder, name = os.path.split(path.rstrip("/"))
        met: set[_Identity] = set()
        folders = self._take_one(folder, name, shown, lambda: os.stat(path), met)  # noqa: PTH116
        while folders:
            path, shown = folders.pop()
            prefix = "" if shown == "." else f"{shown}/"
            for entry in self._listing(path, prefix):
                folders += self._take_one(path, entry.name, prefix + entry.name, entry.stat, met)

    def _take_one(
        self, folder: str, name: str, shown: str, look: Callable[[], os.stat_result], met: set[_Identity]
    ) -> list[tuple[str, str]]:
        """Takes a path; returns it where all in it is to be taken too: of a folder that links lead to again, once."""
        try:
            status = look()
        except OSError as error:
            if error.errno not in _NOTHING_THERE:
                raise unreadable(shown, error) from error
            self.found[shown] = MISSING
            return []
        if stat.S_ISREG(status.st_mode):
            self.found[shown] = File(folder, name, signature_of(status))
            return []
        if not stat.S_ISDIR(status.st_mode):
            self.found[shown] = _SPECIAL
            return []
        identity = (status.st_dev, status.st_ino)
        if identity == self._state or identity in met:
            return []
        met.add(identity)
        return [(_join(folder, name), shown)]

    def _listing(self, folder: str, prefix: str) -> list[os.DirEntry[str]]:
        if folder not in self._listings:
            try:
                with os.scandir(folder) as entries:
                    content = (entry for entry in entries if entry.name not in _NOT_CONTENT)
                    self._listings[folder] = sorted(content, key=_name_of)
            except FileNotFoundError:
                self._listings[folder] = []
            except OSError as error:
                raise unreadable(prefix or ".", error) from error
        return self._listings[folder]


def _join(folder: str, name: str) -> str:
    return f"{folder}{name}" if folder.endswith("/") else f"{folder}/{name}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


@lru_cache(maxsize=256)
def _matcher(segment: str) -> Callable[[str], bool]:
    expression = re.compile(fnmatch.translate(segment))
    if segment.startswith("."):
        return lambda name: expression.match(name) is not None
    return lambda name: not name.startswith(".") and expression.match(name) is not None


def _identity(path: str) -> _Identity | None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
