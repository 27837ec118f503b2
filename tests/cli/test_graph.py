"""`pipectl graph`: the pictures as the command prints them."""

from __future__ import annotations

import json
import random
import re
from xml.etree import ElementTree

import pytest

from tests.conftest import Project

PIPELINE = """
params: {x: 1}
tasks:
  fetch: {shell: 'true', retries: 2}
  clean: {needs: fetch, python: {code: output = 1}}
  check: {needs: fetch, shell: 'true', when: "params.x > 0", allow_failure: true}
  load: {needs: [fetch, clean, check], trigger: none_failed}
"""


@pytest.fixture(autouse=True)
def _pipeline(project: Project) -> None:
    project.write("p.yaml", PIPELINE)


def test_tree_has_a_line_for_each_task_with_what_is_unusual_about_it(project: Project) -> None:
    assert project("graph", "p.yaml").stdout.splitlines() == [
        "○      fetch  shell · retries 2",
        "├─○─╮  clean  python",
        "╰─○─┤  check  shell · when params.x > 0 · may fail",
        "○──←╯  load  join · none_failed",
        "",
        "not drawn: 1 `needs` that follow from others",
    ]


def test_tree_is_ascii_where_the_encoding_has_no_more(project: Project) -> None:
    said = project("graph", "p.yaml", env={"PYTHONIOENCODING": "ascii"}).stdout
    assert said.isascii()
    assert "?" not in said
    assert said.splitlines()[1] == "+-o-.  clean  python"


def test_tree_of_a_hundred_tasks_stays_within_80_columns(project: Project) -> None:
    tasks = {f"t{i}": {"needs": sorted({f"t{(i * k) % i}" for k in (3, 5, 7)} if i > 9 else set())} for i in range(100)}
    project.write("p.yaml", json.dumps({"tasks": tasks}))
    lines = project("graph", "p.yaml", env={"COLUMNS": "80"}).stdout.splitlines()
    assert len([line for line in lines if "  join" in line]) == 100
    assert max(map(len, lines)) <= 80


def test_other_formats_are_whole_documents_on_standard_output(project: Project) -> None:
    document = json.loads(project("graph", "p.yaml", "--format", "json").stdout)
    assert document["pipeline"] == "p"
    assert len(document["nodes"]) == 4
    assert len(document["edges"]) == 5
    assert ElementTree.fromstring(project("graph", "p.yaml", "--format", "svg").stdout).tag.endswith("svg")
    assert project("graph", "p.yaml", "--format", "mermaid").stdout.startswith("flowchart LR\n")
    assert project("graph", "p.yaml", "--format", "dot").stdout.startswith('digraph "p" {\n')


def test_standard_input_is_drawn_too_and_a_fault_is_exit_2(project: Project) -> None:
    assert "only" in project("graph", "-", input="tasks: {only: {shell: 'true'}}").stdout
    assert "nope" in project("graph", "-", input="tasks: {a: {needs: nope}}", code=2).stderr
    assert "--format" in project("graph", "p.yaml", "--format", "png", code=2).stderr


def test_needs_without_a_line_are_named_below_where_they_do_not_fit(project: Project) -> None:
    rng = random.Random(1)
    tasks: dict[str, dict[str, object]] = {
        f"task_{i}": {"needs": [f"task_{j}" for j in rng.sample(range(i), min(i, 3))], "shell": "true"}
        for i in range(80)
    }
    tasks["fin"] = {"needs": "*"}
    project.write("p.yaml", json.dumps({"tasks": tasks}))
    said = project("graph", "p.yaml", env={"COLUMNS": "40"}).stdout
    picture, *notes = said.split("\n\n")
    lost = dict(re.findall(r"  (\w+)  ← (\d+) \(see below\)", picture))
    below = {name: re.findall(r"task_\d+", needs) for name, _, needs in (note.partition(" ← ") for note in notes)}
    assert "fin" in lost
    assert {name: len(below[name]) for name in lost} == {name: int(count) for name, count in lost.items()}
    assert max(map(len, said.splitlines())) <= 40


GROUPS = """
tasks:
  prep: {shell: 'true'}
  region:
    needs: prep
    foreach: [eu, us]
    tasks:
      extract: {shell: 'true'}
      load: {needs: extract, shell: 'true'}
  check: {needs: prep, foreach: "{{ glob('*.csv') }}", shell: 'true'}
  ask: {needs: [region, check], approve: 'Go on?'}
  handler: {needs: plain.a, shell: 'true'}
  plain: {tasks: {a: {shell: 'true'}}}
"""


def test_what_is_in_a_group_stands_below_it_with_lanes_of_its_own(project: Project) -> None:
    project.write("p.yaml", GROUPS)
    assert project("graph", "p.yaml").stdout.splitlines() == [
        "○      prep  shell",
        "├─○─╮  check  shell · × n",
        "╰─○─┤  region  group · × 2",
        "    │  ○  extract  shell",
        "    │  ●  load  shell",
        "○──←╯  ask  approve",
        "○      plain  group",
        "       ○  a  shell",
        "○      handler  shell  ← plain.a",
    ]


def test_groups_are_folded_down_to_a_depth(project: Project) -> None:
    project.write("p.yaml", GROUPS)
    lines = project("graph", "p.yaml", "--depth", 0).stdout.splitlines()
    assert "╰─○─┤  region  group · × 2 · 2 tasks" in lines
    assert lines[-2:] == ["○      plain  group · 1 task", "●      handler  shell"]
    assert (
        json.loads(project("graph", "p.yaml", "--depth", 0, "--format", "json").stdout)["nodes"][2]["name"] == "region"
    )


def test_help_says_how_the_tree_is_read(project: Project) -> None:
    said = " ".join(project("graph", "--help").stdout.split())
    assert "lines from above that end in an arrow" in said
