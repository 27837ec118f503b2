"""`pipectl doctor`: it finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from pipectl.cli.doctor_check import Check
from pipectl.cli.doctor_machine import _sqlite
from pipectl.cli.doctor_state import _place
from tests.cli.test_plan import files
from tests.conftest import Project, wait_until


def examined(project: Project, *args: object, **options: Any) -> dict[str, list[dict[str, str]]]:
    """What was found, by the name of the check."""
    rows = json.loads(project("doctor", "--json", *args, **options).stdout)["checks"]
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        found.setdefault(row["name"], []).append(row)
    return found


def only(found: dict[str, list[dict[str, str]]], name: str) -> dict[str, str]:
    (row,) = found[name]
    return row


def crash(project: Project) -> None:
    """Leaves a state whose runner was killed, with its log unfolded."""
    process = project.start_run("tasks: {a: {shell: echo started >> trace; sleep 3}}")
    project.wait_for_line("started")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: project.runs()[0]["state"] == "interrupted")


def test_machine_is_looked_at_even_where_there_is_no_state(project: Project) -> None:
    found = examined(project)
    assert {"pipectl", "YAML", "SQLite", "processes", "shell", "output", "file system", "space", "python"} <= set(found)
    assert "there is none yet" in only(found, "state")["message"]
    assert not list(project.root.iterdir())


def test_text_has_a_line_for_each_check_with_its_hint(project: Project) -> None:
    said = project("doctor").stdout
    assert "ok" in said
    assert "libyaml" in said


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ((3, 40, 1), "warning"),
        ((3, 44, 5), "warning"),
        ((3, 44, 6), "ok"),
        ((3, 45, 0), "warning"),
        ((3, 50, 6), "warning"),
        ((3, 50, 7), "ok"),
        ((3, 51, 2), "warning"),
        ((3, 51, 3), "ok"),
        ((3, 53, 0), "ok"),
    ],
)
def test_sqlite_with_the_wal_reset_bug_is_warned_of(version: tuple[int, int, int], status: str) -> None:
    assert _sqlite(version).status == status


def test_sound_state_is_said_to_be_sound(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    found = examined(project)
    for name in ("state", "file system", "access", "size", "soundness", "runs"):
        assert only(found, name)["status"] == "ok", found[name]


def test_state_is_found_from_below_and_by_the_option(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    below = project.root / "below"
    below.mkdir()
    state = str(project.root / ".pipectl")
    assert only(examined(project, cwd=below), "state")["message"] == state
    assert only(examined(project, "--state", state, cwd="/"), "state")["message"] == state
    project("doctor", "--state", "nowhere", code=2)


def test_interrupted_run_is_told_with_the_command_that_resumes_it(project: Project) -> None:
    crash(project)
    row = only(examined(project), "runs")
    run = project.runs()[0]["id"]
    assert row["status"] == "warning"
    assert row["hint"] == f"`pipectl resume {run}`"


def test_crashed_state_is_left_as_it_is(project: Project) -> None:
    crash(project)
    state = project.root / ".pipectl"
    before = {path: path.read_bytes() for path in files(state)}
    assert any(path.name.endswith("-wal") and content for path, content in before.items())
    project("doctor", "p.yaml")
    project("plan", "p.yaml")
    assert {path: path.read_bytes() for path in files(state)} == before


def test_damaged_state_is_an_error_and_still_exit_0(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    database = project.root / ".pipectl/state.db"
    content = bytearray(database.read_bytes())
    content[4096:8192] = os.urandom(4096)
    database.write_bytes(content)
    row = only(examined(project), "soundness")
    assert row["status"] == "error"
    assert "damaged" in row["message"]
    database.write_text("no database")
    assert only(examined(project), "soundness")["status"] == "error"


def test_state_that_others_can_read_is_warned_of(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    (project.root / ".pipectl/logs").chmod(0o755)
    row = only(examined(project), "access")
    assert row["status"] == "warning"
    assert "chmod" in row["hint"]


def test_network_file_system_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipectl.cli.doctor_state.file_system", lambda folder: "nfs4")
    check = _place(tmp_path)
    assert isinstance(check, Check)
    assert (check.status, "nfs4" in check.message) == ("error", True)


def test_programs_of_the_tasks_are_looked_for(project: Project) -> None:
    project.write(
        "p.yaml",
        """
        tasks:
          a: {shell: 'true'}
          b: {shell: [gone-program, x]}
          c: {python: {code: "output = 1"}}
          d: {python: {code: "output = 1", interpreter: gone-python}}
          e: {shell: ["{{ run.id }}"]}
          f: {env: {PATH: "/nowhere"}, shell: [ls]}
        """,
    )
    found = examined(project, "p.yaml")
    errors = [row["message"] for row in found["program"] if row["status"] == "error"]
    assert len(errors) == 3
    assert all(name in "\n".join(errors) for name in ("gone-program", "gone-python", "`ls`"))
    assert only(found, "python")["message"].endswith("of c")
    assert shutil.which("bash") in found["program"][-1]["message"]  # type: ignore[operator]


def test_interpreter_that_does_not_start_or_is_too_old_is_an_error(project: Project) -> None:
    project.write("old", "#!/bin/sh\necho 3 8 1\n", mode=0o755)
    project.write("bad", "#!/bin/sh\nexit 3\n", mode=0o755)
    project.write(
        "p.yaml",
        "tasks: {a: {python: {code: '1', interpreter: ./old}}, b: {python: {code: '1', interpreter: ./bad}}}",
    )
    rows = examined(project, "p.yaml")["python"]
    assert [row["status"] for row in rows] == ["error", "error"]
    assert "3.8.1" in rows[0]["message"]
    assert "does not start" in rows[1]["message"]


def test_invalid_pipeline_is_shown_as_an_error_and_one_that_is_not_there_is_exit_2(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {needs: b, shel: x}}")
    row = only(examined(project, "p.yaml"), "pipeline")
    assert (row["status"], row["hint"]) == ("error", "`pipectl validate p.yaml` shows them")
    project("doctor", "gone.yaml", code=2)


def test_warnings_of_a_pipeline_are_repeated(project: Project) -> None:
    project.write("p.yaml", "secrets: [TOKEN]\ntasks: {a: {shell: 'true'}}")
    rows = examined(project, "p.yaml")["pipeline"]
    assert [row["status"] for row in rows] == ["ok", "warning"]
    assert "TOKEN" in rows[1]["message"]


def test_output_without_unicode_is_warned_of(project: Project) -> None:
    assert only(examined(project, env={"PYTHONIOENCODING": "ascii"}), "output")["status"] == "warning"
