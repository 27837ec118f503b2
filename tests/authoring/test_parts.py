"""Tasks, groups and what needs what, as the data of a file."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from pipectl import Pipeline, PipelineError
from pipectl.authoring.checks import checked
from pipectl.authoring.tasks import Group, Scope, Task
from pipectl.model import Task as CheckedTask


def data(pipeline: Pipeline) -> dict[str, Any]:
    return pipeline.generated().data


def tasks(pipeline: Pipeline) -> dict[str, Any]:
    found: dict[str, Any] = data(pipeline)["tasks"]
    return found


def needs(pipeline: Pipeline) -> dict[str, Any]:
    return {name: task.get("needs", []) for name, task in tasks(pipeline).items()}


@pytest.fixture
def p() -> Pipeline:
    return Pipeline("p")


def made(p: Pipeline, names: str) -> list[Task]:
    return [p.shell(name, "true") for name in names]


def message(error: pytest.ExceptionInfo[PipelineError]) -> str:
    return "\n".join(problem.message for problem in error.value.problems)


# What needs what


def test_arrows_point_from_what_is_needed_to_what_needs_it(p: Pipeline) -> None:
    a, b, c, d, e = made(p, "abcde")
    a >> b >> [c, d] >> e
    assert needs(p) == {"a": [], "b": "a", "c": "b", "d": "b", "e": ["c", "d"]}


def test_arrows_the_other_way_mean_the_same(p: Pipeline) -> None:
    a, b, c, d = made(p, "abcd")
    d << [b, c] << a
    assert needs(p) == {"a": [], "b": "a", "c": "a", "d": ["b", "c"]}


def test_upstream_and_downstream_are_set_one_or_many_at_a_time(p: Pipeline) -> None:
    a, b, c = made(p, "abc")
    a.set_downstream([b, c])
    c.set_upstream(b)
    assert needs(p) == {"a": [], "b": "a", "c": ["a", "b"]}


def test_needs_takes_tasks_and_names_and_names_each_once(p: Pipeline) -> None:
    a, b = made(p, "ab")
    a >> p.shell("c", "true", needs=[a, "b"]) << b
    p.task("last", needs="*")
    assert needs(p)["c"] == ["a", "b"]
    assert needs(p)["last"] == "*"


def test_task_of_another_pipeline_cannot_be_needed(p: Pipeline) -> None:
    stranger = Pipeline("q").shell("x", "true")
    p.shell("y", "true") << stranger
    with pytest.raises(PipelineError) as error:
        data(p)
    assert message(error) == "task `x` is of another pipeline, `q`"


def test_arrow_to_what_is_no_task_fails(p: Pipeline) -> None:
    (a,) = made(p, "a")
    with pytest.raises(TypeError, match="`'b'` is no task"):
        a >> ["b"]


# Outputs


def test_output_of_a_task_as_a_value_is_an_expression_and_a_need(p: Pipeline) -> None:
    a, b = made(p, "ab")
    p.python("c", "m:f", with_={"all": a, "part": b.output.rows[0]["a b"]})
    assert tasks(p)["c"] == {
        "needs": ["a", "b"],
        "python": {
            "call": "m:f",
            "with": {"all": "{{ tasks.a.output }}", "part": '{{ tasks.b.output.rows[0]["a b"] }}'},
        },
    }


def test_output_in_a_text_is_the_expression_alone(p: Pipeline) -> None:
    fetch = p.shell("fetch-it", "true")
    p.shell("b", ["cat", f"{fetch.output.path}.csv"], needs=fetch)
    assert tasks(p)["b"]["shell"] == ["cat", '{{ tasks["fetch-it"].output.path }}.csv']
    assert p.validate() == []


def test_output_is_not_compared_while_the_pipeline_is_made(p: Pipeline) -> None:
    output = p.shell("a", "true").output
    for mistake in (lambda: output == 1, lambda: not output, lambda: output > 1, lambda: list(output)):
        with pytest.raises(TypeError):
            mistake()


def test_output_is_not_for_the_keys_of_the_pipeline(p: Pipeline) -> None:
    q = Pipeline("q", vars={"x": p.shell("a", "true")})
    with pytest.raises(PipelineError, match="known to tasks only"):
        data(q)


# Keys


def test_keyword_is_an_option_of_the_type_where_no_task_has_it(p: Pipeline) -> None:
    p.shell("a", "ls", output="lines", retries=2)
    p.sql("b", connection="w", load={"file": "x.csv", "table": "t"}, timeout="1m")
    p.http("c", {"url": "https://example.org", "timeout": 5}, timeout=60)
    p.wait("d", for_="1m")
    p.wait("e", file="x", timeout="1h", needs="d", env={"A": "b"})
    p.approve("f", "Go on?", timeout="1d", tags=["x"])
    assert tasks(p) == {
        "a": {"shell": {"script": "ls", "output": "lines"}, "retries": 2},
        "b": {"sql": {"connection": "w", "load": {"file": "x.csv", "table": "t"}}, "timeout": "1m"},
        "c": {"http": {"url": "https://example.org", "timeout": 5}, "timeout": 60},
        "d": {"wait": {"for": "1m"}},
        "e": {"needs": "d", "wait": {"file": "x", "timeout": "1h"}, "env": {"A": "b"}},
        "f": {"approve": {"question": "Go on?", "timeout": "1d"}, "tags": ["x"]},
    }


@pytest.mark.parametrize(("key", "near"), [("retris", "retries"), ("outptu", "output")])
def test_misspelled_keyword_is_told_by_what_it_was_meant_to_be(p: Pipeline, key: str, near: str) -> None:
    p.shell("a", "ls", **{key: 2})
    with pytest.raises(PipelineError) as error:
        p.validate()
    assert [problem.hint for problem in error.value.problems] == [f"did you mean `{near}`?"]


def test_values_of_python_become_those_of_a_file(p: Pipeline) -> None:
    p.shell("a", ["ls"], cwd=Path("x"), timeout=datetime.timedelta(minutes=1), foreach=range(2))
    p.shell("b", ("ls",), env={"DAY": datetime.date(2026, 1, 2)})
    assert tasks(p)["a"] == {"shell": ["ls"], "cwd": "x", "timeout": 60.0, "foreach": [0, 1]}
    assert tasks(p)["b"] == {"shell": ["ls"], "env": {"DAY": "2026-01-02"}}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "a value of type `object` is no plain data"),
        ({1: 2}, "the key `1` is no text"),
        (float("inf"), "inf is no number that JSON has"),
        (b"x", "a value of type `bytes` is no plain data"),
        ("\ud800", "it holds half a character ('\\ud800')"),
    ],
)
def test_value_that_no_file_can_hold_is_refused(p: Pipeline, value: Any, why: str) -> None:
    p.shell("a", "ls", env={"X": value})
    with pytest.raises(PipelineError) as error:
        data(p)
    assert message(error) == f"`env`: {why}"


def test_value_within_itself_is_refused(p: Pipeline) -> None:
    loop: list[Any] = []
    loop.append(loop)
    p.shell("a", "ls", env={"X": loop})
    with pytest.raises(PipelineError, match="nested too deeply"):
        data(p)


def test_name_is_given_once_in_a_group() -> None:
    p = Pipeline("p")
    p.shell("a", "true")
    p.group("g").shell("a", "true")
    with pytest.raises(PipelineError, match="there is a task `a` in pipeline `p` already"):
        p.shell("a", "true")


# Groups


def test_what_is_made_in_the_block_of_a_group_is_in_it(p: Pipeline) -> None:
    with p.group("g", foreach=["x"]) as g:
        p.shell("a", "true")
        with p.group("h"):
            p.shell("b", "true")
    p.shell("c", "true", needs=g)
    g.shell("d", "true")
    assert tasks(p) == {
        "g": {
            "foreach": ["x"],
            "tasks": {
                "a": {"shell": "true"},
                "h": {"tasks": {"b": {"shell": "true"}}},
                "d": {"shell": "true"},
            },
        },
        "c": {"needs": "g", "shell": "true"},
    }


def test_block_of_one_pipeline_takes_nothing_from_another(p: Pipeline) -> None:
    with p, p.group("g"):
        q = Pipeline("q")
        q.shell("a", "true")
    assert list(q.tasks) == ["a"]


def test_task_of_a_group_is_named_as_the_place_asks(p: Pipeline) -> None:
    with p.group("g"):
        a = p.shell("a", "true")
        with p.group("h"):
            b = p.shell("b", "true")
            p.python("c", "m:f", with_={"x": a, "y": b})
    p.python("d", "m:f", with_={"x": a, "y": b})
    inner = tasks(p)["g"]["tasks"]["h"]["tasks"]["c"]
    assert inner["needs"] == ["a", "b"]
    assert inner["python"]["with"] == {"x": "{{ tasks.a.output }}", "y": "{{ tasks.b.output }}"}
    assert tasks(p)["d"]["needs"] == ["g.a", "g.h.b"]
    assert tasks(p)["d"]["python"]["with"] == {"x": "{{ tasks.g.output.a }}", "y": "{{ tasks.g.output.h.b }}"}


def test_task_in_a_repeated_group_is_not_one_to_others(p: Pipeline) -> None:
    inner = p.group("g", foreach=[1, 2]).shell("a", "true")
    p.shell("b", "true") << inner
    with pytest.raises(PipelineError, match="a task of the group `g`, which has `foreach`, is many: name the group"):
        data(p)


def test_task_that_a_nearer_one_hides_cannot_be_named(p: Pipeline) -> None:
    a = p.shell("a", "true")
    with p.group("g"):
        p.shell("a", "true")
        p.shell("b", "true") << a
    with pytest.raises(PipelineError, match="`a` is the name of a nearer task"):
        data(p)


@st.composite
def nested(draw: st.DrawFn) -> Pipeline:
    """A pipeline of groups in groups with few names, in which tasks need tasks that were made before them."""
    p = Pipeline("p")
    before: list[Task] = []

    def fill(scope: Scope, depth: int) -> None:
        for name in draw(st.lists(st.sampled_from("abc"), unique=True, min_size=1, max_size=3)):
            if depth < 3 and draw(st.booleans()):
                fill(scope.group(name), depth + 1)
            else:
                task = scope.shell(name, "true")
                task.set_upstream(draw(st.lists(st.sampled_from(before), max_size=2)) if before else [])
                before.append(task)

    fill(p, 0)
    return p


def leaves(scope: Scope) -> Iterator[Task]:
    for task in scope.tasks.values():
        yield from leaves(task) if isinstance(task, Group) else [task]


def checked_leaves(found: dict[str, CheckedTask]) -> Iterator[CheckedTask]:
    for task in found.values():
        yield from checked_leaves(dict(task.tasks)) if task.is_group else [task]


@given(nested())
def test_checked_pipeline_needs_the_very_tasks_that_the_program_meant(p: Pipeline) -> None:
    try:
        generated = p.generated()
    except PipelineError:  # a nearer task hides one
        reject()
    pipeline, _ = checked(generated)
    meant = {".".join(task.path): {".".join(one.path) for one in task.upstream} for task in leaves(p)}
    assert {task.name: set(task.needs) for task in checked_leaves(dict(pipeline.tasks))} == meant
