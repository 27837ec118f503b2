"""How long the rest of a run takes, from how long its tasks took before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import chain

from pipectl.model import ENDED, State, Task
from pipectl.outline import Place, outline, task_path
from pipectl.run_view import RunView
from pipectl.task_tree import longest


class Forecast:
    """Tells the rest of a run; `usual` are the seconds that instances took, by name.

    The instances of a task are taken to be alike, and to be as many as before until they are known. It is silent where
    it knows less than half of the tasks; those it does not know are taken to be like the others.
    """

    def __init__(self, tasks: Mapping[str, Task], usual: Mapping[str, float]) -> None:
        self._slots = 1
        self._places = {path: place for path, place in outline(tasks).items() if not place.task.is_group}
        self._copies = Counter(path for name in usual if (path := task_path(name)) in self._places)
        known = dict.fromkeys(self._copies, 0.0)
        for name, seconds in usual.items():
            if (path := task_path(name)) in known:
                known[path] += seconds / self._copies[path]
        working = [path for path, place in self._places.items() if place.task.type is not None]
        self._silent = not known or len(known) * 2 < len(working)
        mean = sum(known.values()) / len(known) if known else 0.0
        self._usual = {**dict.fromkeys(self._places, 0.0), **{path: known.get(path, mean) for path in working}}
        self._chain = {} if self._silent else longest(tasks, self._usual.__getitem__)  # seconds from here down

    def seconds(self, view: RunView, now: float) -> float | None:
        """The seconds left: of the slowest chain, or of all the work by as many as were seen to run at once."""
        if self._silent:
            return None
        self._slots = max(self._slots, len(view.by_state[State.RUNNING]))
        done = self._done(view, now)
        work = longest_left = 0.0
        for path, place in self._places.items():
            states = view.by_task.get(path)
            if states is None:
                continue
            if place.task.holds_slot:
                work += self._usual[path] * self._left(place, states) - sum(done.get(path, ()))
            if any(count for state, count in states.items() if state not in ENDED and state is not State.PENDING):
                begun = min(done[path]) if path in done and not _has_more(states) else 0.0
                longest_left = max(longest_left, self._chain[path] - begun)
        return max(longest_left, work / self._slots)

    def _done(self, view: RunView, now: float) -> dict[str, list[float]]:
        """The seconds that those which run and wait have taken, no more than is usual, by the path of their task."""
        found: dict[str, list[float]] = {}
        for one in chain(view.by_state[State.RUNNING].values(), view.by_state[State.WAITING].values()):
            passed = min(self._usual[one.task], max(0.0, now - one.spans[-1].started))
            found.setdefault(one.task, []).append(passed)
        return found

    def _left(self, place: Place, states: Mapping[State, int]) -> int:
        """How many instances are to end yet."""
        left = sum(count for state, count in states.items() if state not in ENDED)
        unopened = place.is_repeated and left == states.get(State.PENDING) == sum(states.values()) == 1
        return max(1, self._copies[place.path]) if unopened else left


def _has_more(states: Mapping[State, int]) -> bool:
    """Whether some are still to start that may."""
    return any(states.get(state) for state in (State.QUEUED, State.RETRYING))
