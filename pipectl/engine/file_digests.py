"""Digests of what files hold."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable

from pipectl.engine.file_search import MISSING, File, Found, signature_of, unreadable
from pipectl.store.hashes import Hashes

_DIGITS = 32  # of SHA-256, in hexadecimal
_CHUNK = 1 << 20
_SETTLED = 2_000_000_000  # nanoseconds: a change within the same tick of a file system's clock would not show
_MANY = 50  # files of one folder for which all that is known of it is read at once


class Stopped(Exception):
    """Nobody waits for the digests any more."""


class FileDigests:
    """Digests files, of which it reads those that `hashes` does not know."""

    def __init__(self, hashes: Hashes, stopped: Callable[[], bool] = lambda: False) -> None:
        self._hashes = hashes
        self._stopped = stopped

    def of(self, found: Found) -> dict[str, str]:
        """A digest of each file that was found; what is no file stands for itself. Raises Unreadable, and Stopped."""
        by_folder: dict[str, list[tuple[str, File]]] = {}
        digests: dict[str, str] = {}
        for path, file in found.items():
            if isinstance(file, str):
                digests[path] = file
            else:
                by_folder.setdefault(file.folder, []).append((path, file))
        for folder, files in by_folder.items():
            known = self._known(folder, files)
            for path, file in files:
                remembered = known(file)
                digests[path] = self._digest(path, file) if remembered is None else remembered
        return digests

    def _known(self, folder: str, files: list[tuple[str, File]]) -> Callable[[File], str | None]:
        if len(files) < _MANY:
            return lambda file: self._hashes.of_file(*file)
        remembered = self._hashes.of_folder(folder)

        def known(file: File) -> str | None:
            found = remembered.get(file.name)
            return found[1] if found and found[0] == file.signature else None

        return known

    def _digest(self, path: str, file: File) -> str:
        started = time.time_ns()
        try:
            descriptor = os.open(f"{file.folder}/{file.name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return MISSING
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            before = os.fstat(descriptor)
            digest = self._digest_open(descriptor, before.st_size)
            after = os.fstat(descriptor)
        except OSError as error:
            raise unreadable(path, error) from error
        finally:
            os.close(descriptor)
        if signature_of(before) == signature_of(after) and after.st_ctime_ns <= started - _SETTLED:
            self._hashes.remember(file.folder, file.name, signature_of(after), digest)
        return digest

    def _digest_open(self, descriptor: int, size: int) -> str:
        digest = hashlib.sha256()
        while chunk := os.read(descriptor, min(_CHUNK, size + 1)):
            if self._stopped():
                raise Stopped
            digest.update(chunk)
        return digest.hexdigest()[:_DIGITS]
