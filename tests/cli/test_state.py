"""The state folder: where it is found, who may read it, and exit 4 where it cannot be used."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PIPECTL, Project, wait_until

ONE = "tasks: {a: {shell: echo a >> trace}}"
FAILS = "tasks: {a: {shell: echo a >> trace}, b: {needs: a, shell: test -e ok}}"


def database(project: Project) -> Path:
    return project.root / ".pipectl/state.db"


def test_state_lies_beside_the_pipeline_wherever_it_is_run_from(project: Project) -> None:
    project.write("sub/p.yaml", ONE)
    project("run", "sub/p.yaml")
    assert (project.root / "sub/.pipectl/state.db").exists()
    assert not (project.root / ".pipectl").exists()
    assert (project.root / "sub/trace").exists()


def test_state_is_private_and_ignored_by_git(project: Project) -> None:
    project.run("secrets: [TOKEN]\ntasks: {a: {shell: seq 100000}}", env={"TOKEN": "something"})
    for path in [project.root / ".pipectl", *(project.root / ".pipectl").rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0 or path.name == ".gitignore", path
    assert (project.root / ".pipectl/.gitignore").read_text() == "*\n"


def test_state_is_private_whatever_the_umask(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {shell: 'umask; touch made'}}")
    project("run", "p.yaml", umask=0)
    for path in (project.root / ".pipectl", database(project)):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert project.log("a") == "0000\n"


@pytest.mark.parametrize("way", ["option", "variable"])
def test_state_may_lie_elsewhere(project: Project, way: str) -> None:
    project.write("p.yaml", FAILS)
    where = project.root / "else where"
    args, env = (["--state", where], {}) if way == "option" else ([], {"PIPECTL_STATE": str(where)})
    project("run", "p.yaml", *args, env=env, code=1)
    assert (where / "state.db").exists()
    assert not (project.root / ".pipectl").exists()
    project.write("ok", "")
    for command in (["runs"], ["show"], ["logs"], ["resume"], ["cancel"]):
        project(*command, *args, env=env)
    project("runs", code=2)


def test_state_option_wins_over_the_variable_and_both_may_be_relative(project: Project) -> None:
    project.write("sub/p.yaml", ONE)
    project("run", "sub/p.yaml", "--state", "one", env={"PIPECTL_STATE": "two"})
    assert (project.root / "one/state.db").exists()
    project("run", "sub/p.yaml", env={"PIPECTL_STATE": "two"})
    assert (project.root / "two/state.db").exists()


def test_commands_take_the_nearest_state_here_or_above(project: Project) -> None:
    project.run(ONE)
    project.write("inner/q.yaml", ONE)
    project("run", "inner/q.yaml")
    (project.root / "inner/deep").mkdir()
    assert "q" in project("runs", cwd=project.root / "inner/deep").stdout
    (project.root / "other").mkdir()
    assert "p" in project("runs", cwd=project.root / "other").stdout


def test_hint_to_resume_works_from_where_the_user_stands(project: Project) -> None:
    project.write("a b/p.yaml", FAILS)
    got = project("run", "a b/p.yaml", code=1)
    command = got.stderr.rpartition("hint: `")[2].partition("`")[0]
    assert command.startswith("pipectl resume ")
    project.write("a b/ok", "")
    subprocess.run(
        command,
        shell=True,
        check=True,
        cwd=project.root,
        env={**project.env, "PATH": f"{Path(sys.executable).parent}:{project.env['PATH']}"},
    )


@pytest.mark.parametrize("harm", ["garbage", "cut", "empty", "newer"])
def test_state_that_cannot_be_used_is_exit_4_and_left_as_it_is(project: Project, harm: str) -> None:
    project.run(ONE)
    path = database(project)
    if harm == "garbage":
        path.write_bytes(b"this is no database\n" * 500)
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif harm == "empty":
        path.write_bytes(b"x")
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 9999")
        connection.close()
    before = path.read_bytes()
    for command in (["run", "p.yaml"], ["resume"], ["runs"], ["show"], ["logs"], ["cancel"]):
        got = project(*command, code=4)
        assert str(project.root) in got.stderr
        assert "Traceback" not in got.stderr
    assert path.read_bytes() == before
    assert project.lines() == ["a"]


def test_state_in_a_file_or_below_one_is_exit_4(project: Project) -> None:
    project.write("p.yaml", ONE)
    project.write("file", "")
    for where in ("file", "file/below"):
        got = project("run", "p.yaml", "--state", where, code=4)
        assert "--state" in got.stderr
    assert project.lines() == []


def test_state_that_is_a_link_to_another_place_is_not_followed(project: Project) -> None:
    project.run(ONE)
    database(project).rename(project.root / "elsewhere.db")
    database(project).symlink_to(project.root / "elsewhere.db")
    assert "symbolic link" in project("run", "p.yaml", code=4).stderr


def as_nobody(project: Project, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a user to whom nothing here belongs."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become somebody else")
    for folder in project.root.parents[:3]:
        folder.chmod(folder.stat().st_mode | 0o055)
    return subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PIPECTL, *args],
        cwd=project.root,
        env=project.env,
        text=True,
        capture_output=True,
        check=False,
    )


def test_folder_that_may_not_be_written_is_exit_4(project: Project) -> None:
    project.write("p.yaml", ONE)
    project.root.chmod(0o755)
    got = as_nobody(project, "run", "p.yaml")
    assert got.returncode == 4, got.stderr
    assert "--state" in got.stderr


@pytest.mark.parametrize("command", [["runs"], ["show"], ["logs"], ["run", "p.yaml"], ["resume"]])
def test_state_of_somebody_else_is_exit_4(project: Project, command: list[str]) -> None:
    project.run(ONE)
    project.root.chmod(0o755)
    got = as_nobody(project, *command)
    assert got.returncode == 4, got.stderr
    assert str(project.root) in got.stderr


def test_full_disk_is_exit_4_and_leaves_nothing_running(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {shell: 'head -c 3000000 /dev/zero | tr \"\\\\0\" x; sleep 60'}}")
    got = project(
        "run",
        "p.yaml",
        "--output",
        "quiet",
        code=None,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000,) * 2),
    )
    assert got.returncode == 4, got.stderr
    assert "Traceback" not in got.stderr


def test_state_deleted_while_it_runs_is_exit_4(project: Project) -> None:
    process = project.start_run(
        "tasks: {a: {shell: 'echo up >> trace; until test -e go; do sleep 0.02; done'}, b: {needs: a, shell: echo b >> trace}}"
    )
    project.wait_for_line("up")
    shutil.rmtree(project.root / ".pipectl")
    project.write("go", "")
    _, said = process.communicate(timeout=30)
    assert process.returncode == 4, said
    assert "Traceback" not in said


def test_many_runners_share_one_state(project: Project) -> None:
    for number in range(6):
        project.write(f"p{number}.yaml", "tasks:\n" + "".join(f"  t{i}: {{shell: 'true'}}\n" for i in range(8)))
    processes = [project.start("run", f"p{number}.yaml", "-j", "2") for number in range(6)]
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert [row["state"] for row in project.runs()] == ["success"] * 6


def test_readers_see_a_run_while_it_goes_on(project: Project) -> None:
    process = project.start_run(
        "tasks: {a: {shell: echo done}, b: {needs: a, shell: 'echo up >> trace; until test -e go; do sleep 0.02; done'}}"
    )
    project.wait_for_line("up")
    assert project.states() == {"a": "success", "b": "running"}
    assert project.runs()[0]["ended"] is None
    project.write("go", "")
    assert process.wait(20) == 0


def test_run_whose_runner_died_is_interrupted(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'echo up >> trace; exec sleep 60'}}")
    project.wait_for_line("up")
    wait_until(lambda: project.runs()[0]["state"] == "running")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
    wait_until(lambda: project.runs()[0]["state"] == "interrupted")
    assert "interrupted" in project("show").stdout


def test_run_dir_is_an_empty_folder_of_the_runs_own(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {shell: 'ls -A "$PIPECTL_RUN_DIR" | wc -l; echo x > "$PIPECTL_RUN_DIR/kept"; echo "$DIR"', env: {DIR: "{{ run.dir }}"}}
          b: {needs: a, shell: 'cat "$PIPECTL_RUN_DIR/kept"'}
        """
    )
    assert project.log("a") == f"0\n{project.root / '.pipectl/runs' / project.runs()[0]['id']}\n"
    assert project.log("b") == "x\n"
