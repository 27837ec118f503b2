"""How long instances take, from the newest runs of a pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipectl.events import AttemptFinished, AttemptStarted, Event, RunResumed, TaskClosed, TaskOpened
from pipectl.model import State
from pipectl.store.definitions import Definition
from pipectl.store.rows import NewRun
from pipectl.store.store import Store, new_run_id
from tests.engine.harness import MOMENT


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.open(tmp_path / ".pipectl")
    made.set_durability("normal")
    return made


def ran(store: Store, *events: Event, pipeline: str = "p") -> None:
    """Records a run of these events."""
    definition = Definition({}, [(f"{pipeline}.yaml", "0")], "0")
    new = NewRun(new_run_id(), pipeline, f"/{pipeline}.yaml", definition, {}, {}, {}, "manual", MOMENT)
    store.record(store.create(new, 0.0).run, 1, events)


def attempt(name: str, start: float, end: float, state: State | None = State.SUCCESS, number: int = 1) -> list[Event]:
    return [AttemptStarted(start, name, number), AttemptFinished(end, name, number, state)]


def test_duration_is_the_median_of_the_successes(store: Store) -> None:
    for seconds in (1.0, 100.0, 3.0, 2.0, 4.0):
        ran(store, *attempt("a", 10.0, 10.0 + seconds))
    assert store.durations("p") == {"a": 3.0}


def test_only_the_newest_runs_count(store: Store) -> None:
    for _ in range(30):
        ran(store, *attempt("a", 0.0, 50.0))
    for _ in range(10):
        ran(store, *attempt("a", 0.0, 2.0))
    assert store.durations("p") == {"a": 2.0}


def test_failures_and_their_pauses_do_not_count(store: Store) -> None:
    ran(store, *attempt("a", 0.0, 5.0, State.FAILED), *attempt("a", 60.0, 62.0, number=2))
    ran(store, *attempt("b", 0.0, 5.0, State.FAILED), *attempt("c", 0.0, 1.0, None))
    assert store.durations("p") == {"a": 2.0}


def test_success_that_is_run_again_in_vain_does_not_count(store: Store) -> None:
    ran(store, *attempt("a", 0.0, 5.0), RunResumed(50.0, ("a",)), *attempt("a", 60.0, 61.0, State.FAILED, 2))
    assert store.durations("p") == {}


def test_other_pipelines_of_the_state_are_left_out(store: Store) -> None:
    ran(store, *attempt("a", 0.0, 5.0))
    ran(store, *attempt("a", 0.0, 9.0), pipeline="q")
    assert (store.durations("p"), store.durations("q"), store.durations("r")) == ({"a": 5.0}, {"a": 9.0}, {})


def test_duration_of_a_task_is_the_median_of_its_instances(store: Store) -> None:
    ran(store, *attempt("g[a].x", 0.0, 1.0), *attempt("g[b].x", 0.0, 3.0), *attempt("g[c].x", 0.0, 9.0))
    assert store.durations("p") == {"g[a].x": 1.0, "g[b].x": 3.0, "g[c].x": 9.0, "g.x": 3.0}


def test_items_are_those_of_the_newest_run_that_came_to_them(store: Store) -> None:
    ran(store, TaskOpened(0.0, "a", ["x"]), TaskOpened(0.0, "b", [{"n": 1}], ["one"]))
    ran(store, TaskOpened(0.0, "a", ["y", "z"]), TaskOpened(0.0, "w"))
    ran(store, *attempt("c", 0.0, 1.0))
    assert store.items("p") == {"a": (["y", "z"], ["y", "z"]), "b": ([{"n": 1}], ["one"])}


def test_items_of_a_task_in_a_copy_are_known_by_its_path_too(store: Store) -> None:
    ran(store, TaskOpened(0.0, "g[1].a", ["x"]), TaskOpened(1.0, "g[2].a", []))
    assert store.items("p") == {"g[1].a": (["x"], ["x"]), "g[2].a": ([], []), "g.a": ([], [])}


def test_runs_in_which_something_succeeded_are_found_by_what_it_is_in(store: Store) -> None:
    ran(store, *attempt("g[a].x", 0.0, 1.0), *attempt("gg", 0.0, 1.0))
    ran(store, *attempt("g[a].x", 0.0, 1.0, State.FAILED))
    ran(store, TaskClosed(0.0, "g", State.CACHED, "cache"))
    numbers = [store.run(run).number for run in store.runs_with_success("p", "g")]
    assert numbers == [3, 1]
    assert store.runs_with_success("p", "x") == []
