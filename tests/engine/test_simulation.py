"""A simulated run: the real loop's decisions, at the times that follow from what is assumed."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.engine.prepare import Setting, run_names
from pipectl.engine.simulation import Assumptions, Simulation, simulate
from pipectl.model import Pipeline, Retry, RunState, State, Task, TriggerRule
from tests.engine.test_scale import layered

MOMENT = datetime(2026, 1, 31, 6, tzinfo=UTC)


def task(name: str, *needs: str, **more: Any) -> Task:
    return Task(name, "shell", {"script": "exit 9"}, needs, **more)


def simulated(
    *tasks: Task,
    seconds: Mapping[str, float] | None = None,
    failing: tuple[str, ...] = (),
    capacity: int = 2,
    params: Mapping[str, Any] | None = None,
    **pipeline: Any,
) -> Simulation:
    made = Pipeline("p", "/p.yaml", "/", {one.name: one for one in tasks}, **pipeline)
    setting = Setting(made, run_names("0", MOMENT, "manual", "/nowhere"), params or {}, {}, {}, {}, {})
    return simulate(setting, Assumptions(seconds or {}, frozenset(failing)), capacity=capacity)


def states(simulation: Simulation) -> dict[str, State]:
    return {name: one.state for name, one in simulation.view.instances.items()}


def times(simulation: Simulation, name: str) -> tuple[float | None, float | None]:
    one = simulation.view.instances[name]
    return one.started, one.ended


def test_tasks_take_the_seconds_assumed_and_one_where_nothing_is_known() -> None:
    found = simulated(task("a"), task("b", "a"), seconds={"a": 5.0})
    assert (times(found, "a"), times(found, "b")) == ((0.0, 5.0), (5.0, 6.0))
    assert found.makespan == 6.0
    assert found.unknown == ["b"]
    assert found.view.state is RunState.SUCCESS


def test_slots_bound_what_runs_at_once() -> None:
    tasks = [task(f"t{i}") for i in range(6)]
    assert [simulated(*tasks, capacity=n).makespan for n in (1, 2, 3, 6)] == [6.0, 3.0, 2.0, 1.0]


def test_failure_reaches_what_needs_it_and_spares_the_rest() -> None:
    found = simulated(
        task("a"), task("b", "a"), task("c"), task("end", "b", "c", trigger=TriggerRule.ALL_DONE), failing=("a",)
    )
    assert states(found) == {
        "a": State.FAILED, "b": State.UPSTREAM_FAILED, "c": State.SUCCESS, "end": State.SUCCESS,
    }  # fmt: skip
    assert found.view.state is RunState.FAILED


def test_every_attempt_of_a_failing_task_fails_after_its_delays_without_jitter() -> None:
    found = simulated(task("a", retries=Retry(2, delay=10, jitter=0.5)), failing=("a",))
    assert [(span.started, span.ended) for span in found.view.instances["a"].spans] == [(0, 1), (11, 12), (32, 33)]
    assert found.makespan == 33.0


@pytest.mark.parametrize("on", [(22,), ("timeout",), ("ValueError", 7)])
def test_failure_is_of_a_kind_that_is_tried_again(on: tuple[int | str, ...]) -> None:
    found = simulated(task("a", retries=Retry(1, on=on)), failing=("a",))
    assert found.view.instances["a"].attempts == 2


def test_failure_is_no_skip_where_an_exit_code_means_that() -> None:
    skips = Task("a", "shell", {"script": "", "skip_exit_code": 1})
    assert states(simulated(skips, failing=("a",))) == {"a": State.FAILED}


def test_what_takes_longer_than_its_time_limit_fails_then() -> None:
    found = simulated(task("a", timeout=5.0), seconds={"a": 100.0})
    assert times(found, "a") == (0.0, 5.0)
    assert "time limit" in (found.view.instances["a"].error or "")


def test_guess_never_runs_into_a_time_limit() -> None:
    found = simulated(task("a", timeout=0.25))
    assert (states(found)["a"], found.makespan) == (State.SUCCESS, 0.25)


def test_time_limit_of_the_run_cancels_what_is_left_but_for_what_always_runs() -> None:
    found = simulated(
        task("a"), task("b", "a"), task("end", "b", trigger=TriggerRule.ALWAYS), seconds={"a": 60.0}, timeout=10.0
    )
    assert states(found) == {"a": State.CANCELLED, "b": State.CANCELLED, "end": State.SUCCESS}
    assert times(found, "a") == (0.0, 10.0)
    assert found.view.state is RunState.FAILED


def test_fail_fast_ends_what_runs() -> None:
    found = simulated(task("a"), task("b"), seconds={"b": 60.0}, failing=("a",), fail_fast=True)
    assert states(found) == {"a": State.FAILED, "b": State.CANCELLED}
    assert found.makespan == 1.0


def test_conditions_over_parameters_and_states_are_computed() -> None:
    found = simulated(
        task("a", when="params.n > 1"),
        task("b", when="params.n > 5"),
        task("c", "a", when="tasks.a.state == 'failed'", trigger=TriggerRule.ALL_DONE),
        params={"n": 2},
    )
    assert states(found) == {"a": State.SUCCESS, "b": State.SKIPPED, "c": State.SKIPPED}


def test_conditions_over_outputs_and_files_are_taken_as_true() -> None:
    found = simulated(
        task("a", expect=("output.rows > 0",)),
        task("b", "a", when="tasks.a.output.rows > 9"),
        task("c", "a", when="exists('/no/such/file')"),
    )
    assert set(states(found).values()) == {State.SUCCESS}


def test_condition_that_cannot_be_told_fails_the_task_as_in_a_run() -> None:
    found = simulated(task("a", when="params.n"), params={"n": 2})
    assert states(found) == {"a": State.FAILED}
    assert "true or false" in (found.view.instances["a"].error or "")


def test_failure_that_is_allowed_does_not_fail_the_run() -> None:
    found = simulated(task("a", allow_failure="params.n == 2"), task("b", "a"), failing=("a",), params={"n": 2})
    assert (states(found)["b"], found.view.state) == (State.SUCCESS, RunState.SUCCESS)


def test_outputs_of_every_kind_of_task_are_read_without_complaint() -> None:
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("shell", {"script": "", "output": form}) for form in ("text", "lines", "json")
    ]
    bodies += [("shell", {"argv": ["true"]}), ("python", {"code": ""}), ("python", {"script": "a.py"})]
    found = simulated(*(Task(f"t{i}", kind, body) for i, (kind, body) in enumerate(bodies)), Task("join"))
    assert set(states(found).values()) == {State.SUCCESS}


def test_critical_path_is_the_chain_that_takes_longest_whatever_the_slots() -> None:
    tasks = (task("a"), task("b", "a"), task("c", "a"), task("d", "b", "c"), task("e"))
    found = simulated(*tasks, seconds={"c": 10.0, "e": 11.0}, capacity=1)
    assert found.critical_path == ["a", "c", "d"]
    assert found.critical_seconds == 12.0
    assert found.makespan == 24.0


def test_long_waits_cost_no_work() -> None:
    week = 7 * 86400.0
    found = simulated(task("a", retries=Retry(3, delay=week, max_delay=math.inf)), seconds={"a": week}, failing=("a",))
    assert found.makespan > 10 * week
    assert len(found.events) < 20


def test_same_pipeline_gives_the_same_simulation() -> None:
    first, second = (simulated(*layered(300), capacity=4) for _ in range(2))
    assert first.events == second.events
    assert first.view.state is RunState.SUCCESS


@pytest.mark.parametrize("trigger", [TriggerRule.ONE_SUCCESS, TriggerRule.ONE_DONE])
def test_critical_path_goes_by_what_was_really_waited_for(trigger: TriggerRule) -> None:
    found = simulated(
        task("a"), task("b"), task("c", "a", "b", trigger=trigger), seconds={"a": 3.0, "b": 1.0, "c": 5.0}
    )
    assert (found.critical_path, found.critical_seconds, found.makespan) == (["b", "c"], 6.0, 6.0)


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_critical_path_is_never_longer_than_the_run(seed: int, capacity: int) -> None:
    rng = random.Random(seed)
    names = [f"t{i}" for i in range(rng.randint(1, 9))]
    tasks = [
        task(name, *rng.sample(names[:i], rng.randint(0, min(i, 3))), trigger=rng.choice(list(TriggerRule)))
        for i, name in enumerate(names)
    ]
    seconds = {name: rng.choice([0.0, 0.5, 1.0, 3.0]) for name in names}
    failing = tuple(name for name in names if rng.random() < 0.3)
    found = simulated(*tasks, seconds=seconds, failing=failing, capacity=capacity)
    assert found.critical_seconds <= found.makespan + 1e-9


def test_condition_over_a_state_in_an_environment_is_computed_and_one_over_an_output_is_taken_as_true() -> None:
    found = simulated(
        task("a"),
        task("b", "a", when="env.S == 'failed'", env={"S": "{{ tasks.a.state }}"}),
        task("c", "a", when="env.N == '5'", env={"N": "{{ tasks.a.output.n + 1 }}"}),
        task("d", "a", when="env.M == 'x'", env={"N": "{{ tasks.a.output.n + 1 }}", "M": "x"}),
    )
    assert [states(found)[name] for name in "bcd"] == [State.SKIPPED, State.SUCCESS, State.SUCCESS]
