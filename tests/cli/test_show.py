"""`pipectl show` and `runs` for people: tables that fit, what matters first, and when each task ran."""

from __future__ import annotations

import json
import re

import pytest

from tests.conftest import Project, wait_until

WORK = """
    tasks:
      fetch: {retries: {max: 1, delay: 300ms, jitter: 0}, shell: "sleep 0.2; test $PIPECTL_ATTEMPT = 2"}
      check: {needs: fetch, shell: "sleep 0.2; echo no >&2; exit 3"}
      below: {needs: check, shell: "true"}
      never: {when: "false", shell: "true"}
"""


def row(shown: str, name: str) -> str:
    (line,) = [line for line in shown.splitlines() if re.match(rf"{name} +[a-z]", line)]
    return line


def test_show_draws_attempts_failures_and_waiting_on_one_scale(project: Project) -> None:
    project.run(WORK, code=1)
    shown = project("show", env={"COLUMNS": "120"}).stdout
    assert re.fullmatch(r"fetch +success +2 +\S+ +╌*━+✗╌+━+", row(shown, "fetch"))
    assert re.fullmatch(r"check +failed +1 +\S+ +╌*━+✗", row(shown, "check"))
    assert row(shown, "check").index("━") >= row(shown, "fetch").rindex("━")
    assert re.fullmatch(r"below +upstream_failed", row(shown, "below"))
    assert re.fullmatch(r"never +skipped by when", row(shown, "never"))
    assert re.search(r"^task +state +attempts +took +0s +\S", shown, re.M)


def test_show_says_why_tasks_failed_and_what_to_do(project: Project) -> None:
    project.run(WORK, code=1)
    run = project.runs()[0]["id"]
    lines = project("show").stdout.splitlines()
    assert re.fullmatch(rf"run {run} of p: failed in \S+: 1 success, 1 failed, 1 skipped, 1 upstream_failed", lines[0])
    assert lines[-2:] == ["check: exit code 3", f"hint: `pipectl resume {run}` runs the rest"]


def test_success_has_no_hint(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    assert "hint" not in project("show").stdout


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_tables_fit_the_terminal(project: Project, columns: int) -> None:
    project.run(WORK.replace("tasks:", "params: {day: 2026-01-31, city: Reykjavik}\n    tasks:"), code=1)
    for command in ("show", "runs"):
        shown = project(command, env={"COLUMNS": str(columns)}).stdout
        hint = [line for line in shown.splitlines() if line.startswith("hint: ")]
        assert max(map(len, set(shown.splitlines()) - set(hint))) <= columns
    assert "upstream_failed" in project("show", env={"COLUMNS": str(columns)}).stdout


def test_timeline_needs_eighty_columns(project: Project) -> None:
    project.run(WORK, code=1)
    assert "━" in project("show", env={"COLUMNS": "80"}).stdout
    assert "━" not in project("show", env={"COLUMNS": "79"}).stdout


def test_without_utf8_the_bars_are_ascii(project: Project) -> None:
    project.run(WORK, code=1)
    assert re.search(r"=+x\.+=+", project("show", env={"PYTHONIOENCODING": "ascii"}).stdout)


def test_long_table_keeps_what_failed_and_counts_the_rest(project: Project) -> None:
    tasks = "".join(f"  t{i}: {{shell: {{interpreter: sh, script: 'exit {int(i in {60, 70})}'}}}}\n" for i in range(80))
    project.run(f"tasks:\n{tasks}", "--output", "quiet", code=1)
    shown = project("show").stdout
    assert len(re.findall(r"^t\d+ +\w+ +1 ", shown, re.M)) == 50
    assert "failed" in row(shown, "t60")
    assert "failed" in row(shown, "t70")
    assert "and 30 more: 30 success; `--all` shows them\n" in shown
    assert "t60, t70: exit code 1\n" in shown
    assert len(re.findall(r"^t\d+ +\w+ +1 ", project("show", "--all").stdout, re.M)) == 80


def test_run_that_goes_on_shows_what_runs_now(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'until test -e go; do sleep 0.02; done'}, b: {needs: a}}")
    wait_until(lambda: (project.root / ".pipectl/state.db").exists() and project.runs())
    wait_until(lambda: project.instances()["a"]["state"] == "running")
    shown = project("show").stdout
    assert re.match(r"run \w+ of p: running for \S+: 1 pending, 1 running\n", shown)
    assert re.fullmatch(r"a +running +1 +\d\S* +[╌━]+ *", row(shown, "a"))
    assert re.search(r"running +\d\d:\d\d +\d", project("runs").stdout)
    project.write("go", "")
    assert process.wait(20) == 0


def test_attempt_whose_runner_was_killed_is_seen_as_lost(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'echo a >> trace; test -e go || sleep 60'}}")
    project.wait_for_line("a")
    process.kill()
    process.wait()
    wait_until(lambda: project.runs()[0]["state"] == "interrupted")
    assert re.fullmatch(r"a +interrupted +1 +╌*━+\?", row(project("show").stdout, "a"))
    project.write("go", "")
    project("resume")
    assert re.match(r"a +success +2 +\S+ +╌*✗╌*━", row(project("show").stdout, "a"))


def test_runs_of_today_show_the_time_alone(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    assert re.search(r"success +\d\d:\d\d +\d", project("runs").stdout)
    assert re.search(r"^[0-9a-f]{8} p ", project("runs", env={"COLUMNS": "40"}).stdout, re.M)


@pytest.mark.parametrize("columns", [40, 80])
def test_long_name_of_a_pipeline_gives_way_and_the_id_and_the_state_do_not(project: Project, columns: int) -> None:
    project.run(f"name: {'p' * 80}\nparams: {{day: monday, further: tuesday}}\ntasks: {{a: {{shell: 'true'}}}}")
    run = project.runs()[0]["id"]
    (line,) = project("runs", env={"COLUMNS": str(columns)}).stdout.splitlines()[2:]
    assert len(line) <= columns
    assert re.match(rf"{run[:8] if columns < 60 else run} +p+… +success +\d\d:\d\d", line)
    assert "p" * 80 in project("runs", env={"COLUMNS": ""}).stdout


def test_what_goes_into_a_pipe_is_neither_wrapped_nor_filled_with_blanks(project: Project) -> None:
    project.run(WORK, code=1)
    for command in ("show", "runs"):
        for columns in ("", "100"):
            lines = project(command, env={"COLUMNS": columns}).stdout.splitlines()
            assert lines == [line.rstrip() for line in lines]
    many = ", ".join(f"{name * 40}: {{shell: 'exit 1'}}" for name in "abcdefgh")
    project.run(f"name: {'p' * 80}\ntasks: {{{many}}}", code=1)
    first, *_ = project("show", env={"COLUMNS": ""}).stdout.splitlines()
    assert first.endswith(": 8 failed")


def test_failures_that_are_allowed_are_counted_as_such(project: Project) -> None:
    text = "tasks: {a: {shell: exit 1, allow_failure: true}, b: {shell: 'true'}}"
    assert "1 success, 1 failed (allowed)" in project.run(text).stderr
    assert "1 success, 1 failed (allowed)" in project("show").stdout
    got = project.run("tasks: {a: {shell: exit 1, allow_failure: true}, b: {shell: exit 1}}", code=1)
    assert "2 failed (1 allowed)" in got.stderr


FANS = """
    tasks:
      prep: {shell: 'true'}
      each:
        needs: prep
        foreach: "{{ range(30) | list }}"
        shell: {interpreter: sh, script: 'case $ITEM in *7) exit 3;; 5|6) exit 4;; esac'}
        max_parallel: 1
      few: {foreach: [eu, us], shell: 'true'}
      region:
        foreach: "{{ range(11) | list }}"
        tasks:
          extract: {shell: {interpreter: sh, script: 'true'}}
          load: {needs: extract, shell: {interpreter: sh, script: 'true'}}
      plain:
        tasks:
          a: {shell: 'true'}
"""


def names(shown: str) -> list[str]:
    """The first column, with how far right each stands."""
    _, table = re.split(r"^─+$", shown, flags=re.M)
    return [found[1] for line in table.splitlines() if (found := re.match(r"(\s*\S+)  ", line))]


def test_many_instances_of_one_task_are_one_line_and_groups_stand_above_what_is_in_them(project: Project) -> None:
    project.run(FANS, "--output", "quiet", code=1)
    shown = project("show").stdout
    assert names(shown) == [
        *("prep", "each", "few[eu]", "few[us]", "region", "  extract", "  load", "plain", "  a"),
    ]
    assert re.search(r"^each +5 of 30 failed +\S+ +╌*━+✗$", shown, re.M)
    assert re.search(r"^region +22 success ", shown, re.M)
    assert re.search(r"^  load +11 success ", shown, re.M)
    assert "each: 5 of 30 failed: exit code 3 (3), exit code 4 (2): each[5], each[6], each[7] and 2 more\n" in shown


def test_task_that_is_named_has_each_instance_by_itself(project: Project) -> None:
    project.run(FANS, "--output", "quiet", code=1)
    assert names(project("show", "latest", "each").stdout) == ["each", *(f"  each[{number}]" for number in range(30))]
    assert names(project("show", "latest", "region[3]").stdout) == ["region[3]", "  extract", "  load"]
    assert names(project("show", "latest", "region[3].load").stdout) == ["region[3]", "  load"]
    rows = json.loads(project("show", "latest", "region.load", "--json").stdout)["instances"]
    assert {row["task"] for row in rows} == {"region.load"}
    assert len(rows) == 11
    assert len(names(project("show", "--all").stdout)) == 1 + 31 + 2 + 1 + 33 + 2


@pytest.mark.parametrize(
    ("task", "hint"),
    [
        ("regoin", "did you mean `region`?"),
        ("few[de]", "did you mean `few[eu]`?"),
        ("few[somewhere else]", "`few` has: `few[eu]`, `few[us]`"),
        ("x", "it has: `prep`, `each`, `few`, `region`, `region.extract`, `region.load`, `plain`, `plain.a`"),
    ],
)
def test_unknown_task_is_told_with_what_there_is(project: Project, task: str, hint: str) -> None:
    project.run(FANS, "--output", "quiet", code=1)
    for command in ("show", "logs"):
        assert f"has no task `{task}`\nhint: {hint}" in project(command, "latest", task, code=2).stderr


def test_json_has_a_row_for_each_instance_and_none_for_groups(project: Project) -> None:
    project.run(FANS, "--output", "quiet", code=1)
    rows = [row["name"] for row in project.show()["instances"]]
    assert len(rows) == 1 + 30 + 2 + 22 + 1
    assert rows[31:35] == ["few[eu]", "few[us]", "region[0].extract", "region[0].load"]
    assert "region" not in rows
    assert "plain" not in rows


def test_question_is_shown_with_the_command_that_answers_it(project: Project) -> None:
    project.run("tasks: {ask: {foreach: [eu], approve: 'Deploy to {{ item }}?'}}", "--no-wait", code=75)
    run = project.runs()[0]["id"]
    shown = project("show").stdout
    assert "ask[eu]: waits for approval: Deploy to eu?\n" in shown
    assert f"hint: `pipectl approve {run} 'ask[eu]'` answers, or `reject`\n" in shown
    project("approve", run, "ask[eu]", "--comment", "fine")
    project("resume")
    (row,) = project.show()["instances"]
    assert row["waits_for"] == "approval: Deploy to eu?"
    assert (row["answered"]["answer"], row["answered"]["comment"]) == ("approve", "fine")
