"""Odd surroundings: bare environments, old locales, folders that vanish, names and bytes that nobody expects."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess

import pytest

from tests.conftest import PIPECTL, Project

OK = "tasks: {a: {shell: echo hi}, b: {needs: a, python: output = 1}}"


def in_bash(project: Project, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of bash in the project's folder; `$P` is the command."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=project.root,
        env={**project.env, "P": str(PIPECTL)},
        text=True,
        errors="replace",
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_run_needs_nothing_of_its_environment(project: Project) -> None:
    project.write("p.yaml", OK)
    got = in_bash(project, "env -i $P run p.yaml")
    assert got.returncode == 0, got.stderr
    assert project.output("b") == 1


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"}])
def test_text_of_all_languages_survives_a_plain_locale(project: Project, locale: dict[str, str]) -> None:
    project.run(
        "params: {p: é✓}\ntasks: {a: {shell: 'echo é✓ $PARAM_P; echo \"\\\"é✓\\\"\" > $PIPECTL_OUTPUT; exit 0'}, b: {shell: 'echo ✓; exit 1'}}",
        env=locale,
        code=1,
    )
    shown = json.loads(project("show", "--json", env=locale).stdout)
    assert shown["instances"][0]["output"] == "é✓"
    for command in (["runs"], ["show"], ["logs"]):
        assert project(*command, env=locale).stderr == ""
    assert project.log("a") == "é✓ é✓\n"


def test_folder_that_is_gone_is_exit_2(project: Project) -> None:
    project.write("p.yaml", OK)
    for command in ("runs", "run p.yaml", "run ../p.yaml", "validate p.yaml"):
        got = in_bash(project, f"mkdir gone; cd gone; rmdir ../gone; $P {command}")
        assert got.returncode == 2, got.stderr
        assert "is gone" in got.stderr


def test_folder_that_vanishes_during_a_run_does_no_harm(project: Project) -> None:
    project.write(
        "p.yaml", "tasks: {a: {shell: 'rmdir here'}, b: {needs: a, python: output = 1}, c: {needs: b, shell: 'false'}}"
    )
    (project.root / "here").mkdir()
    got = project("run", "../p.yaml", cwd=project.root / "here", code=1)
    assert project.states() == {"a": "success", "b": "success", "c": "failed"}
    assert "Traceback" not in got.stderr


def test_words_that_are_no_text_are_exit_2(project: Project) -> None:
    project.write("p.yaml", "params: {x: {type: string, default: a}}\n" + OK)
    for words in (r"run p.yaml -p x=$'\xff'", r"run $'\xff.yaml'", r"run p.yaml --state $'\xff'", r"show $'\xff'"):
        got = in_bash(project, f"$P {words}")
        assert got.returncode == 2, got.stderr
        assert "UTF-8" in got.stderr


def test_bytes_that_are_no_text_reach_a_task_as_they_are(project: Project) -> None:
    project.write(
        "p.yaml",
        "tasks: {a: {shell: 'printf %s \"$CALLER\" | od -An -c'}, b: {python: \"import os; print(os.environb[b'CALLER'])\"}}",
    )
    got = in_bash(project, r"CALLER=$'x\xff' $P run p.yaml")
    assert got.returncode == 0, got.stderr
    assert project.log("a").split() == ["x", "377"]
    assert project.log("b") == "b'x\\xff'\n"


@pytest.mark.parametrize(
    "name", ["-dash.yaml", "a b.yaml", "o'clock $x.yaml", "ünï.yaml", ".yaml", "no-ending", "new\nline.yml"]
)
def test_odd_file_names_are_run(project: Project, name: str) -> None:
    project.write(name, OK)
    project("run", "--", name)
    assert set(project.states().values()) == {"success"}


def test_file_with_a_long_or_odd_name_can_be_named_within(project: Project) -> None:
    project.write("x" * 200 + ".yaml", "name: short\n" + OK)
    project("run", "x" * 200 + ".yaml")
    assert project.runs()[0]["pipeline"] == "short"


def test_pipeline_in_a_folder_that_may_not_be_written_runs_with_a_state_elsewhere(project: Project) -> None:
    project.write("fixed/p.yaml", "tasks: {a: {shell: echo hi}}")
    (project.root / "fixed").chmod(0o555)
    try:
        project("run", "fixed/p.yaml", "--state", "state")
    finally:
        (project.root / "fixed").chmod(0o755)
    assert sorted(path.name for path in (project.root / "fixed").iterdir()) == ["p.yaml"]


def test_binary_output_is_kept_and_shown_as_far_as_it_can_be(project: Project) -> None:
    got = project.run("tasks: {a: {shell: 'head -c 50000 /dev/urandom; exit 1'}}", code=1)
    assert "exit code 1" in got.stderr
    raw = subprocess.run([PIPECTL, "logs", "latest", "a"], cwd=project.root, capture_output=True, check=True).stdout
    assert len(raw) == 50000


def test_lone_surrogates_do_not_break_the_state(project: Project) -> None:
    project.run(
        r"""
        tasks:
          python: {python: 'output = "\ud800"'}
          json: {shell: {script: 'printf "\"\\\\ud800\""', output: json}}
          error: {python: 'raise ValueError("\ud800")'}
          print: {python: 'print("\ud800")'}
          last: {shell: "true"}
        """,
        code=1,
    )
    states = project.states()
    assert states["last"] == "success"
    assert not set(states.values()) & {"pending", "queued", "running"}


def test_run_in_a_task_of_a_run_shares_the_state_and_does_no_harm(project: Project) -> None:
    project.write("inner.yaml", "tasks: {a: {shell: echo inner >> trace}}")
    project.run(
        f"tasks: {{a: {{shell: '{shlex.quote(str(PIPECTL))} run inner.yaml'}}, b: {{needs: a, shell: echo outer >> trace}}}}"
    )
    assert project.lines() == ["inner", "outer"]
    assert {row["pipeline"]: row["state"] for row in project.runs()} == {"inner": "success", "p": "success"}


def test_few_descriptors_are_enough_for_a_wide_run(project: Project) -> None:
    tasks = "".join(f"  t{i}: {{shell: {{interpreter: sh, script: 'sleep 0.05'}}}}\n" for i in range(40))
    project.write("p.yaml", f"tasks:\n{tasks}")
    got = in_bash(project, "ulimit -n 256; $P run p.yaml -j 40")
    assert got.returncode == 0, got.stderr


def test_too_few_descriptors_are_told_without_a_traceback(project: Project) -> None:
    tasks = "".join(f"  t{i}: {{shell: {{interpreter: sh, script: 'sleep 0.2'}}}}\n" for i in range(40))
    project.write("p.yaml", f"tasks:\n{tasks}")
    got = in_bash(project, "ulimit -n 40; $P run p.yaml -j 40")
    assert got.returncode in {0, 1, 4}, got.stderr
    assert "Traceback" not in got.stderr


def test_task_that_deletes_the_pipelines_file_does_no_harm(project: Project) -> None:
    project.run("tasks: [a: {shell: rm p.yaml}, b: {shell: exit 1}]", code=1)
    assert "hint:" in project("resume", code=1).stderr


def test_task_may_print_before_its_shell_is_killed_by_a_full_pipe(project: Project) -> None:
    project.run("tasks: {a: {shell: 'yes | head -100000 | tail -1'}}", code=None)
    assert project.states()["a"] in {"failed", "success"}


@pytest.mark.skipif(not shutil.which("script"), reason="needs script(1)")
def test_run_on_a_terminal_of_no_size(project: Project) -> None:
    project.write("p.yaml", OK)
    got = subprocess.run(
        [
            "script",
            "-qec",
            f"stty cols 0 rows 0; {PIPECTL} run p.yaml && {PIPECTL} show && {PIPECTL} runs",
            "/dev/null",
        ],
        cwd=project.root,
        env={key: value for key, value in {**project.env, "TERM": "xterm"}.items() if key != "COLUMNS"},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert got.returncode == 0, os.fsdecode(got.stdout)
