"""`pipectl doctor`: it finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipectl.cli.doctor.check import Check
from pipectl.cli.doctor.machine import _sqlite
from pipectl.cli.doctor.state import _place, _runs, _writable
from pipectl.model import RunState
from tests.cli.test_plan import files
from tests.conftest import PIPECTL, Project, wait_until


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
    monkeypatch.setattr("pipectl.cli.doctor.state.file_system", lambda folder: "nfs4")
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


def without_privileges(project: Project, *args: object) -> dict[str, dict[str, str]]:
    """What doctor finds as a user whom file modes bind, which they do not where the tests run as root."""
    words = [PIPECTL, "doctor", "--json", *map(str, args)]
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root, and no setpriv")
        words = [setpriv, "--bounding-set=-dac_override,-dac_read_search", *words]
    done = subprocess.run(words, cwd=project.root, env=project.env, capture_output=True, text=True, check=True)
    return {row["name"]: row for row in json.loads(done.stdout)["checks"]}


def test_state_that_cannot_be_made_or_written_is_an_error(project: Project) -> None:
    project.root.chmod(0o555)
    row = without_privileges(project)["writable"]
    project.root.chmod(0o755)
    assert (row["status"], "permission denied" in row["message"]) == ("error", True)
    assert only(examined(project), "writable")["message"] == "it can be made"
    project.run("tasks: {a: {shell: 'true'}}")
    database = project.root / ".pipectl/state.db"
    assert only(examined(project), "writable")["status"] == "ok"
    database.chmod(0o400)
    assert f"`{database}`" in without_privileges(project)["writable"]["message"]


def test_state_whose_place_is_taken_by_a_file_is_an_error(project: Project) -> None:
    project.write(".pipectl", "no folder")
    row = only(examined(project), "writable")
    assert (row["status"], "is not a folder" in row["message"]) == ("error", True)


def test_read_only_file_system_is_named_as_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert "mounted read-only" in _writable(tmp_path).message


def test_state_that_cannot_be_looked_into_is_a_row_like_others(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    state = project.root / ".pipectl"
    state.chmod(0)
    found = without_privileges(project)
    state.chmod(0o700)
    assert found["state"]["status"] == "error"
    assert "python" in found


def test_state_that_is_named_and_not_there_is_a_warning(project: Project) -> None:
    found = examined(project, "--state", "no where")
    row = only(found, "state")
    assert (row["status"], row["hint"]) == ("warning", "`pipectl run FILE --state 'no where'` makes one")
    assert "space" in found


def test_private_state_behind_a_link_is_private(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    state = project.root / ".pipectl"
    real = state.rename(project.root / "real")
    state.symlink_to(real)
    assert only(examined(project), "access")["status"] == "ok"
    real.chmod(0o755)
    hint = only(examined(project), "access")["hint"]
    subprocess.run(["bash", "-c", hint.strip("`")], check=True)
    assert only(examined(project), "access")["status"] == "ok"


def test_name_of_another_file_is_warned_of(project: Project) -> None:
    text = "name: same\ntasks: {a: {shell: 'true'}}"
    project.run(text)
    project.write("other.yaml", text)
    rows = examined(project, "other.yaml")["pipeline"]
    assert "belongs to" in rows[1]["message"]


def test_missing_interpreter_is_told_once_and_counts_are_in_words(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {python: {code: '1', interpreter: ./gone}}}")
    said = project("doctor", "p.yaml").stdout
    assert said.count("./gone") == 1
    assert "p.yaml is valid, 1 task\n" in said
    assert re.search(r"\d+ ok, (\d+ warnings?, )?1 error\n", said)
    project.write("p.yaml", "tasks: {a: {needs: b}}")
    assert "has 1 error\n" in project("doctor", "p.yaml").stdout


def test_hint_is_never_broken_where_it_holds_something_to_type(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    (project.root / ".pipectl").chmod(0o755)
    said = project("doctor", env={"COLUMNS": "50"}).stdout
    assert f"hint: `chmod -R go= {project.root}/.pipectl`\n" in said


def test_interrupted_runs_beyond_the_first_few_are_counted() -> None:
    runs = [SimpleNamespace(id=f"r{i}", pipeline="p", state=RunState.INTERRUPTED) for i in range(8)]
    store: Any = SimpleNamespace(runs=lambda **_: runs, folder=Path.cwd() / ".pipectl")
    checks = list(_runs(store))
    assert len(checks) == 6
    assert "3 others" in checks[-1].message
    assert "pipectl runs" in checks[-1].hint


def test_programs_of_groups_items_and_sub_pipelines_are_looked_for(project: Project) -> None:
    project.write(
        "child.yaml", "params: {n: {type: integer}}\ntasks: {one: {env: {N: '{{ params.n }}'}, shell: [gone-b]}}"
    )
    project.write(
        "p.yaml",
        """
        vars: {v: "{{ run.id }}"}
        tasks:
          g: {foreach: [1, 2], env: {I: "{{ item }} {{ vars.v }}"}, tasks: {a: {shell: [gone-a, "{{ item }}"]}}}
          child: {pipeline: {file: child.yaml, params: {n: 1}}}
        """,
    )
    found = examined(project, "p.yaml")
    errors = [row["message"] for row in found["program"] if row["status"] == "error"]
    assert errors == [
        "task `g.a`: there is no program `gone-a`",
        "task `child.one`: there is no program `gone-b`",
    ]
    assert found["pipeline"][0]["message"].endswith("valid, 2 tasks")
