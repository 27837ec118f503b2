"""Whether an instance was done before, and what there is to keep of it once it is done.

A hit has the same key, is not older than its `ttl`, and finds every output with the contents it left. So whatever a
failed attempt leaves is not taken: only what a success left is known.
"""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pipectl.durations import format_duration, iso_moment
from pipectl.engine.cache_key import Parts, Request, differences, explain, key_of, masked, parts_of
from pipectl.engine.file_digests import FileDigests
from pipectl.engine.file_search import (
    MISSING,
    File,
    Found,
    Unreadable,
    find,
    is_literal,
    path_of,
    printable,
    unreadable,
)
from pipectl.masking import Masker
from pipectl.store.cache import CacheRow
from pipectl.store.hashes import Hashes
from pipectl.store.rows import Run
from pipectl.store.store import Store

_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})  # of what a file system has no way to, or no need
_MANY = 500  # files that are synced one by one; of more the whole machine's are, which is faster


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a look, or of keeping what an attempt left.

    Of a look: whether it is a `hit`, then with the `output` it had as JSON text, and `why` it is or is not. Of keeping:
    the `row` to record with the success, None where it cannot be known again (`why` says so), or the `error` by which
    the attempt failed after all.
    """

    instance: str
    kind: Literal["look", "keep"]
    hit: bool = False
    key: str | None = None
    output: str | None = None
    row: CacheRow | None = None
    error: str | None = None
    why: tuple[str, ...] = ()


Looked = tuple[Request, Parts | None]
"""What was looked for, and the parts of its key where these are known."""


class Cache:
    """The successes of one pipeline, as one thread sees them; without a store there were none.

    With `durable` the outputs of a success are on disk before it is kept; with `force` there are no hits; with `learns`
    what is read of files is written down.
    """

    def __init__(
        self,
        store: Store | None,
        pipeline: str,
        *,
        masker: Masker,
        now: Callable[[], float],
        durable: bool = True,
        force: bool = False,
        learns: bool = True,
        stopped: Callable[[], bool] = lambda: False,
        looked: dict[str, Looked] | None = None,
    ) -> None:
        self._store = store
        self._pipeline = pipeline
        self._masker = masker
        self._now = now
        self._durable = durable
        self._force = force
        self._state = str(store.folder) if store else None
        self._hashes = Hashes(store.folder if store else None, writable=learns)
        self._digests = FileDigests(self._hashes, stopped)
        self._looked = {} if looked is None else looked

    def look(self, instance: str, request: Request) -> Answer:
        """Whether the instance was done before. Raises StateError where the state cannot be read."""
        self._looked[instance] = (request, None)
        try:
            left = self._find(request.outputs, request.cwd)
            parts = self._parts(request, left)
            self._looked[instance] = (request, parts)
            key = key_of(parts)
            row = self._store.cached(self._pipeline, instance, key) if self._store else None
            why = self._misses(request, parts, key, row, left)
        except Unreadable as error:
            return Answer(instance, "look", why=(str(error),))
        if why or row is None:
            return Answer(instance, "look", key=key, why=tuple(why))
        del self._looked[instance]
        return Answer(instance, "look", True, key, row.output, why=(f"nothing changed since {iso_moment(row.at)}",))

    def forget(self, instance: str) -> None:
        """Nothing is to be kept of an instance that was looked for."""
        self._looked.pop(instance, None)

    def keep(self, instance: str, output: str | None) -> Answer:
        """What to record of the success of an instance, by what the last look at it found.

        Where that fails the attempt, the next one is asked about likewise.
        """
        request, parts = self._looked[instance]
        try:
            left = self._find(request.outputs, request.cwd)
            error = _what_is_not_there(request.outputs, left)
            if error is None and self._durable:
                error = _sync(left, request.cwd)
            if error is not None:
                return Answer(instance, "keep", error=error)
            del self._looked[instance]
            if parts is None:
                return Answer(instance, "keep", why=("what it depends on cannot be read",))
            changed = explain(parts, self._parts(request, left))
            if changed:
                return Answer(instance, "keep", why=("what it depends on changed while it ran", *changed))
            files = masked(self._digests.of(left), self._masker)
        except Unreadable as error:
            self.forget(instance)
            return Answer(instance, "keep", why=(str(error),))
        left_over = {"cwd": request.cwd, "patterns": self._masker.mask_value(request.outputs), "files": files}
        row = CacheRow(instance, key_of(parts), self._now(), output, _packed(parts), _packed(left_over))
        return Answer(instance, "keep", key=row.key, row=row)

    def lost(self, run: Run) -> list[str]:
        """The instances that a run did, and whose outputs are not in place any more; reads all of them."""
        assert self._store is not None
        digests = FileDigests(Hashes(None))
        lost = []
        for row in self._store.cached_of(run):
            left = _unpacked(row.files)
            try:
                files = masked(digests.of(find(left["patterns"], left["cwd"], self._state)), self._masker)
            except Unreadable:
                files = {}
            if files != left["files"]:
                lost.append(row.instance)
        return lost

    def flush(self) -> None:
        """Writes down what was learned of files."""
        self._hashes.flush()

    def close(self) -> None:
        """Writes that down, and closes what was opened, the store not."""
        self._hashes.close()

    def _find(self, patterns: Iterable[str], cwd: str) -> Found:
        return find(patterns, cwd, self._state)

    def _parts(self, request: Request, left: Found) -> Parts:
        """The parts of the key. What is an output is no input, though it match."""
        given = _without(self._find(request.inputs, request.cwd), left)
        code = self._find(_code(request), request.folder)
        return parts_of(request, self._digests.of(given), self._digests.of(code), self._masker)

    def _misses(self, request: Request, parts: Parts, key: str, row: CacheRow | None, left: Found) -> list[str]:
        """Why the success is none that counts."""
        if self._force:
            return ["no cache is wanted (`--force`)"]
        if row is None:
            return ["it never succeeded with a cache"]
        if row.key != key:
            return explain(_unpacked(row.parts), parts) or ["it depends on something else now"]
        if request.ttl is not None and not 0 <= self._now() - row.at < request.ttl:
            return [f"it is older than its `ttl` of {format_duration(request.ttl)}"]
        files = masked(self._digests.of(left), self._masker)
        return differences("output", _unpacked(row.files)["files"], files)


def _without(inputs: Found, left: Found) -> Found:
    """The inputs that are no outputs, by whichever way their paths lead to them."""
    real = lru_cache(maxsize=None)(os.path.realpath)
    own = {(real(file.folder), file.name) for file in left.values() if isinstance(file, File)}
    return {
        path: file
        for path, file in inputs.items()
        if path not in left and not (own and isinstance(file, File) and (real(file.folder), file.name) in own)
    }


def _code(request: Request) -> list[str]:
    """The files of the pipeline's folder in which the task's code is, as far as the file names it."""
    if request.type != "python":
        return []
    if "script" in request.body:
        return [request.body["script"]]
    module = str(request.body.get("call", "")).partition(":")[0].replace(".", "/")
    candidates = (f"{module}.py", f"{module}/__init__.py") if module else ()
    return [path for path in candidates if (Path(request.folder) / path).is_file()][:1]


def _what_is_not_there(patterns: Iterable[str], left: Found) -> str | None:
    """An error for outputs that were declared by name and are not there."""
    missing = [pattern for pattern in patterns if is_literal(pattern) and left.get(path_of(pattern)) == MISSING]
    if not missing:
        return None
    return f"it did not leave {', '.join(f'`{one}`' for one in missing)}, which `cache.outputs` declares"


def _sync(left: Found, cwd: str) -> str | None:
    """Brings the files to disk, with the folders that name them, up to the one where the task ran.

    Returns what went wrong.
    """
    files = [f"{file.folder}/{file.name}" for file in left.values() if isinstance(file, File)]
    folders = {file.folder for file in left.values() if isinstance(file, File)}
    folders |= {os.path.join(cwd, path.rstrip("/")) for path in left if path.endswith("/")}  # noqa: PTH118
    folders |= {above for folder in folders for above in _up_to(cwd, folder)}
    if len(files) + len(folders) > _MANY:
        os.sync()
        return None
    for path in [*files, *folders]:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NO_SYNC:
                return f"`{printable(path)}` cannot be brought to disk: {error.strerror}"
        finally:
            os.close(descriptor)
    return None


def _up_to(top: str, folder: str) -> list[str]:
    """The folders between the two, and the upper one; of one elsewhere the folder that names it."""
    if not folder.startswith(f"{top}/"):
        return [os.path.dirname(folder)]  # noqa: PTH120
    names = folder.removeprefix(f"{top}/").split("/")
    return ["/".join((top, *names[:count])) for count in range(len(names))]


def _packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 1)


def _unpacked(data: bytes) -> Any:
    try:
        return json.loads(zlib.decompress(data))
    except (zlib.error, ValueError) as error:
        raise Unreadable(f"what is known of it cannot be read: {error}") from error
