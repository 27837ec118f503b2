"""`@task`: functions of a module as tasks."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from pipectl import Pipeline, PipelineError, task
from pipectl.authoring.functions import Nameless, call_name
from pipectl.errors import render_problem

HERE = __name__


@task
def clean(source: Any, limit: int = 10) -> str:
    return f"{source}, {limit} rows"


@task(retries=2, timeout="5m")
def load(table: str) -> None:
    """Loads a table."""


@task
def anything(*args: Any, **kwargs: Any) -> Any:
    return args or kwargs


def plain(text: str) -> str:
    return text


class Sums:
    @staticmethod
    def add(a: int, b: int) -> int:
        return a + b

    def method(self) -> None: ...


nameless = functools.partial(plain, "x")


def tasks(pipeline: Pipeline) -> dict[str, Any]:
    found: dict[str, Any] = pipeline.generated().data["tasks"]
    return found


def test_call_in_a_pipeline_is_a_task_with_these_arguments() -> None:
    with Pipeline("p") as p:
        fetch = p.shell("fetch", "true")
        clean(fetch, limit=2)
        load("users")
    assert tasks(p)["clean"] == {
        "needs": "fetch",
        "python": {"call": f"{HERE}:clean", "with": {"source": "{{ tasks.fetch.output }}", "limit": 2}},
    }
    assert tasks(p)["load"] == {
        "python": {"call": f"{HERE}:load", "with": {"table": "users"}},
        "retries": 2,
        "timeout": "5m",
    }


def test_call_elsewhere_is_the_function() -> None:
    assert clean("x") == "x, 10 rows"
    with Pipeline("p"):
        pass
    assert clean("x", limit=1) == "x, 1 rows"
    assert load.__doc__ == "Loads a table."


def test_function_is_many_tasks_under_names_of_their_own() -> None:
    with Pipeline("p") as p:
        for table in ("a", "b"):
            load.options(f"load_{table}", priority=1)(table)
        load.options(foreach=["c", "d"])("{{ item }}")
    assert list(tasks(p)) == ["load_a", "load_b", "load"]
    assert tasks(p)["load_b"]["priority"] == 1
    assert tasks(p)["load"]["foreach"] == ["c", "d"]
    assert "priority" not in tasks(p)["load"]


def test_call_goes_into_the_innermost_group() -> None:
    with Pipeline("p") as p, p.group("g"):
        load("a")
    assert list(tasks(p)["g"]["tasks"]) == ["load"]


def test_call_with_the_wrong_arguments_fails_as_it_always_does() -> None:
    with Pipeline("p"), pytest.raises(TypeError, match="missing a required argument: 'table'"):
        load()


def test_arguments_without_a_name_are_refused() -> None:
    with Pipeline("p") as p:
        with pytest.raises(TypeError, match="`args` has none"):
            anything(1)
        anything(a=1)
    assert tasks(p)["anything"]["python"]["with"] == {"a": 1}


def test_function_of_a_module_needs_no_decorator() -> None:
    p = Pipeline("p")
    p.python("a", plain, with_={"text": "x"})
    p.python("b", json.dumps, with_={"obj": 1})
    p.python("c", Sums.add)
    calls = {name: body["python"] for name, body in tasks(p).items()}
    assert calls["a"] == {"call": f"{HERE}:plain", "with": {"text": "x"}}
    assert calls["b"]["call"] == "json:dumps"
    assert calls["c"] == f"{HERE}:Sums.add"


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda: 1, "a lambda has no name"),
        (nameless, "a value of type `partial` is no function"),
        (Sums().method, "is not this function"),
        (Sums(), "a value of type `Sums` is no function"),
    ],
)
def test_function_that_no_task_can_import_is_refused(function: Any, why: str) -> None:
    with pytest.raises(Nameless, match=why):
        call_name(function)


def test_function_within_another_is_refused_where_it_becomes_a_task() -> None:
    def inner() -> None: ...

    p = Pipeline("p")
    p.python("a", inner)
    with pytest.raises(PipelineError) as error:
        tasks(p)
    shown = render_problem(error.value.problems[0])
    assert "`inner` is made within another function, where no task can import it" in shown
    assert 'p.python("a", inner)' in shown
