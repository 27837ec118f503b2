"""What comes next in a run: what waits for that which runs, and what for besides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice

from pipectl.model import ENDED, State, Task
from pipectl.outline import Place, beside, outline
from pipectl.reports.folding import left, states_of
from pipectl.reports.region import MOST_ROWS, Waiting
from pipectl.run_view import InstanceView, RunView

_CANDIDATES = 20
_NAMED = 3


class NextUp:
    """Knows who needs whom; the work for a question does not grow with the run."""

    def __init__(self, tasks: Mapping[str, Task], view: RunView) -> None:
        self._view = view
        self._places = outline(tasks)
        self._downstream: dict[str, list[Place]] = {}
        for place in self._places.values():
            for need in place.needs:
                self._downstream.setdefault(need, []).append(place)

    def of(self, running: Iterable[InstanceView]) -> list[Waiting]:
        """What needs these, or the groups that they are in, those first that need the least else."""
        needy = dict.fromkeys(islice(chain.from_iterable(map(self._below, running)), _CANDIDATES))
        candidates = {name: self._missing(place, name) for name, place in needy if self._is_pending(place, name)}
        first = sorted(candidates.items(), key=lambda one: len(one[1]))
        return [Waiting(name, missing[:_NAMED], max(0, len(missing) - _NAMED)) for name, missing in first[:MOST_ROWS]]

    def _below(self, one: InstanceView) -> Iterator[tuple[str, Place]]:
        place = self._places[one.task]
        for around in (place, *place.around()):
            for down in self._downstream.get(around.path, ()):
                yield beside(one.name, down.path), down

    def _missing(self, place: Place, name: str) -> list[str]:
        needed = {beside(name, need): self._places[need] for need in place.needs}
        return [name for name, above in needed.items() if self._is_open(above, name)]

    def _is_open(self, place: Place, name: str) -> bool:
        if one := self._view.instances.get(name):
            return one.state not in ENDED
        if place.task.is_group:
            return any(self._is_open(inner, f"{name}.{inner.name}") for inner in place.inner)
        return left(states_of(self._view, place.path)) > 0

    def _is_pending(self, place: Place, name: str) -> bool:
        if place.task.is_group:
            return all(self._is_pending(inner, f"{name}.{inner.name}") for inner in place.inner)
        return name in self._view.by_state[State.PENDING]
