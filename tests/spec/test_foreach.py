"""`foreach` in a file: what it says, and the names that come of it."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from pipectl.errors import PipelineError
from pipectl.model import Foreach, Pipeline
from pipectl.spec.build import build
from pipectl.spec.load import Loaded, load_text


def loaded(text: str) -> Loaded:
    return load_text(dedent(text), ".", "stdin")


def pipeline(text: str) -> Pipeline:
    return build(loaded(text).document)


def messages(text: str) -> list[str]:
    with pytest.raises(PipelineError) as raised:
        loaded(text)
    return [problem.message for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[eu, us]", Foreach(items=["eu", "us"])),
        ("[]", Foreach(items=[])),
        ('"{{ range(3) }}"', Foreach(items="{{ range(3) }}")),
        ('" {{ range(3) }}\\n"', Foreach(items="{{ range(3) }}")),
        ("{a: [1, 2], b: '{{ params.l }} '}", Foreach(matrix={"a": [1, 2], "b": "{{ params.l }}"})),
        (
            "{a: [1, 2], exclude: [{a: 1}], include: [{a: 9, c: x}]}",
            Foreach(matrix={"a": [1, 2]}, exclude=[{"a": 1}], include=[{"a": 9, "c": "x"}]),
        ),
    ],
)  # fmt: skip
def test_foreach_has_its_long_form(written: str, expected: Foreach) -> None:
    got = pipeline(f"params: {{l: [1]}}\ntasks: {{a: {{foreach: {written}, shell: echo}}}}")
    assert got.tasks["a"].foreach == expected


def test_key_labels_the_instances() -> None:
    foreach = pipeline('tasks: {a: {foreach: [{n: x}], key: "{{ item.n }}", shell: echo}}').tasks["a"].foreach
    assert foreach == Foreach(items=[{"n": "x"}], key="{{ item.n }}")


def test_task_that_is_repeated_may_limit_its_attempts() -> None:
    task = pipeline("tasks: {a: {foreach: [1], max_parallel: 2, fail_fast: true, shell: echo}}").tasks["a"]
    assert (task.max_parallel, task.fail_fast, task.is_group) == (2, True, False)


def test_join_may_be_repeated() -> None:
    assert pipeline("tasks: {a: {foreach: [1]}}").tasks["a"].foreach == Foreach(items=[1])


def test_every_expression_of_a_repeated_task_sees_its_item() -> None:
    got = pipeline("""
        tasks:
          a:
            foreach: {depth: [1], lr: [2]}
            when: item.depth > index
            key: item.depth ~ '-' ~ params.p
            allow_failure: item.lr == 1
            expect: output == item.depth
            env: {D: "{{ item.depth }}"}
            cwd: "out/{{ index }}"
            python: {call: "m:f", with: {x: "{{ item }}"}}
        params: {p: 1}
    """)
    assert got.tasks["a"].foreach is not None


def test_items_of_groups_are_seen_from_within_the_innermost_first() -> None:
    got = pipeline("""
        tasks:
          g:
            foreach: [{name: eu}]
            tasks:
              x: {foreach: "{{ item.name | list }}", shell: [echo, "{{ item }}", "{{ outer.item.name }}"]}
              h:
                foreach: [1]
                tasks:
                  y: {foreach: [a], shell: [echo, "{{ outer.item }}{{ outer.outer.item.name }}{{ outer.outer.index }}"]}
              z: {shell: [echo, "{{ item.name }}"]}
    """)
    assert got.tasks["g"].foreach is not None


def test_items_end_at_the_group_that_has_them() -> None:
    text = "tasks: {g: {foreach: [1], tasks: {x: {shell: echo}}}, a: {needs: g, shell: [echo, '{{ item }}']}}"
    assert messages(text) == ["`item` is known in a task with `foreach` only"]


def test_output_of_a_repeated_task_is_a_list() -> None:
    text = "tasks: {{a: {{foreach: [1], shell: echo}}, b: {{needs: a, when: '{}', shell: echo}}}}"
    for good in (
        "tasks.a.output[0].x > 1",
        "tasks.a.output | length > 1",
        "tasks.a.exit_code == null",
        "inputs.a.count(1) > 0",
    ):
        assert pipeline(text.format(good))
    assert messages(text.format("tasks.a.output.x > 1")) == ["`tasks.a.output` is a list: `a` has a `foreach`"]
    assert messages(text.format("inputs.a.x > 1")) == ["`inputs.a` is a list: `a` has a `foreach`"]


def test_number_that_loses_a_zero_in_a_matrix_is_a_warning() -> None:
    (warning,) = loaded("tasks: {a: {foreach: {python: [3.9, 3.10]}, shell: echo}}").warnings
    assert warning.message == "`foreach`: `3.10` is the number 3.1"


def test_exclusion_of_what_is_not_there_is_a_warning() -> None:
    (warning,) = loaded("tasks: {a: {foreach: {n: [1, 2], exclude: [{n: 3}, {n: 1}]}, shell: echo}}").warnings
    assert warning.message.startswith("`exclude` names a `n` that is not in its list")


def test_million_combinations_are_the_most() -> None:
    def text(more: int) -> str:
        lists = {"x": list(range(1000)), "y": list(range(1000 + more))}
        return json.dumps({"tasks": {"a": {"foreach": lists, "shell": "echo"}}})

    assert pipeline(text(0)).tasks["a"].foreach is not None
    assert messages(text(1))[0].startswith("`foreach` makes 1,001,000 combinations")
