"""Many instances of one task in a few words: how far they are, what they came to, why those failed that did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipectl.model import ENDED, State
from pipectl.reports.cells import cut, one_line
from pipectl.reports.text import clean, listed
from pipectl.run_view import InstanceView, RunView

FEW = 10
"""So many instances of one task are told one by one."""

_FEW_FAILURES = 3
_ERRORS = 3
_LONGEST_ERROR = 120
_WORST = (State.FAILED, State.UPSTREAM_FAILED, State.CANCELLED, State.SKIPPED)


def states_of(view: RunView, task: str) -> Mapping[State, int]:
    """How many instances of a task are in each state; those of none are left out."""
    return {state: count for state, count in view.by_task.get(task, {}).items() if count}


def left(states: Mapping[State, int]) -> int:
    """How many have not ended."""
    return sum(count for state, count in states.items() if state not in ENDED)


def progress(states: Mapping[State, int]) -> str:
    """How far they are: `37 of 100 · 3 running · 2 failed`."""
    everything = sum(states.values())
    shown = (State.RUNNING, State.RETRYING, State.WAITING, *_WORST)
    told = [f"{count:,} {state}" for state in shown if (count := states.get(state, 0))]
    return " · ".join([f"{everything - left(states):,} of {everything:,}", *told])


def standing(states: Mapping[State, int]) -> tuple[State, str]:
    """Where they stand: as one state, and in few words: `412 of 500 failed`, `500 success`, `37 of 100 ended`.

    Those that failed are told besides while others go on: `37 of 100 ended, 2 failed`.
    """
    everything, open_ones = sum(states.values()), left(states)
    present = [state for state in State if states.get(state)]
    if len(present) == 1:
        return present[0], f"{everything:,} {present[0]}"
    if open_ones:
        failed = states.get(State.FAILED, 0)
        state = State.RUNNING if State.RUNNING in present else next(one for one in present if one not in ENDED)
        ended = f"{everything - open_ones:,} of {everything:,} ended"
        return (State.FAILED, f"{ended}, {failed:,} failed") if failed else (state, ended)
    worst = next((state for state in _WORST if state in present), None)
    if worst is None:
        return State.SUCCESS, f"{everything:,} success"
    return worst, f"{states[worst]:,} of {everything:,} {worst}"


@dataclass(frozen=True, slots=True)
class Failures:
    """The instances of one task that failed, the first to fail first, of so many in all."""

    task: str
    instances: Sequence[InstanceView]
    total: int

    @property
    def is_folded(self) -> bool:
        """Whether they are too many to be told one by one."""
        return len(self.instances) > _FEW_FAILURES

    @property
    def words(self) -> str:
        """How many failed, and why: `412 of 500 failed: HTTP 429 (400), exit code 1 (12)`."""
        failed = f"{len(self.instances):,} of {self.total:,} failed"
        return f"{failed}: {self.errors}" if self.errors else failed

    @property
    def errors(self) -> str:
        """Why they failed, the commonest reason first."""
        reasons = Counter(_reason(one) for one in self.instances if one.error)
        if len(reasons) == 1 and reasons.total() == len(self.instances):
            return next(iter(reasons))
        told = ", ".join(f"{error} ({count:,})" for error, count in reasons.most_common(_ERRORS))
        others = len(reasons) - _ERRORS
        return f"{told} and {others:,} other reason{'s' * (others > 1)}" if others > 0 else told

    @property
    def examples(self) -> Sequence[InstanceView]:
        """The first to fail for each of the commonest reasons."""
        first: dict[str, InstanceView] = {}
        for one in self.instances:
            first.setdefault(_reason(one), one)
        counts = Counter(map(_reason, self.instances))
        return [first[error] for error, _ in counts.most_common(_ERRORS)]


def failures(view: RunView, failed: Iterable[InstanceView]) -> list[Failures]:
    """The failures by task; those of a task that is not repeated are each by themselves, in the order given."""
    by_task: dict[str, list[InstanceView]] = {}
    for one in failed:
        by_task.setdefault(one.task, []).append(one)
    return [Failures(task, ones, sum(states_of(view, task).values())) for task, ones in by_task.items()]


def _reason(one: InstanceView) -> str:
    return cut(one_line(one.error or ""), _LONGEST_ERROR)


def names(instances: Iterable[InstanceView]) -> str:
    """The first names of instances; where one task has many, its name and their number."""
    by_task: dict[str, list[str]] = {}
    for one in instances:
        by_task.setdefault(one.task, []).append(one.name)
    told: list[str] = []
    for task, ones in by_task.items():
        told += ones if len(ones) <= _FEW_FAILURES else [f"{task} ({len(ones):,})"]
    return clean(listed(told))
