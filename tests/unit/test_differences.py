"""What a resume by an edited file or other parameters finds to be different."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipectl.engine.differences import Given, differences
from pipectl.model import Connection, Foreach, Pipeline, Retry, Task


def shell(name: str, script: str, **more: Any) -> Task:
    return Task(name, "shell", {"script": script}, **more)


def pipeline(*tasks: Task, **more: Any) -> Pipeline:
    return Pipeline("p", "p.yaml", "/", {task.name.rpartition(".")[2]: task for task in tasks}, **more)


def changed(before: Pipeline, after: Pipeline, **values: dict[str, Any]) -> dict[str, str]:
    old = Given(before, values.get("params", {}), values.get("vars", {}))
    new = Given(after, values.get("new_params", values.get("params", {})), values.get("new_vars", {}))
    return differences(old, new).changed


def test_the_same_differs_in_nothing() -> None:
    same = pipeline(shell("a", "true"), shell("b", "false", needs=("a",)))
    assert differences(Given(same, {"n": 1}, {}), Given(same, {"n": 1}, {})).lines == []


def test_a_task_with_another_script_or_other_upstreams_differs_and_says_in_what() -> None:
    before = pipeline(shell("a", "true"), shell("b", "true"), shell("c", "true"))
    after = pipeline(shell("a", "false"), shell("b", "true", needs=("a",)), shell("c", "true"))
    assert changed(before, after) == {"a": "has another `shell.script`", "b": "has another `needs`"}


def test_how_often_and_how_long_a_task_is_tried_is_no_difference() -> None:
    before = pipeline(shell("a", "true"))
    after = pipeline(shell("a", "true", retries=Retry(max=9), timeout=5.0, description="d", line=7))
    assert changed(before, after) == {}


def test_what_is_new_and_what_is_gone_is_told() -> None:
    found = differences(Given(pipeline(shell("a", "true")), {}, {}), Given(pipeline(shell("b", "true")), {}, {}))
    assert found.lines == ["`b` is new", "`a` is gone"]


def test_a_parameter_concerns_the_tasks_that_name_it() -> None:
    one = pipeline(
        shell("by_variable", 'echo "$PARAM_LIMIT"'),
        shell("by_longer_name", 'echo "$PARAM_LIMIT_2"'),
        Task("by_expression", "shell", {"argv": ["echo", "{{ params.limit }}"]}),
        Task("by_code", "python", {"code": "output = params['limit']"}),
        Task("by_item", "shell", {"script": "true"}, foreach=Foreach(items="{{ range(params.limit)|list }}")),
        shell("not_at_all", "echo limit"),
    )
    found = changed(one, one, params={"limit": 1}, new_params={"limit": 2})
    assert list(found) == ["by_variable", "by_expression", "by_code", "by_item"]
    assert found["by_code"] == "names the parameter `limit`"


def test_a_constant_and_a_connection_concern_the_tasks_that_name_them() -> None:
    tasks = (
        Task("sql", "sql", {"connection": "db", "query": "select 1"}),
        Task("vars", "shell", {"argv": ["echo", "{{ vars.raw }}"]}),
        shell("neither", "true"),
    )
    before = pipeline(*tasks, connections={"db": Connection("db", "sqlite:///a.db")}, vars={"raw": "x"})
    after = pipeline(*tasks, connections={"db": Connection("db", "sqlite:///b.db")}, vars={"raw": "x"})
    assert list(changed(before, after)) == ["sql"]
    assert list(changed(before, before, vars={"raw": "x"}, new_vars={"raw": "y"})) == ["vars"]


def test_a_variable_of_the_environment_concerns_all_that_runs_a_program() -> None:
    tasks = (shell("a", "true"), Task("join"), Task("q", "sql", {"connection": "db"}))
    assert list(changed(pipeline(*tasks, env={"TZ": "UTC"}), pipeline(*tasks, env={"TZ": "CET"}))) == ["a"]


def test_what_differs_in_a_group_is_told_by_its_path_and_a_group_by_itself() -> None:
    def group(script: str, **more: Any) -> Task:
        return Task("g", "tasks", tasks={"a": shell("g.a", script), "b": shell("g.b", "true")}, **more)

    assert changed(pipeline(group("x")), pipeline(group("y"))) == {"g.a": "has another `shell.script`"}
    assert changed(pipeline(group("x")), pipeline(group("x", when="false"))) == {"g": "has another `when`"}


def test_what_differs_in_a_sub_pipeline_is_told_by_its_path() -> None:
    def child(script: str, **more: Any) -> Task:
        return Task("c", "pipeline", {"params": {}}, pipeline=pipeline(shell("x", script), **more))

    assert changed(pipeline(child("1")), pipeline(child("2"))) == {"c.x": "has another `shell.script`"}
    renamed = replace(child("1", env={"A": "1"}))
    assert list(changed(pipeline(child("1")), pipeline(renamed))) == ["c.x"]
