"""`pipectl runs`, `show` and `logs`: history, one run, and what its tasks printed, also while they run."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime

import pytest

from tests.conftest import PIPECTL, Project, wait_until

WORK = """
    tasks:
      a: {shell: "echo from a; echo err >&2"}
      b: {needs: a, shell: "echo from b; exit 3"}
      c: {needs: b}
"""


@pytest.mark.parametrize("command", ["runs", "show", "logs", "cancel", "resume"])
def test_without_a_state_it_is_exit_2_and_says_what_to_do(project: Project, command: str) -> None:
    got = project(command, code=2)
    assert ".pipectl" in got.stderr
    assert "hint:" in got.stderr
    assert list(project.root.iterdir()) == []


def test_runs_lists_the_newest_first_up_to_a_limit(project: Project) -> None:
    ids = []
    for _ in range(3):
        project.run("tasks: {a: {shell: 'true'}}")
        ids.insert(0, project.runs()[0]["id"])
    assert [row["id"] for row in project.runs()] == ids
    assert [row["id"] for row in project.runs("--limit", 2)] == ids[:2]
    assert project("runs", "-n", 1).stdout.count("success") == 1
    project("runs", "--limit", 0, code=2)


def test_runs_json_has_the_shape_of_the_design(project: Project) -> None:
    project.run(WORK, code=1)
    row = project.runs()[0]
    assert row.keys() >= {"id", "pipeline", "state", "logical_time", "started", "ended", "duration"}
    assert all(
        datetime.fromisoformat(row[name]).utcoffset() is not None for name in ("logical_time", "started", "ended")
    )
    assert 0 < row["duration"] < 60


def test_show_json_has_the_shape_of_the_design(project: Project) -> None:
    project.run(WORK, code=1)
    document = project.show()
    assert document["run"] == project.runs()[0]
    rows = {row["name"]: row for row in document["instances"]}
    names = {"name", "task", "state", "attempts", "started", "ended", "duration", "output", "error"}
    assert all(row.keys() >= names for row in rows.values())
    assert (rows["b"]["state"], rows["b"]["exit_code"], rows["b"]["attempts"]) == ("failed", 3, 1)
    assert (rows["c"]["state"], rows["c"]["started"], rows["c"]["attempts"]) == ("upstream_failed", None, 0)


def test_show_names_states_and_the_error_for_people(project: Project) -> None:
    project.run(WORK, code=1)
    got = project("show")
    assert all(word in got.stdout for word in ("failed", "upstream_failed", "exit code 3", project.runs()[0]["id"]))
    assert got.stderr == ""
    assert "\x1b" not in got.stdout


def test_run_is_an_id_the_beginning_of_one_or_latest(project: Project) -> None:
    project.run("tasks: {a: {shell: echo first}}")
    first = project.runs()[0]["id"]
    project.run("tasks: {a: {shell: echo second}}")
    for name in (first, first[:9]):
        assert project("logs", name, "a").stdout == "first\n"
    assert project("logs", "latest", "a").stdout == "second\n"
    assert project.show()["run"]["id"] == project.runs()[0]["id"]


def test_unknown_run_is_exit_2(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    for command in ("show", "logs", "cancel"):
        assert "`nope`" in project(command, "nope", code=2).stderr


def test_logs_of_one_task_are_what_it_printed_byte_by_byte(project: Project) -> None:
    project.run("tasks: {a: {shell: \"printf 'one\\\\ntwo \\\\033[1mbold\\\\r\\\\000\\\\377'\"}}")
    raw = subprocess.run([PIPECTL, "logs", "latest", "a"], cwd=project.root, capture_output=True, check=True).stdout
    assert raw == b"one\ntwo \x1b[1mbold\r\x00\xff"


def test_logs_of_all_tasks_name_the_task_in_each_line(project: Project) -> None:
    project.run(WORK, code=1)
    assert project("logs").stdout == "a | from a\na | err\nb | from b\n"


def test_logs_hold_both_streams_in_the_order_they_came(project: Project) -> None:
    project.run("tasks: {a: {shell: 'for i in 1 2 3; do echo out $i; echo err $i >&2; done'}}")
    assert project.log("a") == "".join(f"out {i}\nerr {i}\n" for i in (1, 2, 3))


def test_long_log_is_kept_whole(project: Project) -> None:
    project.run("tasks: {a: {shell: seq 200000}}", "--output", "quiet")
    lines = project.log("a").splitlines()
    assert len(lines) == 200000
    assert lines[-1] == "200000"


def test_logs_show_the_newest_attempt_or_the_one_asked_for(project: Project) -> None:
    text = (
        "tasks: {a: {retries: {max: 2, delay: 0}, shell: 'echo attempt $PIPECTL_ATTEMPT; test $PIPECTL_ATTEMPT = 3'}}"
    )
    project.run(text)
    assert project.log("a") == "attempt 3\n"
    assert project.log("a", "--attempt", "1") == "attempt 1\n"
    assert project("logs", "--attempt", "2").stdout == "a | attempt 2\n"


def test_logs_of_unknown_task_name_those_there_are(project: Project) -> None:
    project.run("tasks: {load: {shell: 'true'}}")
    assert "`load`" in project("logs", "latest", "laod", code=2).stderr


def test_logs_of_task_that_printed_nothing_or_never_ran_are_empty(project: Project) -> None:
    project.run("tasks: {a: {shell: exit 1}, b: {needs: a, shell: echo b}}", code=1)
    assert project.log("a") == project.log("b") == ""


def test_logs_show_a_running_task_too(project: Project) -> None:
    process = project.start_run(
        "tasks: {a: {shell: 'echo early; until test -e go; do sleep 0.05; done; echo late'}}", "--output", "quiet"
    )
    wait_until(lambda: (project.root / ".pipectl/state.db").exists() and project.runs())
    wait_until(lambda: project.log("a") == "early\n")
    assert project.runs()[0]["state"] == "running"
    assert project.instances()["a"]["state"] == "running"
    project.write("go", "")
    assert process.wait(20) == 0
    assert project.log("a") == "early\nlate\n"


def test_follow_prints_until_the_run_ends_and_each_line_once(project: Project) -> None:
    process = project.start_run(
        """
        tasks:
          a: {shell: "echo a1; until test -e go; do sleep 0.05; done; echo a2"}
          b: {needs: a, retries: {max: 1, delay: 0}, shell: "echo b$PIPECTL_ATTEMPT; test $PIPECTL_ATTEMPT = 2"}
        """,
        "--output",
        "quiet",
    )
    wait_until(lambda: (project.root / ".pipectl/state.db").exists() and project.runs())
    follower = project.start("logs", "--follow")
    assert follower.stdout is not None
    assert follower.stdout.readline() == "a | a1\n"
    project.write("go", "")
    rest, _ = follower.communicate(timeout=30)
    assert rest == "a | a2\nb | b1\nb | b2\n"
    assert follower.returncode == process.wait(20) == 0


def test_follow_of_one_task_that_never_starts_ends_with_the_run(project: Project) -> None:
    process = project.start_run(
        "tasks: {a: {shell: 'until test -e go; do sleep 0.05; done; exit 1'}, b: {needs: a, shell: echo b}}"
    )
    wait_until(lambda: (project.root / ".pipectl/state.db").exists() and project.runs())
    follower = project.start("logs", "latest", "b", "--follow")
    project.write("go", "")
    assert follower.communicate(timeout=30) == ("", "")
    assert process.wait(20) == 1


def test_follow_of_run_that_is_over_prints_it(project: Project) -> None:
    project.run(WORK, code=1)
    assert project("logs", "--follow").stdout == project("logs").stdout


@pytest.mark.parametrize("command", [["runs"], ["show"], ["logs"], ["runs", "--json"]])
def test_reader_that_goes_away_is_no_error(project: Project, command: list[str]) -> None:
    project.run("tasks: {a: {shell: seq 100000}}", "--output", "quiet")
    process = project.start(*command)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(20) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_reading_changes_nothing_in_the_state(project: Project) -> None:
    project.run(WORK, code=1)
    database = project.root / ".pipectl/state.db"
    before = database.read_bytes()
    for command in (["runs"], ["show"], ["logs"]):
        project(*command)
    assert database.read_bytes() == before


def test_json_is_the_same_from_any_folder(project: Project) -> None:
    project.run(WORK, code=1)
    (project.root / "sub").mkdir()
    inside = project("show", "--json", cwd=project.root / "sub").stdout
    outside = project("show", "--json", "--state", project.root / ".pipectl", cwd="/").stdout
    assert json.loads(inside) == json.loads(outside) == project.show()


def test_logs_of_a_group_are_those_of_all_in_it(project: Project) -> None:
    tasks = "{a: {shell: 'echo a $ITEM'}, b: {needs: a, shell: 'echo b $ITEM'}}"
    project.run(f"tasks: {{region: {{foreach: [eu, us], max_parallel: 1, tasks: {tasks}}}, other: {{shell: echo no}}}}")
    everything = ["region[eu].a | a eu", "region[eu].b | b eu", "region[us].a | a us", "region[us].b | b us"]
    assert sorted(project.log("region").splitlines()) == everything
    assert project.log("region[us]").splitlines() == everything[2:]
    assert sorted(project.log("region.b").splitlines()) == everything[1::2]
    assert project.log("region[us].b") == "b us\n"


def test_follow_of_a_task_whose_items_are_not_known_yet_names_each_instance(project: Project) -> None:
    process = project.start_run(
        """
        tasks:
          first: {shell: "until test -e go; do sleep 0.05; done"}
          each: {needs: first, foreach: "{{ ['eu', 'us'] }}", max_parallel: 1, shell: echo $ITEM}
        """
    )
    wait_until(lambda: (project.root / ".pipectl/state.db").exists() and project.runs())
    follower = project.start("logs", "latest", "each", "--follow")
    wait_until(lambda: project.instances()["first"]["state"] == "running")
    project.write("go", "")
    said, _ = follower.communicate(timeout=30)
    assert said == "each[eu] | eu\neach[us] | us\n"
    assert process.wait(20) == 0
