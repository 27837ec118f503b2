"""A simulated run: the real loop's decisions, at the times that follow from what is assumed."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipectl.engine.assumptions import Assumptions
from pipectl.engine.scopes import Setting, run_names
from pipectl.engine.simulation import Simulation, simulate
from pipectl.engine.world import World
from pipectl.events import TaskClosed, TaskOpened
from pipectl.labels import item_labels
from pipectl.model import Foreach, Job, Outcome, Pipeline, Pool, Resources, Retry, RunState, State, Task, TriggerRule
from tests.engine.harness import Lab
from tests.engine.test_scale import layered
from tests.fakes import FakeExecutor, failure, success

MOMENT = datetime(2026, 1, 31, 6, tzinfo=UTC)


def task(name: str, *needs: str, **more: Any) -> Task:
    return Task(name, "shell", {"script": "exit 9"}, needs, **more)


def simulated(
    *tasks: Task,
    seconds: Mapping[str, float] | None = None,
    failing: tuple[str, ...] = (),
    capacity: int = 2,
    params: Mapping[str, Any] | None = None,
    usual: Mapping[str, float] | None = None,
    items: Mapping[str, int] | None = None,
    usual_items: Mapping[str, tuple[list[Any], list[str]]] | None = None,
    **pipeline: Any,
) -> Simulation:
    made = Pipeline("p", "/p.yaml", "/", {one.name: one for one in tasks}, **pipeline)
    inner = {one.name: World({}, {}, {}) for one in tasks if one.pipeline}
    setting = Setting(made, run_names("0", MOMENT, "manual", "/nowhere"), params or {}, {}, World({}, {}, {}, inner))
    assumptions = Assumptions(seconds or {}, usual or {}, items or {}, usual_items or {}, frozenset(failing))
    return simulate(setting, assumptions, capacity=capacity)


def group(name: str, *tasks: Task, needs: tuple[str, ...] = (), **more: Any) -> Task:
    inner = {one.name.rpartition(".")[2]: one for one in tasks}
    return Task(name, "tasks", needs=needs, tasks=inner, **more)


def each(name: str, items: list[Any] | str, *needs: str, **more: Any) -> Task:
    return task(name, *needs, foreach=Foreach(items), **more)


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


# Items, groups, sub-pipelines


def test_items_that_are_known_are_computed_and_others_are_three() -> None:
    found = simulated(
        each("known", "{{ params.l }}"), task("a"), each("unknown", "{{ tasks.a.output }}", "a"), params={"l": ["x", 5]}
    )
    assert list(states(found)) == ["a", "known[x]", "known[5]", "unknown[0]", "unknown[1]", "unknown[2]"]
    assert {path: (len(one.items), one.source) for path, one in found.assumed.items()} == {"unknown": (3, "guess")}


def test_number_of_items_that_is_said_goes_before_all_else_and_history_before_a_guess() -> None:
    tasks = (
        each("b", ["x"]),
        task("a"),
        each("c", "{{ tasks.a.output }}", "a"),
        each("d", "{{ tasks.a.output }}", "a"),
    )
    found = simulated(*tasks, items={"b": 2, "c": 1}, usual_items={"c": ([7, 8], ["7", "8"]), "d": ([7], ["seven"])})
    assert list(states(found)) == ["a", "b[0]", "b[1]", "c[0]", "d[seven]"]
    assert [one.source for one in found.assumed.values()] == ["option", "option", "history"]


def test_what_depends_on_an_item_that_is_not_known_is_taken_as_true_and_assumed_again() -> None:
    inner = each("g.x", "{{ item.files }}", when="outer.item.n > 5 and item == 2")
    found = simulated(
        task("a"), group("g", inner, needs=("a",), foreach=Foreach("{{ tasks.a.output }}")), items={"g": 1, "g.x": 2}
    )
    assert states(found) == dict.fromkeys(["a", "g[0].x[0]", "g[0].x[1]"], State.SUCCESS)


def test_condition_over_an_item_that_is_known_is_computed_for_each() -> None:
    found = simulated(each("a", [1, 2, 3], when="item > 1"))
    assert states(found) == {"a[1]": State.SKIPPED, "a[2]": State.SUCCESS, "a[3]": State.SUCCESS}


def test_files_count_only_where_nothing_of_the_run_comes_before() -> None:
    found = simulated(each("a", "{{ glob('/no/such/*') }}"), task("b"), each("c", "{{ glob('/no/such/*') }}", "b"))
    assert list(states(found)) == ["a", "b", "c[0]", "c[1]", "c[2]"]
    assert states(found)["a"] is State.SKIPPED


@pytest.mark.parametrize(
    ("name", "failed"),
    [("g", {"g[x].a", "g[y].a"}), ("g[x]", {"g[x].a"}), ("g.b", {"g[x].b", "g[y].b"}), ("g[y].b", {"g[y].b"})],
)
def test_failure_may_be_of_a_group_a_copy_a_task_in_it_or_an_instance(name: str, failed: set[str]) -> None:
    found = simulated(group("g", task("g.a"), task("g.b", "g.a"), foreach=Foreach(["x", "y"])), failing=(name,))
    assert {one for one, state in states(found).items() if state is State.FAILED} == failed


def test_duration_of_a_task_is_that_of_all_instances_but_for_those_with_their_own() -> None:
    found = simulated(each("a", ["x", "y", "z"]), usual={"a": 2.0, "a[y]": 3.0}, seconds={"a[z]": 4.0}, capacity=3)
    assert [times(found, f"a[{label}]")[1] for label in "xyz"] == [2.0, 3.0, 4.0]
    assert found.unknown == []


def test_parameters_of_a_sub_pipeline_that_are_not_known_leave_its_conditions_open() -> None:
    child = Pipeline(
        "c",
        "/c.yaml",
        "/",
        {
            "told": task("told", when="params.k > 5"),
            "open": task("open", when="vars.twice > 5"),
            "fixed": task("fixed", when="vars.half > 5", env={"E": "{{ params.n }}"}),
        },
        params={"n": {"type": "integer"}, "k": {"default": 1}},
        vars={"twice": "{{ params.n * 2 }}", "half": "{{ params.k / 2 }}"},
    )
    body = {"params": {"n": "{{ tasks.a.output }}", "k": "{{ params.k }}"}}
    found = simulated(task("a"), Task("child", "pipeline", body, ("a",), pipeline=child), params={"k": 2})
    assert states(found) == {
        "a": State.SUCCESS, "child.told": State.SKIPPED, "child.open": State.SUCCESS, "child.fixed": State.SKIPPED,
    }  # fmt: skip


def test_critical_path_leads_through_groups() -> None:
    found = simulated(
        task("a"),
        group("g", task("g.x"), task("g.y", "g.x"), needs=("a",), foreach=Foreach(["1", "2"])),
        task("z", "g"),
        seconds={"g[2].y": 5.0},
        capacity=9,
    )
    assert found.critical_path == ["a", "g[2].x", "g[2].y", "z"]
    assert found.critical_seconds == found.makespan == 8.0


# Waits and limits


def wait(name: str, kind: str, text: Any, *needs: str, **more: Any) -> Task:
    limits = {"timeout": 60.0, "on_timeout": "fail", "expect": [], "interval": 10.0, **more}
    return Task(name, "wait", {"kind": kind, kind: text, **limits}, needs)


def approve(name: str, *needs: str, **more: Any) -> Task:
    body = {"question": "?", "params": {}, "timeout": None, "on_timeout": "fail", "on_reject": "fail", **more}
    return Task(name, "approve", body, needs)


def test_waits_whose_end_is_known_take_that_long_and_hold_no_slot() -> None:
    found = simulated(
        wait("for", "for", "30s"), wait("until", "until", "2026-01-31T06:00:40Z"), task("a"), task("b"), capacity=1
    )
    assert (times(found, "for"), times(found, "until")) == ((0.0, 30.0), (0.0, 40.0))
    assert (times(found, "a")[1], times(found, "b")[1]) == (1.0, 2.0)
    assert found.unknown == ["a", "b"]


def test_wait_for_what_only_the_run_can_tell_takes_as_long_as_it_did() -> None:
    found = simulated(task("a"), wait("w", "for", "{{ tasks.a.output }}", "a"), usual={"a": 1.0, "w": 7.0})
    assert times(found, "w") == (1.0, 8.0)


def test_wait_that_fails_does_so_at_its_time_limit() -> None:
    found = simulated(wait("w", "file", "/x"), wait("s", "file", "/x", on_timeout="skip"), failing=("w", "s"))
    assert (states(found), found.makespan) == ({"w": State.FAILED, "s": State.SKIPPED}, 60.0)


def test_approval_is_given_or_refused_or_too_late() -> None:
    late = {"timeout": 10.0, "on_timeout": "approve"}
    found = simulated(
        approve("yes"), approve("no"), approve("skip", on_reject="skip"), approve("late", **late),
        failing=("no", "skip"), seconds={"late": 99.0},
    )  # fmt: skip
    assert states(found) == {
        "yes": State.SUCCESS, "no": State.FAILED, "skip": State.SKIPPED, "late": State.SUCCESS,
    }  # fmt: skip
    assert times(found, "late") == (0.0, 10.0)


def test_pools_and_their_rates_bound_what_starts() -> None:
    tasks = [task(f"t{i}", pool={"db": 1}) for i in range(4)]
    assert simulated(*tasks, capacity=9, pools={"db": Pool(2)}).makespan == 2.0
    assert simulated(*tasks, capacity=9, pools={"db": Pool(0, (2, 10.0))}).makespan == 11.0


def test_use_of_slots_and_pools_is_told() -> None:
    found = simulated(
        task("a", resources=Resources(cpu=2)), task("b", "a", pool={"db": 1}), capacity=2, pools={"db": Pool(4)}
    )
    assert {use.pool: (use.slots, use.busy) for use in found.uses()} == {None: (2, 0.75), "db": (4, 0.125)}


# From a record


def recorded(lab: Lab) -> Assumptions:
    """What a run really came to, as assumptions about another."""
    seconds, failing, skipping = {}, set(), set()
    items: dict[str, tuple[list[Any], list[str]]] = {}
    for event in lab.store.events(lab.run):
        if isinstance(event, TaskOpened) and event.items is not None:
            items[event.instance] = (event.items, event.labels or item_labels(event.items))
        if isinstance(event, TaskClosed) and event.by == "when":
            skipping.add(event.instance)
    for name, one in lab.view().instances.items():
        if one.spans:
            seconds[name] = (one.spans[-1].ended or 0.0) - one.spans[-1].started
        if one.state is State.FAILED:
            failing.add(name)
    return Assumptions(usual=seconds, usual_items=items, failing=frozenset(failing), skipping=frozenset(skipping))


def random_tasks(rng: random.Random, prefix: str = "", depth: int = 0) -> list[Task]:
    """Tasks in groups in groups, repeated for what only the run knows, under all triggers."""
    made: list[Task] = []
    for index in range(rng.randint(1, 4)):
        name = f"{prefix}t{index}"
        more: dict[str, Any] = {
            "trigger": rng.choice([TriggerRule.ALL_SUCCESS, *TriggerRule]),
            "allow_failure": rng.random() < 0.2,
        }
        needs = tuple(rng.sample([one.name for one in made], rng.randint(0, min(len(made), 2))))
        if needs and rng.random() < 0.3:
            more["foreach"] = Foreach(
                f"{{{{ range(inputs['{needs[0].rpartition('.')[2]}'] is mapping and 1 or 2)|list }}}}"
            )
        if needs and rng.random() < 0.2:
            more["when"] = f"inputs['{needs[0].rpartition('.')[2]}'] != 1"
        if depth < 2 and rng.random() < 0.3:
            made.append(group(name, *random_tasks(rng, f"{name}.", depth + 1), needs=needs, **more))
        else:
            retries = Retry(rng.choice([0, 1]), delay=0.1)
            made.append(Task(name, "python", {"code": ""}, needs, retries=retries, **more))
    return made


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_run_simulated_from_its_record_comes_to_the_same_states(seed: int) -> None:
    rng = random.Random(seed)
    tasks = random_tasks(rng)

    def script(job: Job) -> Outcome:
        return failure(job) if rng.random() < 0.3 else success(job, rng.choice([None, 1, {"a": 1}]))

    with TemporaryDirectory() as folder:
        lab = Lab(Path(folder), tasks)
        state = lab.go(FakeExecutor(script, clock=lab.clock, capacity=3), capacity=3)
        assumptions, seen = recorded(lab), lab.states()
        lab.store.close()
    setting = Setting(lab.pipeline, run_names("0", MOMENT, "manual", "/nowhere"), {}, {}, World({}, {}, {}))
    found = simulate(setting, assumptions, capacity=3)
    assert states(found) == seen
    assert found.view.state is state
    assert found.critical_seconds <= found.makespan + 1e-9
