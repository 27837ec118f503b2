"""Runs whose shape depends on values: the loop with a real state and a fake executor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from pipectl.events import TaskOpened
from pipectl.model import Call, Foreach, Job, Outcome, Pipeline, RunState, State, Task, TriggerRule
from tests.engine.harness import Killed, Lab
from tests.fakes import FakeExecutor, failure, success


def code(name: str, *needs: str, **more: object) -> Task:
    return Task(name, "python", {"code": "output = 1"}, needs, **more)  # type: ignore[arg-type]


def group(name: str, tasks: Iterable[Task], *needs: str, **more: object) -> Task:
    inside = {task.name.rpartition(".")[2]: task for task in tasks}
    return Task(name, "tasks", needs=needs, tasks=inside, **more)  # type: ignore[arg-type]


def each(items: object, **more: object) -> Foreach:
    return Foreach(items=items, **more)  # type: ignore[arg-type]


def names(job: Job) -> dict[str, object]:
    """What inline code sees."""
    assert isinstance(job.work, Call)
    return dict(job.work.payload["names"])


def output_of(lab: Lab, instance: str) -> object:
    text = lab.store.output(lab.run, instance)
    return None if text is None else json.loads(text)


class Echo:
    """Gives as outputs what a table says, else what the instance sees; keeps what each job saw."""

    def __init__(self, **outputs: object) -> None:
        self.outputs = outputs
        self.seen: dict[str, dict[str, object]] = {}
        self.jobs: dict[str, Job] = {}
        self.ran: list[str] = []

    def __call__(self, job: Job) -> Outcome:
        self.ran.append(job.instance)
        self.jobs[job.instance] = job
        self.seen[job.instance] = names(job)
        return success(job, self.outputs.get(job.instance, job.instance))


def test_items_of_an_upstream_give_instances_whose_outputs_are_gathered_in_order(tmp_path: Path) -> None:
    echo = Echo(files=["x.csv", "y z.csv"])
    lab = Lab(
        tmp_path, [code("files"), code("each", "files", foreach=each("{{ tasks.files.output }}")), code("all", "each")]
    )
    assert lab.go(FakeExecutor(echo, clock=lab.clock)) is RunState.SUCCESS
    assert echo.seen["each[y z.csv]"]["item"] == "y z.csv"
    assert echo.seen["each[y z.csv]"]["index"] == 1
    assert echo.jobs["each[y z.csv]"].env["ITEM"] == "y z.csv"
    assert echo.seen["all"]["inputs"] == {"each": ["each[x.csv]", "each[y z.csv]"]}


def test_a_matrix_is_the_product_without_what_is_excluded_and_with_what_is_included(tmp_path: Path) -> None:
    foreach = Foreach(matrix={"a": [1, 2], "b": ["x", "y"]}, exclude=[{"a": 1, "b": "y"}], include=[{"a": 3, "c": 0}])
    lab = Lab(tmp_path, [code("t", foreach=foreach)])
    echo = Echo()
    lab.go(FakeExecutor(echo, clock=lab.clock))
    assert list(echo.seen) == ["t[a=1,b=x]", "t[a=2,b=x]", "t[a=2,b=y]", "t[a=3,c=0]"]
    assert echo.jobs["t[a=3,c=0]"].env["ITEM_A"] == "3"
    assert "ITEM" not in echo.jobs["t[a=3,c=0]"].env


def test_an_output_keeps_its_place_and_what_gave_none_is_null(tmp_path: Path) -> None:
    tasks = [
        code("t", foreach=each([1, 2, 3]), when="item != 2"),
        code("use", "t", trigger=TriggerRule.NONE_FAILED),
        code("none", foreach=each([])),
        code("after", "none", trigger=TriggerRule.NONE_FAILED),
    ]
    echo = Echo(**{"t[1]": 10, "t[3]": 30})
    lab = Lab(tmp_path, tasks)
    assert lab.go(FakeExecutor(echo, clock=lab.clock)) is RunState.SUCCESS
    assert echo.seen["use"]["inputs"] == {"t": [10, None, 30]}
    assert echo.seen["after"]["inputs"] == {"none": []}
    assert lab.states()["t[2]"] is State.SKIPPED
    assert lab.states()["none"] is State.SKIPPED


def test_each_copy_of_a_group_is_a_chain_of_its_own(tmp_path: Path) -> None:
    tasks = [
        code("start"),
        group(
            "region",
            [code("region.extract"), code("region.load", "region.extract", "start")],
            "start",
            foreach=each(["eu", "us"]),
            env={"WHERE": "{{ item }}"},
        ),
        code("end", "region"),
    ]
    echo = Echo()
    lab = Lab(tmp_path, tasks)
    assert lab.go(FakeExecutor(echo, clock=lab.clock)) is RunState.SUCCESS
    assert echo.seen["region[us].load"]["inputs"] == {"extract": "region[us].extract", "start": "start"}
    assert echo.jobs["region[us].load"].env["WHERE"] == "us"
    assert echo.jobs["region[us].load"].env["PIPECTL_TASK"] == "region.load"
    assert echo.ran[0] == "start"
    assert echo.ran[-1] == "end"
    assert echo.seen["end"]["inputs"] == {
        "region": [{"extract": f"region[{r}].extract", "load": f"region[{r}].load"} for r in ("eu", "us")]
    }
    order = [one.name for one in lab.view().rows]
    assert order == [
        *("start", "region[eu].extract", "region[eu].load", "region[us].extract", "region[us].load", "end")
    ]


def test_a_nested_foreach_sees_the_item_around_it(tmp_path: Path) -> None:
    inner = code("g.t", foreach=each("{{ item.parts }}", key="outer.item.name ~ '-' ~ item"))
    items = [{"name": "a", "parts": [1, 2]}, {"name": "b", "parts": [3]}]
    lab = Lab(tmp_path, [group("g", [inner], foreach=each(items, key="item.name"))])
    echo = Echo()
    assert lab.go(FakeExecutor(echo, clock=lab.clock)) is RunState.SUCCESS
    assert sorted(echo.ran) == ["g[a].t[a-1]", "g[a].t[a-2]", "g[b].t[b-3]"]
    assert echo.seen["g[b].t[b-3]"]["outer"] == {"item": items[1], "index": 1}


def test_a_key_that_two_items_share_fails_the_task(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("t", foreach=each([1, 2], key="'same'"))])
    assert lab.go(FakeExecutor(clock=lab.clock)) is RunState.FAILED
    assert lab.view().instances["t"].error == "`foreach`: items 0 and 1 have the same `key`, `same`"


def test_what_is_no_list_fails_the_task(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a"), code("t", "a", foreach=each("{{ tasks.a.output }}"))])
    assert lab.go(FakeExecutor(clock=lab.clock)) is RunState.FAILED
    assert "must come to a list" in str(lab.view().instances["t"].error)


def test_no_more_attempts_run_in_a_foreach_than_it_allows(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("t", foreach=each(list(range(6))), max_parallel=2)])
    executor = FakeExecutor(clock=lab.clock, capacity=2)
    assert lab.go(executor, capacity=8) is RunState.SUCCESS


def test_a_group_that_fails_fast_ends_only_what_is_in_it(tmp_path: Path) -> None:
    inside = [code("g.bad", priority=1), code("g.slow"), code("g.next", "g.slow")]
    lab = Lab(tmp_path, [group("g", inside, fail_fast=True), code("other"), code("last", "other")])
    executor = FakeExecutor(
        lambda job: failure(job) if job.instance == "g.bad" else success(job), clock=lab.clock, capacity=3
    )
    assert lab.go(executor, capacity=3) is RunState.FAILED
    states = lab.states()
    assert (states["g.bad"], states["g.slow"], states["g.next"]) == (State.FAILED, State.CANCELLED, State.CANCELLED)
    assert (states["other"], states["last"]) == (State.SUCCESS, State.SUCCESS)


def test_the_failure_of_a_group_that_may_fail_does_not_fail_the_run(tmp_path: Path) -> None:
    inside = [code("g.t")]
    allowed = "item == 'may'"
    tasks = [group("g", inside, foreach=each(["may", "must"]), allow_failure=allowed)]
    lab = Lab(tmp_path, tasks)
    executor = FakeExecutor(lambda job: failure(job) if "[may]" in job.instance else success(job), clock=lab.clock)
    assert lab.go(executor) is RunState.SUCCESS
    other = tmp_path / "other"
    other.mkdir()
    lab = Lab(other, tasks)
    executor = FakeExecutor(lambda job: failure(job) if "[must]" in job.instance else success(job), clock=lab.clock)
    assert lab.go(executor) is RunState.FAILED


def test_a_group_that_may_not_run_gives_its_state_to_all_in_it(tmp_path: Path) -> None:
    tasks = [
        code("bad"),
        group("g", [code("g.a"), code("g.b", "g.a")], "bad"),
        group("h", [code("h.a")], "bad", foreach=each([1])),
    ]
    lab = Lab(tmp_path, [*tasks, code("reach", "g.b", trigger=TriggerRule.ALL_DONE)])
    executor = FakeExecutor(lambda job: failure(job) if job.instance == "bad" else success(job), clock=lab.clock)
    assert lab.go(executor) is RunState.FAILED
    assert lab.states() == {
        "bad": State.FAILED,
        "reach": State.SUCCESS,
        **dict.fromkeys(["g.a", "g.b", "h.a"], State.UPSTREAM_FAILED),
    }


def test_only_the_instance_that_failed_is_run_again_and_what_it_blocked(tmp_path: Path) -> None:
    tasks = [code("t", foreach=each([1, 2, 3])), code("after", "t")]
    lab = Lab(tmp_path, tasks)
    echo = Echo()
    failing = FakeExecutor(lambda job: failure(job) if job.instance == "t[2]" else echo(job), clock=lab.clock)
    assert lab.go(failing) is RunState.FAILED
    assert lab.states()["after"] is State.UPSTREAM_FAILED
    again = Echo()
    assert lab.go(FakeExecutor(again, clock=lab.clock)) is RunState.SUCCESS
    assert again.ran == ["t[2]", "after"]
    assert again.seen["after"]["inputs"] == {"t": ["t[1]", "t[2]", "t[3]"]}


def sub_pipeline(name: str, tasks: Iterable[Task], *needs: str, **more: object) -> Task:
    inner = Pipeline(
        name="inner",
        file="inner.yaml",
        folder="/",
        tasks={task.name: task for task in tasks},
        params={"n": {"type": "integer"}, "m": {"type": "integer", "default": 5}},
        vars={"twice": "{{ params.n * 2 }}"},
    )
    return Task(name, "pipeline", {"params": {"n": "{{ item }}"}}, needs, pipeline=inner, **more)  # type: ignore[arg-type]


def test_a_sub_pipeline_has_its_own_parameters_and_constants(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [sub_pipeline("child", [code("dbl")], foreach=each([21, 3])), code("use", "child")])
    echo = Echo()
    assert lab.go(FakeExecutor(echo, clock=lab.clock)) is RunState.SUCCESS
    assert echo.seen["child[21].dbl"]["params"] == {"n": 21, "m": 5}
    assert echo.seen["child[21].dbl"]["vars"] == {"twice": 42}
    assert echo.jobs["child[3].dbl"].env["PIPECTL_PIPELINE"] == "inner"
    assert echo.seen["use"]["inputs"] == {"child": [{"dbl": "child[21].dbl"}, {"dbl": "child[3].dbl"}]}


def test_unfit_parameters_of_a_sub_pipeline_fail_it_and_say_which(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [sub_pipeline("child", [code("dbl")], foreach=each(["x"]))])
    assert lab.go(FakeExecutor(clock=lab.clock)) is RunState.FAILED
    assert "parameter `n` must be a whole number" in str(lab.view().instances["child[x]"].error)
    assert lab.states()["child[x].dbl"] is State.UPSTREAM_FAILED


EVERYTHING = [
    code("list"),
    code("each", "list", foreach=each("{{ tasks.list.output }}")),
    group(
        "g",
        [code("g.a", foreach=each([1, 2])), code("g.b", "g.a", "list"), Task("g.c", needs=("g.b",))],
        "list",
        foreach=each("{{ tasks.list.output }}"),
        allow_failure="false",
    ),
    sub_pipeline("child", [code("x"), code("y", "x")], "list", foreach=each("{{ tasks.list.output }}")),
    code("end", "each", "g", "child"),
]


def a_list_that_changes() -> Callable[[Job], Outcome]:
    """The output of `list` is another one each time that it is asked for."""
    lists = iter([[0, 1], [10, 11], [20, 21]])
    return lambda job: success(job, next(lists) if job.instance == "list" else None)


KILLS = 39


@pytest.mark.parametrize("lives", range(1, KILLS))
def test_a_run_killed_after_any_event_keeps_its_items_and_repeats_no_success(tmp_path: Path, lives: int) -> None:
    lab = Lab(tmp_path, EVERYTHING)
    script = a_list_that_changes()
    try:
        lab.go(FakeExecutor(script, clock=lab.clock), lives=lives)
    except Killed:
        assert lab.go(FakeExecutor(script, clock=lab.clock)) is RunState.SUCCESS
    assert set(lab.states().values()) == {State.SUCCESS}
    opened = [event.instance for event in lab.store.events(lab.run) if isinstance(event, TaskOpened)]
    assert len(opened) == len(set(opened)), "the items were computed twice"
    ends = [event for event in lab.store.events(lab.run) if event.kind == "attempt_finished"]
    done = [event.instance for event in ends if event.state is State.SUCCESS]  # type: ignore[attr-defined]
    assert len(done) == len(set(done))


def test_the_story_above_has_as_many_events_as_are_killed_after(tmp_path: Path) -> None:
    lab = Lab(tmp_path, EVERYTHING)
    lab.go(FakeExecutor(a_list_that_changes(), clock=lab.clock))
    assert len(lab.store.events(lab.run)) == KILLS


def test_what_is_run_again_as_a_whole_gets_its_items_anew_and_counts_its_attempts_on(tmp_path: Path) -> None:
    lab = Lab(tmp_path, EVERYTHING)
    script = a_list_that_changes()
    assert lab.go(FakeExecutor(script, clock=lab.clock)) is RunState.SUCCESS
    assert lab.go(FakeExecutor(script, clock=lab.clock), again=["list"]) is RunState.SUCCESS
    instances = lab.view().instances
    assert {"each[10]", "each[11]", "g[10].a[1]", "child[11].y"} <= set(instances)
    assert "each[0]" not in instances
    assert instances["list"].attempts == 2
    assert lab.store.output(lab.run, "each[0]") is None
