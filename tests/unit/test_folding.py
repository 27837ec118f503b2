"""Many instances of one task in a few words."""

from __future__ import annotations

import pytest

from pipectl.events import AttemptFinished, AttemptStarted, RunStarted, TaskOpened
from pipectl.model import Foreach, State, Task
from pipectl.reports.folding import Failures, failures, names, progress, standing
from pipectl.run_view import RunView

S = State


def test_progress_tells_what_has_ended_and_what_is_worth_a_look() -> None:
    states = {S.PENDING: 55, S.RUNNING: 3, S.RETRYING: 1, S.SUCCESS: 1199, S.FAILED: 2}
    assert progress(states) == "1,201 of 1,260 · 3 running · 1 retrying · 2 failed"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({S.PENDING: 500}, (S.PENDING, "500 pending")),
        ({S.SUCCESS: 500}, (S.SUCCESS, "500 success")),
        ({S.SUCCESS: 300, S.CACHED: 200}, (S.SUCCESS, "500 success")),
        ({S.CACHED: 500}, (S.CACHED, "500 cached")),
        ({S.SUCCESS: 88, S.FAILED: 412}, (S.FAILED, "412 of 500 failed")),
        ({S.SKIPPED: 1, S.UPSTREAM_FAILED: 2, S.SUCCESS: 2}, (S.UPSTREAM_FAILED, "2 of 5 upstream_failed")),
        ({S.SKIPPED: 2, S.SUCCESS: 3}, (S.SKIPPED, "2 of 5 skipped")),
        ({S.PENDING: 60, S.RUNNING: 3, S.SUCCESS: 37}, (S.RUNNING, "37 of 100 ended")),
        ({S.WAITING: 2, S.SUCCESS: 1}, (S.WAITING, "1 of 3 ended")),
        ({S.RUNNING: 1, S.SUCCESS: 1, S.FAILED: 1}, (S.FAILED, "2 of 3 ended, 1 failed")),
    ],
)
def test_standing_is_the_state_that_tells_most(states: dict[State, int], expected: tuple[State, str]) -> None:
    assert standing(states) == expected


def failed(*errors: str, of: int) -> RunView:
    tasks = {"each": Task("each", "shell", foreach=Foreach(items="{{ x }}")), "other": Task("other", "shell")}
    view = RunView(tasks)
    view.apply(RunStarted(0.0))
    view.apply(TaskOpened(0.0, "each", list(range(of))))
    for number, error in enumerate(errors):
        view.apply(AttemptStarted(float(number), f"each[{number}]", 1))
        view.apply(AttemptFinished(float(number), f"each[{number}]", 1, State.FAILED, error=error))
    return view


def the_failures(*errors: str, of: int) -> Failures:
    view = failed(*errors, of=of)
    (found,) = failures(view, view.failures)
    return found


def test_failures_for_one_reason_are_told_with_it() -> None:
    assert the_failures(*["HTTP 429"] * 5, of=8).words == "5 of 8 failed: HTTP 429"


def test_reasons_are_counted_the_commonest_first() -> None:
    found = the_failures("exit code 1", *["HTTP 429"] * 4, of=8)
    assert found.words == "5 of 8 failed: HTTP 429 (4), exit code 1 (1)"
    assert [one.name for one in found.examples] == ["each[1]", "each[0]"]


def test_many_reasons_are_cut() -> None:
    assert the_failures(*"aaabbcdef", of=9).words == "9 of 9 failed: a (3), b (2), c (1) and 3 other reasons"


def test_reason_takes_one_line_and_is_no_longer_than_a_line() -> None:
    found = the_failures(*["first\nsecond" + "x" * 500] * 4, of=4)
    assert "\n" not in found.words
    assert len(found.words) < 160


def test_few_failures_are_told_one_by_one() -> None:
    assert not the_failures("a", "b", "c", of=500).is_folded
    assert the_failures("a", "b", "c", "d", of=500).is_folded


def test_names_of_one_task_become_its_name_and_their_number() -> None:
    view = failed("a", "b", "c", "d", of=4)
    instances = [*view.rows[:4], view.instances["other"]]
    assert names(instances) == "each (4), other"
    assert names(instances[2:]) == "each[2], each[3], other"
