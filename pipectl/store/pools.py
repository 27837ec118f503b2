"""Pools, whose slots all runs of one state share: a slot is a lock that the runner's process holds while it uses it.

So what a runner had is free the moment it dies, and nothing is ever stale. Who finds too few slots free keeps the
pool's turn, a lock as well, and nobody else gets a slot there before it: one that wants many is not passed by.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipectl.errors import StateError
from pipectl.model import Pool
from pipectl.store.start_times import StartTimes

if TYPE_CHECKING:
    from filelock import UnixFileLock

_SHORTEST = 0.01
_LONGEST = 0.5
_NEXT_TURN = 0.1
_LATE = 0.05  # how much later than recorded a start may be seen, against others that were not: rates allow for it


class Pools:
    """What one run has of the pools of its state, whose lock files lie in `folder`.

    `named` are pools of things that have names, such as devices. Of a pool that another file declares with other
    numbers each run uses as many slots as its own file says, from the first on. `clock` is that of `retry_at`. Methods
    raise StateError where the files cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        pools: Mapping[str, Pool],
        named: Mapping[str, Sequence[str]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.short = ""
        """The pool by which the last `take` was refused."""
        self._clock = clock
        self._folder = folder
        self._pools = {name: _Shared(folder, name, _numbers(pool), pool.rate) for name, pool in pools.items()}
        self._pools |= {name: _Shared(folder, name, names) for name, names in (named or {}).items()}
        self._taken: dict[str, dict[str, list[str]]] = {}

    def take(self, instance: str, wanted: Mapping[str, int]) -> bool:
        """Takes so many slots of each pool for an attempt, which counts as a start; or none, and gives false.

        Never waits. Who was refused asks again when `retry_at` says so, else it loses its turn. What wants more slots
        than there are gets all.
        """
        assert instance not in self._taken
        taken: dict[str, list[str]] = {}
        with _explained(self._folder):
            for name, amount in sorted(wanted.items()):
                slots = self._pools[name].reach(amount)
                if slots is None:
                    self._refuse(name, taken, wanted)
                    return False
                taken[name] = slots
            for name in taken:
                self._pools[name].start()
        self._taken[instance] = taken
        return True

    def taken(self, instance: str, name: str) -> Sequence[str]:
        """The names of the slots of a pool that the instance has."""
        return self._taken.get(instance, {}).get(name, ())

    def give_back(self, instance: str) -> None:
        """Frees what the instance has, if it has anything."""
        now = self._clock()
        for name, slots in self._taken.pop(instance, {}).items():
            self._pools[name].free(slots)
            self._pools[name].look_again(now)

    def retry_at(self, now: float) -> float | None:
        """When to ask again for what was refused, None if nothing was: to be called in each turn of the run's loop."""
        return min((at for pool in self._pools.values() if (at := pool.retry_at(now)) is not None), default=None)

    def close(self) -> None:
        """Frees everything."""
        self._taken.clear()
        for pool in self._pools.values():
            pool.close()

    def _refuse(self, short: str, taken: Mapping[str, Sequence[str]], wanted: Collection[str]) -> None:
        """Keeps the turn of the pool that was short, and no other: so no two runs wait for each other's."""
        for name in wanted:
            if name != short:
                self._pools[name].free(taken.get(name, ()))
                self._pools[name].leave()
        self._pools[short].wait(self._clock())
        self.short = short


class _Shared:
    """One pool as this run sees it: its slots, its turn, and when it was refused."""

    def __init__(self, folder: Path, name: str, slots: Sequence[str], rate: tuple[int, float] | None = None) -> None:
        self._base = f"{folder}/pool-{_file_name(name)}"
        self._slots = slots
        self._turn = _lock(f"{self._base}.turn.lock")
        self._locks: dict[str, UnixFileLock] = {}
        self._starts = StartTimes(f"{self._base}.starts", rate[0], _allowing(rate[1])) if rate else None
        self._refused_since: float | None = None
        self._look_at = 0.0
        self._called = False

    def reach(self, wanted: int) -> list[str] | None:
        """Takes the turn and so many slots; None where it has not all of that."""
        if not _hold(self._turn) or (self._starts and self._starts.wait() > 0):
            return None
        found: list[str] = []
        for slot in self._slots:
            if len(found) == wanted:
                break
            if slot not in self._locks:
                self._locks[slot] = _lock(f"{self._base}.{_file_name(slot)}.lock")
            if not self._locks[slot].is_locked and _hold(self._locks[slot]):
                found.append(slot)
        if len(found) < min(wanted, len(self._slots)):
            self.free(found)
            return None
        return found

    def start(self) -> None:
        """Records a start with what was reached, and ends the turn."""
        if self._starts:
            self._starts.add()
        self.leave()

    def leave(self) -> None:
        """Ends the turn, and the wait."""
        self._turn.release()
        self._refused_since = None

    def free(self, slots: Sequence[str]) -> None:
        """Gives slots back."""
        for slot in slots:
            self._locks[slot].release()

    def close(self) -> None:
        """Gives everything back."""
        self.free(list(self._locks))
        self.leave()

    def wait(self, now: float) -> None:
        """Notes that it was refused. It looks ever more seldom at slots that are long in use."""
        if self._refused_since is None:
            self._refused_since = now
        pause = min(_LONGEST, max(_SHORTEST, (now - self._refused_since) / 20))
        pause = pause if self._turn.is_locked else _NEXT_TURN
        self._look_at = now + max(pause, self._starts.wait() if self._starts else 0.0)
        self._called = False

    def look_again(self, now: float) -> None:
        """Something has changed: what was refused may be had now."""
        self._look_at = min(self._look_at, now)
        self._called = False

    def retry_at(self, now: float) -> float | None:
        """When to look again. Who is called and does not look leaves the turn to others: it cannot use it now."""
        if self._refused_since is None:
            return None
        if self._look_at <= now and self._called:
            self._turn.release()
            self._refused_since = now
            self._look_at = now + _LONGEST
        self._called = self._look_at <= now
        return self._look_at


def _numbers(pool: Pool) -> Sequence[str]:
    return [str(number) for number in range(pool.slots)]


def _allowing(seconds: float) -> float:
    return seconds + min(_LATE, seconds / 20)


def _file_name(text: str) -> str:
    """The text as part of a file's name: the names of some devices hold slashes."""
    return "".join(c if c.isalnum() or c in "_-" else f"%{ord(c):02x}" for c in text)


def _lock(path: str) -> UnixFileLock:
    from filelock import UnixFileLock  # takes a while to import, and most runs have no pools

    return UnixFileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False, preserve_lock_file=True)


def _hold(lock: UnixFileLock) -> bool:
    """Whether the lock is ours, now or already."""
    from filelock import Timeout

    if lock.is_locked:
        return True
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(f"the pool's file `{error.filename or folder}` cannot be used: {error.strerror}") from error
