"""Ends whole process trees on Linux, where orphans fall to the runner: what left its session is still found."""

from __future__ import annotations

import threading

from pipectl.executors import tree
from pipectl.executors.platform import set_subreaper
from pipectl.executors.survivors import Marker
from pipectl.model import Job


class Descendants:
    """The trees of the attempts of one run.

    An orphan belongs to an attempt by its session or, where it left that, by the marker in its environment. While this
    is open, all children that this process gets are taken to be of the run.
    """

    def __init__(self, run_id: str) -> None:
        set_subreaper(True)
        self.unannounced = 0
        """How many attempts exist whose ids are not known yet; until they are, no unknown child may be reaped."""
        self._run_id = run_id
        self._children = f"/proc/self/task/{threading.get_native_id()}/children"
        self._foreign = frozenset(tree.thread_children(self._children))
        self._known: dict[int, Marker | None] = {}
        self._spared: set[Marker | None] = set()
        self._spared_sessions: set[int] = set()

    def add(self, pid: int, job: Job | None = None) -> None:
        """A child was started: an attempt's main process, or a helper of ours."""
        self._known[pid] = Marker.of(self._run_id, job) if job else None

    def remove(self, pid: int) -> None:
        """The child has ended and is settled."""
        self._known.pop(pid, None)

    def spare(self, pid: int) -> None:
        """What the attempt left running may stay, beyond the end of the run."""
        self._spared_sessions.add(pid)
        if marker := self._known[pid]:
            self._spared.add(marker)

    def members(self, pid: int) -> list[int]:
        """Every process of the attempt."""
        return tree.descent([pid, *self._orphans_of(pid)])

    def signal(self, pid: int, signum: int) -> None:
        """Sends the signal once to every process of the attempt."""
        for member in self.members(pid):
            tree.send(member, signum)

    def kill(self, pid: int) -> None:
        """Kills every process of the attempt."""
        tree.end([pid, *self._orphans_of(pid)])

    def remain(self, pid: int) -> bool:
        """Whether anything is left of the attempt whose main process has ended."""
        return bool(self._orphans_of(pid))

    def clean(self, pid: int) -> bool:
        """Kills what the attempt's main process left; true once nothing is there."""
        for _ in range(3):
            left = [orphan for orphan in self.orphans() if self._is_left(orphan, pid)]
            if not left:
                return True
            tree.end(left)
        return False

    def orphans(self) -> list[int]:
        """Children that nobody of us started; the dead ones are laid to rest."""
        unknown = [pid for pid in tree.thread_children(self._children) if pid not in self._known]
        return [pid for pid in unknown if pid not in self._foreign and (self.unannounced or not tree.reap(pid))]

    def close(self) -> bool:
        """Kills all that is left but what was spared; true once nothing is there."""
        left = [pid for pid in self.orphans() if tree.may_end(pid) and not self._is_spared(pid)]
        tree.end(left)
        if not left:
            set_subreaper(False)
        return not left

    def _orphans_of(self, pid: int) -> list[int]:
        marker = self._known[pid]
        return [orphan for orphan in self.orphans() if tree.session(orphan) == pid or self._marker(orphan) == marker]

    def _is_left(self, orphan: int, pid: int) -> bool:
        """Whether it belongs to this attempt, or to one that is over and whose sweep missed it."""
        if not tree.may_end(orphan):
            return False
        if tree.session(orphan) == pid:
            return True
        marker = self._marker(orphan)
        if marker is None or marker in self._spared:
            return False
        return marker == self._known[pid] or marker not in self._known.values()

    def _is_spared(self, orphan: int) -> bool:
        return tree.session(orphan) in self._spared_sessions or self._marker(orphan) in self._spared

    def _marker(self, pid: int) -> Marker | None:
        values = dict(entry.partition("=")[::2] for entry in tree.environment(pid) if entry.startswith("PIPECTL_"))
        if values.get("PIPECTL_RUN_ID") != self._run_id or "PIPECTL_INSTANCE" not in values:
            return None
        return Marker(self._run_id, values["PIPECTL_INSTANCE"], values.get("PIPECTL_ATTEMPT", ""))
