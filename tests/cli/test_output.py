"""What a run shows: plain, json and quiet; on a terminal and off; with readers that go away."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from contextlib import suppress
from datetime import datetime

import pytest

from tests.conftest import PIPECTL, Project, wait_until

FAILS = """
    tasks:
      ok: {shell: echo fine}
      root: {needs: ok, shell: "seq 30; echo the reason >&2; exit 3"}
      below: {needs: root, shell: "true"}
      handler: {needs: root, trigger: all_done, shell: "echo handler; exit 4"}
"""


def on_a_terminal(project: Project, *args: str, **env: str) -> str:
    """What the command shows on a terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(project.root)
        inherited = {name: value for name, value in project.env.items() if name != "NO_COLOR"}
        os.execve(PIPECTL, [str(PIPECTL), *args], {**inherited, "TERM": "xterm", **env})
    said = b""
    with suppress(OSError):
        while data := os.read(fd, 4096):
            said += data
    os.waitpid(pid, 0)
    os.close(fd)
    return said.decode()


def test_plain_lines_begin_with_their_task(project: Project) -> None:
    got = project.run(FAILS, code=1)
    assert got.stdout == ""
    lines = got.stderr.splitlines()
    assert "ok      | fine" in lines
    assert "root    | the reason" in lines
    assert any(line.startswith("root ") and "exit code 3" in line for line in lines)


def test_summary_puts_the_root_failure_first_with_the_end_of_its_log(project: Project) -> None:
    got = project.run(FAILS, code=1)
    summary = got.stderr[got.stderr.index("\nfailed: ") :]
    assert summary.index("failed: root: exit code 3") < summary.index("failed: handler: exit code 4")
    assert "    the reason\n" in summary
    assert "    30\n" in summary
    assert "    5\n" not in summary
    assert "not run because of that: below" in summary
    assert "2 failed" in summary
    run = project.runs()[0]["id"]
    assert summary.endswith(f"hint: `pipectl resume {run}` runs the rest\n")


def test_success_has_no_hint(project: Project) -> None:
    assert "hint:" not in project.run("tasks: {a: {shell: 'true'}}").stderr


def test_prefix_is_never_spliced_into_a_line(project: Project) -> None:
    code = "import os, sys, time\\nfor i in range(200):\\n  for c in '{0}' * 30: os.write(1, c.encode())\\n  os.write(1, b'\\\\n')"
    tasks = "".join(f'  {n}: {{python: "{code.format(n)}"}}\n' for n in "ab")
    got = project.run(f"tasks:\n{tasks}", "-j", "2")
    lines = [line for line in got.stderr.splitlines() if " | " in line]
    assert len(lines) == 400
    assert set(lines) == {f"{name} | {name * 30}" for name in "ab"}


def test_last_line_without_an_end_is_shown_and_ended(project: Project) -> None:
    got = project.run("tasks: {a: {shell: printf dangling}, b: {needs: a, shell: printf 'x\\n\\ny'}}")
    assert "a | dangling\n" in got.stderr
    assert "b | x\nb | \nb | y\n" in got.stderr


def test_progress_bars_show_their_last_state(project: Project) -> None:
    got = project.run(
        "tasks: {a: {shell: \"printf '10%%\\\\r50%%\\\\r100%%\\\\n'; printf 'dos\\\\r\\\\n'; exit 1\"}}", code=1
    )
    assert "a | 100%\na | dos\n" in got.stderr
    assert "    100%\n    dos\n" in got.stderr


def test_what_a_task_prints_can_do_nothing_to_the_screen(project: Project) -> None:
    got = project.run(
        r"""
        tasks:
          a: {shell: "printf '\\033[2J\\033[31mred\\033[0m \\033]0;title\\007\\007\\010\\377\\000end\\n'; exit 1"}
        """,
        code=1,
    )
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f]", got.stderr) is None
    assert "a | red �end" in got.stderr


def test_very_long_lines_are_shown_and_cut_only_in_the_summary(project: Project) -> None:
    got = project.run("tasks: {a: {shell: \"head -c 300000 /dev/zero | tr '\\\\0' x; exit 1\"}}", code=1)
    progress, _, summary = got.stderr.partition("\nfailed: ")
    assert progress.count("x") >= 300000
    assert len(summary) < 2000


def test_quiet_prints_nothing_on_success(project: Project) -> None:
    got = project.run("tasks: {a: {shell: 'echo hi; echo err >&2'}}", "--output", "quiet")
    assert (got.stdout, got.stderr) == ("", "")


def test_quiet_prints_on_failure_what_a_mail_should_hold(project: Project) -> None:
    got = project.run(FAILS, "--output", "quiet", code=1)
    assert got.stdout == ""
    assert all(word in got.stderr for word in ("failed: root: exit code 3", "the reason", "pipectl resume", "of p"))
    assert "fine" not in got.stderr
    assert "started" not in got.stderr


def test_json_tells_every_event_with_its_moment(project: Project) -> None:
    got = project.run(FAILS, "--output", "json", code=1)
    rows = [json.loads(line) for line in got.stdout.splitlines()]
    run = project.runs()[0]["id"]
    assert {row["run"] for row in rows} == {run}
    assert rows[0]["version"] == 1
    assert all(datetime.fromisoformat(row["at"]).utcoffset() is not None for row in rows[1:])
    ends = {row["instance"]: row["state"] for row in rows if row["event"] in {"attempt_finished", "task_closed"}}
    assert ends == {"ok": "success", "root": "failed", "below": "upstream_failed", "handler": "failed"}
    (failed,) = [row for row in rows if row["event"] == "attempt_finished" and row["instance"] == "root"]
    assert failed["exit_code"] == 3
    assert failed["log"].endswith("30\nthe reason")
    assert rows[-1]["counts"] == {"success": 1, "failed": 2, "upstream_failed": 1}


def test_json_of_a_resume_tells_only_what_is_new(project: Project) -> None:
    project.run(FAILS, code=1)
    got = project("resume", "--output", "json", code=1)
    rows = [json.loads(line) for line in got.stdout.splitlines()]
    assert rows[1]["event"] == "run_resumed"
    assert not any(row.get("instance") == "ok" for row in rows)


@pytest.mark.parametrize("mode", ["auto", "plain"])
def test_without_a_terminal_there_is_no_colour_and_no_cursor_movement(project: Project, mode: str) -> None:
    got = project.run(FAILS, "--output", mode, code=1, env={"TERM": "xterm-256color"})
    assert "\x1b" not in got.stderr
    assert "\r" not in got.stderr


def test_terminal_has_colour_unless_no_color_says_no(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {shell: echo hi}}")
    assert "\x1b[32m" in on_a_terminal(project, "run", "p.yaml", "--output", "plain")
    assert "\x1b" not in on_a_terminal(project, "run", "p.yaml", "--output", "plain", NO_COLOR="1")
    assert "\x1b[32m" in on_a_terminal(project, "run", "p.yaml", "--output", "plain", NO_COLOR="")
    assert "\x1b" not in on_a_terminal(project, "run", "p.yaml", TERM="dumb")


def test_unknown_output_is_exit_2(project: Project) -> None:
    assert "--output" in project.run("tasks: {a: {shell: touch started}}", "--output", "loud", code=2).stderr
    assert not (project.root / "started").exists()


def test_hint_names_the_state_where_it_is_not_found_from_here(project: Project) -> None:
    project.write("deep/p.yaml", "tasks: {a: {shell: exit 1}}")
    said = project("run", "deep/p.yaml", code=1).stderr
    assert "--state deep/.pipectl`" in said
    said = project("run", "p.yaml", code=1, cwd=project.root / "deep").stderr
    assert "--state" not in said


@pytest.mark.parametrize("mode", ["plain", "json", "quiet"])
def test_reader_that_goes_away_does_not_stop_the_run(project: Project, mode: str) -> None:
    process = project.start_run(
        "tasks: {a: {shell: 'echo up >> trace; until test -e go; do sleep 0.02; done; seq 10000'}, b: {needs: a, shell: echo b >> trace}}",
        "--output",
        mode,
    )
    project.wait_for_line("up")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    project.write("go", "")
    assert process.wait(30) == 0
    assert project.lines() == ["up", "b"]


@pytest.mark.parametrize(
    "redirect", ["<&- >&- 2>&-", "> /dev/full 2>&1", "2> /dev/full", "2>&1 | head -1", "2>&1 | true"]
)
def test_odd_standard_streams_do_not_stop_the_run(project: Project, redirect: str) -> None:
    project.write(
        "p.yaml",
        "tasks: {a: {shell: 'seq 1000; echo err >&2; echo a >> trace'}, b: {needs: a, python: 'print(1); output = 5'}}",
    )
    for mode in ("plain", "json"):
        subprocess.run(
            ["bash", "-c", f'set -o pipefail; "$0" run p.yaml --output {mode} {redirect}', PIPECTL],
            cwd=project.root,
            env=project.env,
            check=True,
            capture_output=True,
            timeout=60,
        )
    assert project.lines() == ["a", "a"]
    assert project.output("b") == 5


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_slow_reader_loses_nothing(project: Project, unbuffered: str) -> None:
    tasks = "".join(f"  t{i}: {{shell: {{interpreter: sh, script: seq 10000}}}}\n" for i in range(5))
    process = project.start_run(f"tasks:\n{tasks}", env={"PYTHONUNBUFFERED": unbuffered})
    assert process.stderr is not None
    wait_until(lambda: (project.root / ".pipectl").exists())
    said = process.stderr.read()
    assert process.wait(30) == 0
    assert said.count(" | ") == 50000


def test_two_hundred_tasks_with_output_are_all_shown(project: Project) -> None:
    tasks = "".join(f"  t{i}: {{shell: {{interpreter: sh, script: 'echo out {i}'}}}}\n" for i in range(200))
    got = project.run(f"tasks:\n{tasks}")
    assert {f"out {i}" for i in range(200)} == {
        line.partition(" | ")[2] for line in got.stderr.splitlines() if " | " in line
    }


def test_many_failures_are_cut_and_the_rest_is_counted(project: Project) -> None:
    tasks = "".join(f"  t{i}: {{shell: {{interpreter: sh, script: exit 1}}}}\n" for i in range(15))
    got = project.run(f"tasks:\n{tasks}", "--output", "quiet", code=1)
    assert got.stderr.count("failed: t") == 10
    assert "5 more failed" in got.stderr


MANY = """
    tasks:
      each:
        foreach: "{{ range(250) | list }}"
        shell: {interpreter: sh, script: 'echo said $ITEM; test $((ITEM % 5)) != 1'}
      after: {needs: each, shell: 'true'}
"""


def test_task_with_many_instances_is_told_by_its_first_failures_and_how_far_it_is(project: Project) -> None:
    said = project.run(MANY, code=1).stderr
    progress, _, summary = said.partition("\nfailed: ")
    assert "started" not in progress
    assert "said" not in progress
    assert progress.count("failed in") == 20
    assert len(re.findall(r"^each +\d+ of 250 · ", progress, re.M)) == 9
    assert re.search(r"^each +50 of 250 failed$", progress, re.M)
    assert summary.startswith("each: 50 of 250 failed: exit code 1\n")
    assert summary.count("    said ") == 1
    run = project.runs()[0]["id"]
    assert f"  and 49 more: `pipectl show {run} each` lists them\nnot run because of that: after\n" in summary


def test_instances_that_are_few_are_told_one_by_one(project: Project) -> None:
    said = project.run("tasks: {each: {foreach: [a, b], shell: echo $ITEM}, none: {foreach: [], shell: 'true'}}").stderr
    assert "each   2 items\n" in said
    assert "none   skipped (by its foreach)\n" in said
    assert "each[a] | a\n" in said
    assert re.search(r"^each\[b\]   success in ", said, re.M)


def test_group_that_does_not_run_is_told_once(project: Project) -> None:
    text = "tasks: {g: {when: 'false', tasks: {a: {shell: 'true'}, b: {shell: 'true'}}}, c: {shell: 'true'}}"
    said = project.run(text).stderr
    assert "g   skipped (by its when)\n" in said
    assert "g.a" not in said


def test_what_waits_is_told_with_what_for(project: Project) -> None:
    got = project.run("tasks: {w: {wait: {for: 10ms}}, ask: {approve: Deploy?}}", "--no-wait", code=75)
    run = project.runs()[0]["id"]
    progress, _, summary = got.stderr.partition("\n\n")
    assert "w     waits for 10ms\n" in progress
    assert f"ask   waits for approval: Deploy?\nhint: `pipectl approve {run} ask` answers, or `reject`\n" in progress
    assert "started" not in progress
    assert summary.startswith("ask waits for approval: Deploy?\n")
    assert f"run {run} was left waiting in " in summary


def test_json_counts_items_and_names_them_where_they_are_few(project: Project) -> None:
    text = "tasks: {few: {foreach: [a, b], shell: 'true'}, many: {foreach: '{{ range(101) | list }}'}}"
    rows = [json.loads(line) for line in project.run(text, "--output", "json").stdout.splitlines()]
    opened = {row["instance"]: row for row in rows if row["event"] == "task_opened"}
    assert (opened["few"]["count"], opened["few"]["items"]) == (2, ["a", "b"])
    assert opened["many"]["count"] == 101
    assert "items" not in opened["many"]
