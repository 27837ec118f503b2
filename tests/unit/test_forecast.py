"""How long the rest of a run takes."""

from __future__ import annotations

import pytest

from pipectl.events import AttemptFinished, AttemptStarted, Event, RunStarted, TaskOpened
from pipectl.model import Foreach, State, Task
from pipectl.reports.forecast import Forecast
from pipectl.run_view import RunView


def forecast(usual: dict[str, float], now: float, *events: Event, **needs: str) -> float | None:
    tasks = {name: Task(name, type="shell", needs=tuple(above)) for name, above in needs.items()}
    view = RunView(tasks)
    for event in (RunStarted(0.0), *events):
        view.apply(event)
    return Forecast(tasks, usual).seconds(view, now)


CHAIN = {"a": "", "b": "a", "c": "b"}


def test_chain_takes_the_sum_of_its_tasks() -> None:
    assert forecast({"a": 1, "b": 2, "c": 4}, 0.0, AttemptStarted(0.0, "a", 1), **CHAIN) == 7


def test_time_that_has_passed_counts_but_no_more_than_was_expected() -> None:
    events = [
        AttemptStarted(0.0, "a", 1),
        AttemptFinished(1.0, "a", 1, State.SUCCESS),
        AttemptStarted(1.0, "b", 1),
    ]
    usual = {"a": 1, "b": 2, "c": 4}
    assert forecast(usual, 2.5, *events, **CHAIN) == 4.5
    assert forecast(usual, 60.0, *events, **CHAIN) == 4


def test_wide_graph_takes_all_its_work_by_as_many_as_run_at_once() -> None:
    wide = dict.fromkeys("abcdefgh", "")
    events: list[Event] = [TaskOpened(0.0, name) for name in wide]
    events += [AttemptStarted(0.0, name, 1) for name in "ab"]
    assert forecast(dict.fromkeys(wide, 10.0), 5.0, *events, **wide) == 35


def test_task_without_history_is_taken_to_be_like_the_others() -> None:
    assert forecast({"a": 1, "b": 3}, 0.0, AttemptStarted(0.0, "a", 1), **CHAIN) == 6


def fan(usual: dict[str, float], now: float, *events: Event) -> float | None:
    """What is left of a task with `foreach`, in a group, and of one after it."""
    inner = Task("g.each", "shell", foreach=Foreach(items="{{ x }}"))
    tasks = {"g": Task("g", "tasks", tasks={"each": inner}), "after": Task("after", "shell", needs=("g",))}
    view = RunView(tasks)
    for event in (RunStarted(0.0), *events):
        view.apply(event)
    return Forecast(tasks, usual).seconds(view, now)


def test_new_instances_are_taken_to_be_like_those_before() -> None:
    opened = [TaskOpened(0.0, "g.each", [1, 2, 3, 4]), AttemptStarted(0.0, "g.each[1]", 1)]
    assert fan({"g.each[a]": 2.0, "g.each[b]": 4.0, "after": 5.0}, 1.0, *opened) == 4 * 3 - 1 + 5


def test_before_they_are_known_there_are_as_many_as_before() -> None:
    started = AttemptStarted(0.0, "nothing", 1)
    assert fan({f"g.each[{n}]": 2.0 for n in range(6)}, 0.0, started) == pytest.approx(6 * 2 + 2)


def test_what_comes_after_a_group_is_below_all_in_it() -> None:
    opened = [TaskOpened(0.0, "g.each", [1, 2])]
    opened += [AttemptStarted(0.0, f"g.each[{n}]", 1) for n in (1, 2)]
    assert fan({"g.each[1]": 10.0, "after": 3.0}, 0.0, *opened) == 13


@pytest.mark.parametrize("usual", [{}, {"a": 1.0}])
def test_with_little_history_nothing_is_foretold(usual: dict[str, float]) -> None:
    assert forecast(usual, 0.0, AttemptStarted(0.0, "a", 1), **CHAIN) is None
