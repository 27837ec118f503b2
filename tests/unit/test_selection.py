"""Which tasks a selection takes, and what they use of the rest."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.errors import UsageError
from pipectl.model import Foreach, Pipeline, Task, TriggerRule
from pipectl.outline import outline
from pipectl.selection import Selected, Selection, select


def shell(name: str, *needs: str, **more: Any) -> Task:
    return Task(name, "shell", {"script": "true"}, needs, **more)


def group(name: str, *tasks: Task, needs: tuple[str, ...] = (), **more: Any) -> Task:
    inner = {task.name.rpartition(".")[2]: task for task in tasks}
    return Task(name, "tasks", needs=needs, tasks=inner, **more)


def pipeline(*tasks: Task) -> Pipeline:
    return Pipeline("p", "/p.yaml", "/", {task.name: task for task in tasks})


CHILD = pipeline(shell("one"), shell("two", "one"))
WHOLE = pipeline(
    shell("a", tags=("nightly",)),
    shell("b", "a"),
    group(
        "g",
        shell("g.x", tags=("nightly",)),
        shell("g.y", "g.x"),
        group("g.h", shell("g.h.x", "g.y")),
        needs=("b",),
        foreach=Foreach(["eu", "us"]),
    ),
    Task("child", "pipeline", needs=("a",), pipeline=CHILD),
    shell("load_1", "g"),
    shell("load_2", "child"),
    shell("mend", "a", trigger=TriggerRule.ONE_FAILED),
)


def chosen(**names: Iterable[str]) -> Selected:
    return select(WHOLE, Selection(**{key: list(value) for key, value in names.items()}))


def left(**names: Iterable[str]) -> list[str]:
    places = outline(chosen(**names).pipeline.tasks)
    return [path for path, place in places.items() if not place.inner]


def test_only_takes_a_task_alone_and_a_group_with_all_in_it() -> None:
    assert left(only=["b"]) == ["b"]
    assert left(only=["g"]) == ["g.x", "g.y", "g.h.x"]
    assert left(only=["child", "a"]) == ["a", "child.one", "child.two"]


def test_until_takes_all_that_is_needed_through_groups() -> None:
    assert left(until=["g.h"]) == ["a", "b", "g.x", "g.y", "g.h.x"]
    assert left(until=["child.one"]) == ["a", "child.one"]
    assert left(until=["load_2"]) == ["a", "child.one", "child.two", "load_2"]


def test_from_takes_all_below_through_groups() -> None:
    assert left(from_=["b"]) == ["b", "g.x", "g.y", "g.h.x", "load_1"]
    assert left(from_=["g.y"]) == ["g.y", "g.h.x", "load_1"]
    assert left(from_=["child.two"]) == ["child.two", "load_2"]


def test_choices_add_up_and_what_is_skipped_is_taken_away() -> None:
    assert left(only=["mend"], until=["b"], skip=["a"]) == ["b", "mend"]
    assert left(skip=["g", "child"]) == ["a", "b", "load_1", "load_2", "mend"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("load_*", ["load_1", "load_2"]),
        ("g.*", ["g.x", "g.y", "g.h.x"]),
        ("*.h", ["g.h.x"]),
        ("y", ["g.y"]),
        ("two", ["child.two"]),
        ("tag:nightly", ["a", "g.x"]),
    ],
)
def test_names_may_be_patterns_tags_and_names_within_a_group(text: str, found: list[str]) -> None:
    assert left(only=[text]) == found


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("laod_1", "no such task", "did you mean `load_1`?"),
        ("x", "several tasks of this name", "write `g.x` or `g.h.x`"),
        ("g[eu]", "one instance cannot be chosen", "write `--only g`"),
        ("g[eu].x", "one instance cannot be chosen", "write `--only g.x`"),
        ("tag:nigthly", "no task has the tag", "did you mean `nightly`?"),
        ("z_*", "no such task", "it has: "),
    ],
)
def test_names_of_nothing_are_refused_with_what_to_write(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        chosen(only=[text])
    assert message in refused.value.message
    assert hint in refused.value.hint


def test_selection_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing is left"):
        chosen(only=["a"], skip=["a"])


def test_what_is_left_out_is_no_more_needed_but_its_output_is_wanted() -> None:
    found = chosen(only=["g.y", "load_2"])
    assert found.wanted == {"g.x": "g.y", "child": "load_2"}
    assert (found.pipeline.tasks["g"].needs, found.pipeline.tasks["g"].left_out) == ((), ("b",))
    assert found.pipeline.tasks["load_2"].left_out == ("child",)
    assert chosen(until=["load_1"]).wanted == {}


def test_what_is_missing_of_a_group_is_wanted_where_the_group_is_needed() -> None:
    assert chosen(skip=["g.h"]).wanted == {"g.h": "load_1"}


def test_output_that_an_expression_names_is_wanted_through_other_tasks() -> None:
    whole = pipeline(
        shell("a"),
        Task("j", needs=("a",)),
        Task("c", "shell", {"argv": ["echo", "{{ tasks.a.output }}"]}, ("j",)),
        shell("d", "j", when="tasks.a.output.n > 1"),
        Task("e", "shell", {"script": "docker ps --format '{{.Names}} tasks.a'"}, ("j",)),
    )
    assert select(whole, Selection(only=["c"])).wanted == {"a": "c"}
    assert select(whole, Selection(only=["d"])).wanted == {"a": "d"}
    assert select(whole, Selection(only=["e"])).wanted == {}


def test_group_uses_what_it_needs_only_where_it_says_so() -> None:
    for items, wanted in (("{{ params.l }}", {}), ("{{ inputs.a }}", {"a": "g"}), ("{{ tasks.a.output }}", {"a": "g"})):
        whole = pipeline(shell("a"), group("g", shell("g.x"), needs=("a",), foreach=Foreach(items)))
        assert select(whole, Selection(only=["g"])).wanted == wanted


def test_task_without_code_of_its_own_uses_what_its_expressions_name() -> None:
    blind = Task("w", "wait", {"kind": "for", "for": "30s"}, ("a",))
    sees = Task("v", "wait", {"kind": "shell", "shell": {"script": "true"}}, ("a",))
    names = Task("q", "sql", {"query": "select {{ inputs.a }}"}, ("a",))
    whole = pipeline(shell("a"), blind, sees, names)
    assert [select(whole, Selection(only=[one])).wanted for one in "wvq"] == [{}, {"a": "v"}, {"a": "q"}]


def test_task_that_was_named_runs_though_its_trigger_waits_for_what_is_left_out() -> None:
    assert chosen(only=["mend"]).pipeline.tasks["mend"].trigger is TriggerRule.ALL_DONE
    assert chosen(skip=["a"]).pipeline.tasks["mend"].trigger is TriggerRule.ONE_FAILED


@given(st.integers(0, 2**32))
def test_all_until_the_ends_and_all_from_the_beginnings_is_everything(seed: int) -> None:
    rng = random.Random(seed)
    names = [f"t{i}" for i in range(rng.randint(1, 9))]
    tasks = [shell(name, *rng.sample(names[:i], rng.randint(0, min(i, 3)))) for i, name in enumerate(names)]
    whole = pipeline(*tasks)
    needed = {need for task in tasks for need in task.needs}
    ends = [name for name in names if name not in needed]
    starts = [task.name for task in tasks if not task.needs]
    assert select(whole, Selection(until=ends)) == select(whole, Selection(from_=starts)) == Selected(whole, {})


@given(st.integers(0, 2**32), st.integers(0, 8), st.integers(0, 8))
def test_task_is_until_another_where_that_is_from_it(seed: int, first: int, second: int) -> None:
    rng = random.Random(seed)
    names = [f"t{i}" for i in range(9)]
    tasks = [shell(name, *rng.sample(names[:i], rng.randint(0, min(i, 2)))) for i, name in enumerate(names)]
    whole = pipeline(*tasks)
    above = select(whole, Selection(until=[names[second]])).pipeline.tasks
    below = select(whole, Selection(from_=[names[first]])).pipeline.tasks
    assert (names[first] in above) == (names[second] in below)
