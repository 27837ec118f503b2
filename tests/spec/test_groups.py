"""Groups in a file: who needs whom, what tasks inherit, and which names they see."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.errors import PipelineError
from pipectl.model import Pipeline, Task
from pipectl.spec.build import build
from pipectl.spec.load import load_text
from pipectl.task_tree import heights


def pipeline(text: str) -> Pipeline:
    document = load_text(dedent(text), ".", "stdin").document
    assert build(json.loads(json.dumps(document))) == build(document)
    return build(document)


def messages(text: str) -> list[str]:
    with pytest.raises(PipelineError) as raised:
        load_text(dedent(text), ".", "stdin")
    return [problem.message for problem in raised.value.problems]


def task(made: Pipeline, path: str) -> Task:
    first, *rest = path.split(".")
    found = made.tasks[first]
    for name in rest:
        found = found.tasks[name]
    assert found.name == path
    return found


def test_group_holds_its_tasks_by_their_names_in_it() -> None:
    group = pipeline("tasks: {g: {tasks: {x: {shell: echo}, h: {tasks: {y: {}}}}}}").tasks["g"]
    assert group.is_group
    assert (group.type, list(group.children), group.tasks["h"].tasks["y"].name) == ("tasks", ["x", "h"], "g.h.y")


def test_needs_in_a_group_mean_its_own_tasks_first_and_then_those_outside() -> None:
    got = pipeline("""
        tasks:
          a: {shell: echo}
          b: {shell: echo}
          g:
            tasks:
              a: {shell: echo}
              x: {needs: [a, b], shell: echo}
              h: {tasks: {y: {needs: [a, x], shell: echo}}}
    """)
    assert task(got, "g.x").needs == ("g.a", "b")
    assert task(got, "g.h.y").needs == ("g.a", "g.x")


def test_tasks_of_a_group_may_be_needed_one_by_one() -> None:
    got = pipeline("""
        tasks:
          g: {tasks: {x: {shell: echo}, h: {tasks: {y: {shell: echo}}}}}
          z: {needs: [g.x, g.h.y], shell: [echo, "{{ inputs['g.h.y'] }}", "{{ tasks.g.output.h.y }}"]}
          k: {tasks: {w: {needs: g.h, shell: [echo, "{{ inputs['g.h'].y }}"]}}}
    """)
    assert task(got, "z").needs == ("g.x", "g.h.y")
    assert task(got, "k.w").needs == ("g.h",)


def test_list_in_a_group_is_a_sequence_of_its_own() -> None:
    got = pipeline("""
        tasks:
          - a: {shell: echo}
          - g: {tasks: [{x: {shell: echo}}, {y: {shell: echo}}, {z: {needs: [], shell: echo}}]}
          - b: {shell: echo}
    """)
    needs = {path: task(got, path).needs for path in ("g", "g.x", "g.y", "g.z", "b")}
    assert needs == {"g": ("a",), "g.x": (), "g.y": ("g.x",), "g.z": (), "b": ("g",)}


def test_star_is_every_task_of_the_same_level() -> None:
    got = pipeline("""
        tasks:
          a: {shell: echo}
          g:
            tasks:
              x: {shell: echo}
              h: {tasks: {y: {shell: echo}}}
              clean: {needs: '*', shell: echo}
              late: {needs: clean, shell: echo}
          all: {needs: '*', shell: echo}
    """)
    assert task(got, "g.clean").needs == ("g.x", "g.h")
    assert task(got, "all").needs == ("a", "g")


def test_star_leaves_out_a_group_in_which_a_task_needs_the_handler() -> None:
    got = pipeline("""
        tasks:
          a: {shell: echo}
          clean: {needs: '*', shell: echo}
          g: {tasks: {x: {needs: clean, shell: echo}}}
          h: {needs: g, tasks: {y: {shell: echo}}}
    """)
    assert task(got, "clean").needs == ("a",)


def test_stars_within_each_other_make_no_cycle() -> None:
    got = pipeline("""
        tasks:
          g: {tasks: {b: {needs: clean, shell: echo}, end: {needs: '*', shell: echo}}}
          x: {needs: g.end, shell: echo}
          a: {shell: echo}
          clean: {needs: '*', shell: echo}
    """)
    assert task(got, "clean").needs == ("a",)
    assert task(got, "g.end").needs == ("g.b",)


def test_task_in_a_group_sees_the_upstreams_of_its_group() -> None:
    got = pipeline("""
        tasks:
          a: {shell: echo}
          b: {needs: a, shell: echo}
          g: {needs: b, tasks: {x: {shell: [echo, "{{ tasks.a.output }}{{ tasks.b.state }}"]}}}
          z: {needs: g, when: "tasks.a.state == 'success' and tasks.g.output.x", shell: echo}
    """)
    assert task(got, "g.x").needs == ()


def test_names_of_tasks_in_expressions_mean_those_of_the_own_group_first() -> None:
    text = """
        tasks:
          a: {shell: echo}
          g: {needs: a, tasks: {a: {shell: echo}, x: {shell: [echo, "{{ tasks.a.output }}"]}}}
    """
    assert messages(text) == ["task `g.x` uses `a` and does not need it"]


def test_group_gives_its_tasks_what_they_do_not_say() -> None:
    got = pipeline("""
        defaults: {timeout: 1m, grace: 1, retries: 1, env: {A: 1, B: 1}, allow_failure: true}
        pools: {db: 4, web: 2}
        tasks:
          g:
            retries: {max: 2}
            timeout: 2m
            cwd: sub
            pool: db
            env: {B: 2}
            tasks:
              x: {shell: echo, timeout: 3m, env: {C: 3}}
              h: {pool: {web: 2}, grace: 5, tasks: {y: {shell: echo, pool: db}, z: {shell: echo}, w: {wait: 1s}}}
              p: {approve: Go?}
          u: {shell: echo}
    """)
    x, y, z = (task(got, path) for path in ("g.x", "g.h.y", "g.h.z"))
    assert (x.timeout, x.grace, x.retries.max, x.cwd, x.pool, x.env) == (180, 1, 2, "sub", {"db": 1}, {"C": "3"})
    assert (y.timeout, y.grace, y.pool, z.pool) == (120, 5, {"db": 1}, {"web": 2})
    assert task(got, "g").env == {"A": "1", "B": "2"}
    assert task(got, "g.h").env == {}
    assert task(got, "u").env == {"A": "1", "B": "1"}
    assert (task(got, "g").timeout, task(got, "g").pool, task(got, "g").allow_failure) == (None, {}, True)
    assert (task(got, "g.p").pool, task(got, "g.p").retries.max, task(got, "g.h.w").timeout) == ({}, 0, None)


def test_numbers_of_a_group_are_whole_in_the_document() -> None:
    group = pipeline("tasks: {g: {max_parallel: 2.0, fail_fast: true, tasks: {x: {shell: echo}}}}").tasks["g"]
    assert (group.max_parallel, type(group.max_parallel), group.fail_fast) == (2, int, True)


def test_faults_in_a_group_make_no_further_noise() -> None:
    text = """
        tasks:
          g: {tasks: 5}
          h: {tasks: {x: wrong, y: {needs: 5}}, foreach: 3}
          z: {needs: [g.a, h], shell: [echo, "{{ tasks.g.output.a }}{{ tasks.h.output[0].x }}"]}
          w: {foreach: 5, shell: [echo, "{{ item.a }}"], key: item, max_parallel: 2}
    """
    assert messages(text) == [
        "`tasks` must be a mapping or a list, not a number (`5`)",
        "task `h.x` must be a mapping, not text (`wrong`)",
        "`needs` must be text or a list, not a number (`5`)",
        "`foreach` must be a list or a mapping of lists, not a number (`3`)",
        "`foreach` must be a list or a mapping of lists, not a number (`5`)",
    ]


def test_groups_forty_deep_are_read() -> None:
    text = "x: {shell: echo}"
    for _ in range(40):
        text = f"g: {{tasks: {{{text}}}}}"
    made = pipeline(f"tasks: {{{text}}}")
    assert task(made, ".".join(["g"] * 40 + ["x"])).type == "shell"


NAMES = ("a", "b", "c", "d")


@st.composite
def levels(draw: st.DrawFn, depth: int = 0) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)):
        needs = draw(st.lists(st.sampled_from([*NAMES, "a.b", "b.a", "*"]), max_size=2, unique=True))
        made[name] = {"needs": needs}
        if depth < 2 and draw(st.integers(0, 2)) == 0:
            made[name]["tasks"] = draw(levels(depth=depth + 1))
    return made


@given(levels())
def test_whatever_is_valid_can_be_put_in_an_order(tasks: dict[str, Any]) -> None:
    try:
        document = load_text(json.dumps({"tasks": tasks}), ".", "p").document
    except PipelineError:
        return
    made = build(document)
    assert min(heights(made.tasks).values()) >= 1  # a cycle is a KeyError
