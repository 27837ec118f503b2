"""How long instances take, from the newest runs of a pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipectl.events import AttemptFinished, AttemptStarted, Event, RunResumed
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
