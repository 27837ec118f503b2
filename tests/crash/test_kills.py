"""`kill -9` of the runner, of its guard, of both, of a task: nothing lost, nothing run twice, nothing left running."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Project, is_alive, wait_until, wait_until_gone

TREE = """
    tasks:
      first: {shell: echo first >> trace}
      work:
        needs: first
        shell: |
          sleep 60 & echo $! >> pids
          setsid sleep 60 & echo $! >> pids
          nohup sh -c "trap '' TERM HUP INT; sleep 60" > /dev/null 2>&1 & echo $! >> pids
          (setsid sh -c 'echo $$ >> pids; exec sleep 60' &)
          echo $$ >> pids
          until test "$(wc -l < pids)" -ge 5; do sleep 0.01; done
          echo up >> trace
          test -e ok || wait
      python:
        needs: first
        python: |
          import os, time
          with open("pids", "a") as pids: print(os.getpid(), file=pids)
          open("python-up", "w").close()
          while not os.path.exists("ok"): time.sleep(0.02)
      last: {needs: [work, python], shell: echo last >> trace}
"""


def children(pid: int) -> list[int]:
    """The children of a process."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def started(project: Project) -> tuple[subprocess.Popen[str], int, list[int]]:
    """A run in the midst of its work: its guard, the process id of its runner, those of its tasks."""
    process = project.start_run(TREE, "-j", "2")
    project.wait_for_line("up")
    wait_until(lambda: (project.root / "python-up").exists())
    (runner,) = children(process.pid)
    return process, runner, [int(line) for line in project.lines("pids")]


@pytest.mark.parametrize("killed", ["runner", "guard", "both"])
def test_kill_9_leaves_nothing_running_and_resume_does_the_rest(project: Project, killed: str) -> None:
    guard, runner, pids = started(project)
    if killed == "both":
        os.kill(guard.pid, signal.SIGSTOP)  # so that it cannot clean up in between
        os.kill(runner, signal.SIGSTOP)
    if killed != "guard":
        os.kill(runner, signal.SIGKILL)
    if killed != "runner":
        guard.kill()
    code = guard.wait(30)
    assert code == (137 if killed == "runner" else -signal.SIGKILL)
    if killed != "both":
        wait_until_gone([runner, *pids])
    wait_until(lambda: project.runs()[0]["state"] == "interrupted")
    project.write("ok", "")
    project("resume")
    wait_until_gone(pids)
    assert project.lines() == ["first", "up", "up", "last"]
    assert set(project.states().values()) == {"success"}


@pytest.mark.parametrize("killed", ["runner", "guard"])
def test_without_a_subreaper_what_a_kill_left_is_ended_by_the_resume_at_the_latest(
    project: Project, killed: str
) -> None:
    project.env["PIPECTL_PORTABLE"] = "1"
    guard, runner, pids = started(project)
    os.kill(runner if killed == "runner" else guard.pid, signal.SIGKILL)
    guard.wait(30)
    wait_until(lambda: project.runs()[0]["state"] == "interrupted")
    project.write("ok", "")
    project("resume")
    wait_until_gone([runner, *pids])
    assert project.lines() == ["first", "up", "up", "last"]


def test_lost_attempts_do_not_use_up_retries(project: Project) -> None:
    process = project.start_run(
        "tasks: {a: {retries: {max: 1, delay: 0}, shell: 'echo $PIPECTL_ATTEMPT >> trace; test -e ok || exec sleep 60; test $PIPECTL_ATTEMPT -ge 3'}}"
    )
    project.wait_for_line("1")
    (runner,) = children(process.pid)
    os.kill(runner, signal.SIGKILL)
    assert process.wait(30) == 137
    project.write("ok", "")
    project("resume")
    assert project.lines() == ["1", "2", "3"]


@pytest.mark.parametrize("seed", range(2))
def test_kill_9_anywhere_and_resume_runs_each_success_once(project: Project, seed: int) -> None:
    chance = random.Random(seed)
    tasks = [
        f"  t{i}: {{needs: [{f't{i - 2}' if i > 1 else ''}], shell: 'echo s{i} >> trace; echo e{i} >> trace'}}\n"
        for i in range(30)
    ]
    project.write("p.yaml", f"tasks:\n{''.join(tasks)}")
    command = ["run", "p.yaml"]
    for _ in range(50):
        process = project.start(*command)
        try:
            process.wait(chance.uniform(0.1, 0.5))
        except subprocess.TimeoutExpired:
            victims = [process.pid, *children(process.pid)]
            os.kill(chance.choice(victims), signal.SIGKILL)
            process.wait(30)
        process.communicate()
        if (project.root / ".pipectl/state.db").exists():
            connection = sqlite3.connect(project.root / ".pipectl/state.db")
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            connection.close()
        if process.returncode == 0:
            break
        command = ["run", "p.yaml", "--resume"]
    assert set(project.states().values()) == {"success"}
    ends = [line for line in project.lines() if line.startswith("e")]
    order = [ends.index(f"e{i}") for i in range(30)]
    assert all(order[i - 2] < order[i] for i in range(2, 30))


def test_task_that_is_killed_fails_alone_and_says_by_what(project: Project) -> None:
    project.run(
        """
        tasks:
          segv: {python: "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"}
          kill: {python: "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"}
          exit: {python: "import os; os._exit(0)"}
          code: {python: "import sys; sys.exit(7)"}
          shell: {shell: "kill -9 $$"}
          child: {shell: "sh -c 'kill -9 $$'; true"}
          other: {needs: [segv, kill, exit, code, shell, child], trigger: all_failed, python: "output = 1"}
        """,
        code=1,
    )
    rows = project.instances()
    assert "SIGSEGV" in rows["segv"]["error"]
    assert "SIGKILL" in rows["kill"]["error"]
    assert "memory" in rows["kill"]["error"]
    assert "SIGKILL" in rows["shell"]["error"]
    assert "before it gave a result" in rows["exit"]["error"]
    assert (rows["code"]["exit_code"], rows["child"]["exit_code"]) == (7, 137)
    assert rows["other"]["output"] == 1


def test_task_may_kill_its_parent_and_pipectl_still_ends_cleanly(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'echo $$ > pid; kill -9 $PPID; sleep 60'}}")
    assert process.wait(30) == 137
    wait_until_gone([int(project.read("pid"))])
    assert project.runs()[0]["state"] == "interrupted"


def test_fork_storm_ends_with_its_time_limit(project: Project) -> None:
    project.run(
        """
        tasks:
          storm:
            timeout: 1s
            grace: 100ms
            shell: |
              trap '' TERM
              for i in 1 2 3 4; do
                (trap '' TERM; while :; do setsid sh -c 'echo $$ >> pids; sleep 60' & sleep 0.05; done) &
              done
              wait
        """,
        code=1,
    )
    assert "time limit" in project.error("storm")
    wait_until_gone([int(line) for line in project.lines("pids")])


def test_processes_of_another_run_are_left_alone(project: Project) -> None:
    other = project.start_run(
        "tasks: {a: {shell: 'echo $$ > other; echo other-up >> trace; until test -e go; do sleep 0.02; done'}}"
    )
    project.wait_for_line("other-up")
    project.write("q.yaml", "tasks: {a: {shell: 'echo up >> trace; exec sleep 60'}}")
    mine = project.start("run", "q.yaml")
    project.wait_for_line("up")
    os.killpg(mine.pid, signal.SIGKILL)
    mine.wait(30)
    resumed = project.start("resume")
    wait_until(lambda: project.lines().count("up") == 2)
    resumed.terminate()
    assert resumed.wait(30) == 143
    assert is_alive(int(project.read("other")))
    project.write("go", "")
    assert other.wait(30) == 0
