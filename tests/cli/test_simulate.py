"""`pipectl simulate`: what a failure or a duration would change, with nothing run."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conftest import Project

PIPELINE = """
tasks:
  fetch: {shell: touch ran, retries: {max: 1, delay: 10s}}
  load: {needs: fetch, shell: touch ran, timeout: 1h}
  report: {needs: load, shell: touch ran}
  join: {needs: report}
  mail: {needs: "*", trigger: all_done, shell: touch ran}
"""


@pytest.fixture(autouse=True)
def _pipeline(project: Project) -> None:
    project.write("p.yaml", PIPELINE)


def simulated(project: Project, *args: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(project("simulate", "p.yaml", "--json", *args).stdout)
    return document


def states(document: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["state"] for row in document["instances"]}


def test_without_options_all_succeed_at_a_second_each(project: Project) -> None:
    document = simulated(project)
    assert (document["makespan"], document["state"]) == (4.0, "success")
    assert set(states(document).values()) == {"success"}
    assert document["without_history"] == ["fetch", "load", "report", "mail"]


def test_failure_shows_in_all_below_it(project: Project) -> None:
    document = simulated(project, "--fail", "fetch")
    assert states(document) == {
        "fetch": "failed",
        "load": "upstream_failed",
        "report": "upstream_failed",
        "join": "upstream_failed",
        "mail": "success",
    }
    assert document["state"] == "failed"
    row = document["instances"][0]
    assert (row["attempts"], row["started"], row["ended"], row["duration"]) == (2, 0.0, 12.0, 12.0)


def test_durations_are_taken_and_time_limits_kept(project: Project) -> None:
    document = simulated(project, "--duration", "load=5m", "--duration", "fetch=1h30m")
    assert document["makespan"] == 5400 + 300 + 2
    assert document["critical_path"] == {"tasks": ["fetch", "load", "report", "mail"], "duration": 5702.0}
    assert states(simulated(project, "--duration", "load=2h"))["load"] == "failed"


def test_nothing_is_run_and_nothing_written(project: Project) -> None:
    project("simulate", "p.yaml", "--fail", "load")
    assert [path.name for path in project.root.iterdir()] == ["p.yaml"]


def test_history_counts_and_options_go_before_it(project: Project) -> None:
    project.run("tasks: {a: {shell: sleep 0.3}, b: {shell: sleep 0.3}}")
    document = simulated(project, "-j", "2", "--duration", "b=0s")
    durations = {row["name"]: row["duration"] for row in document["instances"]}
    assert 0.3 <= durations["a"] < 3
    assert durations["b"] == 0.0
    assert document["without_history"] == []


def test_jobs_bound_what_runs_at_once(project: Project) -> None:
    project.write(
        "p.yaml", "max_parallel: 3\ntasks: {a: {shell: ''}, b: {shell: ''}, c: {shell: ''}}".replace("''", "x")
    )
    assert simulated(project)["makespan"] == 1.0
    assert simulated(project, "-j", "1")["makespan"] == 3.0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--fail", "lod"], "did you mean `load`?"),
        (["--duration", "lod=1s"], "did you mean `load`?"),
        (["--duration", "load"], "write `--duration load=5m`"),
        (["--duration", "load=soon"], "`soon` is not a duration"),
        (["--fail", "join"], "runs nothing"),
    ],
)
def test_options_that_make_no_sense_are_exit_2(project: Project, args: list[str], said: str) -> None:
    got = project("simulate", "p.yaml", *args, code=2)
    assert said in got.stderr
    assert got.stdout == ""


def test_text_has_bars_the_reason_and_the_critical_path(project: Project) -> None:
    said = project("simulate", "p.yaml", "--fail", "fetch").stdout
    assert "━" in said
    assert "failed (2 attempts)" in said
    assert "fetch: it is assumed to fail" in said
    assert "failed in 13s" in said
    assert "critical path: 13s: fetch > mail" in said


def test_in_a_narrow_terminal_there_are_no_bars_and_in_ascii_none_but_ascii(project: Project) -> None:
    assert "━" not in project("simulate", "p.yaml", env={"COLUMNS": "50"}).stdout
    narrow = project("simulate", "p.yaml", env={"COLUMNS": "40"}).stdout
    assert max(map(len, narrow.splitlines())) <= 40
    assert project("simulate", "p.yaml", env={"PYTHONIOENCODING": "ascii"}).stdout.isascii()


def test_long_list_keeps_what_failed_and_counts_the_rest(project: Project) -> None:
    project.write("p.yaml", json.dumps({"tasks": {f"t{i}": {"shell": "true"} for i in range(80)}}))
    said = project("simulate", "p.yaml", "--fail", "t70").stdout
    assert len(re.findall(r"^t\d+ ", said, re.M)) == 50
    assert re.search(r"^t70 +failed", said, re.M)
    assert "and 30 more: 30 success; `--all` shows them" in said
    assert len(re.findall(r"^t\d+ ", project("simulate", "p.yaml", "--all").stdout, re.M)) == 80


GROUPS = """
pools: {db: 1}
tasks:
  list: {shell: {script: 'echo "[1, 2]"', output: json}}
  region: {foreach: [eu, us], tasks: {extract: {shell: 'true'}, load: {needs: extract, pool: db, shell: 'true'}}}
  each: {needs: list, foreach: "{{ tasks.list.output }}", shell: 'true'}
  ask: {needs: [region, each], approve: {question: Go?}}
  child: {needs: ask, pipeline: child.yaml}
"""


@pytest.fixture
def groups(project: Project) -> Project:
    project.write("child.yaml", "tasks: {one: {shell: 'true'}}")
    project.write("p.yaml", GROUPS)
    return project


def test_groups_items_approvals_and_sub_pipelines_are_simulated(groups: Project) -> None:
    document = simulated(groups, "-j", "9")
    assert document["makespan"] == 5.0
    assert document["critical_path"]["tasks"][-2:] == ["ask", "child.one"]
    assert document["assumed_items"] == [{"task": "each", "count": 3, "source": "guess"}]
    assert document["slots"][1] == {"pool": "db", "count": 1, "busy": 0.4}


def test_items_may_be_said_and_are_else_those_of_the_last_run(groups: Project) -> None:
    assert simulated(groups, "--items", "each=1")["assumed_items"][0] == {
        "task": "each",
        "count": 1,
        "source": "option",
    }
    groups("run", "p.yaml", "--until", "each", "--durability", "normal")
    document = simulated(groups)
    assert document["assumed_items"] == [{"task": "each", "count": 2, "source": "history"}]
    assert {"each[1]", "each[2]"} <= states(document).keys()
    assert "items as in the last run: each (2)" in groups("simulate", "p.yaml").stdout


def test_failure_may_be_of_one_instance_or_of_a_question(groups: Project) -> None:
    found = states(simulated(groups, "--fail", "region[us].extract"))
    assert (found["region[eu].load"], found["region[us].load"], found["ask"]) == (
        "success", "upstream_failed", "upstream_failed",
    )  # fmt: skip
    assert states(simulated(groups, "--fail", "ask"))["child.one"] == "upstream_failed"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--fail", "region[uk]"], "did you mean `region[us]`?"),
        (["--fail", "extract"], "did you mean `region.extract`?"),
        (["--duration", "region=5m"], "name the tasks in it"),
        (["--items", "list=5"], "has no `foreach`"),
        (["--items", "each=many"], "`many` is not a number of items"),
        (["--items", "each"], "write `--items each=5`"),
    ],
)
def test_names_of_instances_and_numbers_of_items_are_checked(groups: Project, args: list[str], said: str) -> None:
    assert said in groups("simulate", "p.yaml", *args, code=2).stderr


def test_many_instances_are_one_line_and_groups_hold_theirs(groups: Project) -> None:
    said = groups("simulate", "p.yaml", "--items", "each=500", "--fail", "each[7]").stdout
    assert re.search(r"^each +1 of 500 failed", said, re.M)
    assert re.search(r"^region\[eu\] +2 success", said, re.M)
    assert re.search(r"^  extract +success", said, re.M)
    assert "each[7]: it is assumed to fail" in said
    assert "pool db of 1 busy" in said
    assert "each[499]" in groups("simulate", "p.yaml", "--items", "each=500", "--all").stdout
