"""^C, SIGTERM, SIGHUP and `timeout`: once is graceful, twice is at once, and the exit code names the signal."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.conftest import PIPECTL, Project, is_alive, wait_until, wait_until_gone

WORK = """
    tasks:
      work: {shell: "echo $$ > pid; echo up >> trace; exec sleep 60"}
      next: {needs: work, shell: echo next >> trace}
      clean: {needs: work, trigger: always, shell: echo clean >> trace}
"""
STUBBORN = """
    tasks:
      work: {grace: 1m, shell: "trap '' TERM; echo $$ > pid; echo up >> trace; while :; do sleep 0.1; done"}
      clean: {needs: work, trigger: always, shell: echo clean >> trace}
"""


class Terminal:
    """The command on a terminal of its own, as a user has it."""

    def __init__(self, project: Project, *args: str) -> None:
        self.said = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(project.root)
            os.execve(PIPECTL, [str(PIPECTL), *args], {**project.env, "TERM": "xterm"})

    def type(self, keys: bytes) -> None:
        """Presses keys."""
        os.write(self._fd, keys)

    def wait(self) -> int:
        """Reads until the command has ended; its exit code."""
        with suppress(OSError):
            while data := os.read(self._fd, 4096):
                self.said += data
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self._fd)
        self.pid = 0
        return code

    def close(self) -> None:
        """Ends what a failed test left."""
        if self.pid:
            with suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self._fd)


@pytest.fixture
def terminal(project: Project) -> Iterator[type[Terminal]]:
    opened: list[Terminal] = []

    class Opened(Terminal):
        def __init__(self, *args: str) -> None:
            super().__init__(project, *args)
            opened.append(self)

    yield Opened  # type: ignore[misc]
    for one in opened:
        one.close()


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_signal_ends_the_run_gracefully_with_its_exit_code(project: Project, name: str, code: int) -> None:
    process = project.start_run(WORK)
    project.wait_for_line("up")
    process.send_signal(signal.Signals[name])
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert name in said
    assert "pipectl resume" in said
    assert project.lines() == ["up", "clean"]
    assert project.states() == {"work": "cancelled", "next": "cancelled", "clean": "success"}
    assert project.runs()[0]["state"] == "cancelled"


def test_run_that_was_stopped_by_a_signal_is_resumed(project: Project) -> None:
    process = project.start_run(WORK.replace("exec sleep 60", "test -e ok || exec sleep 60"))
    project.wait_for_line("up")
    process.terminate()
    assert process.wait(30) == 143
    project.write("ok", "")
    project("resume")
    assert project.lines() == ["up", "clean", "up", "next"]


def test_resume_hears_signals_too(project: Project) -> None:
    project.run("tasks: {a: {shell: 'echo up >> trace; test -e ok && exec sleep 60'}}", code=1)
    project.write("ok", "")
    process = project.start("resume")
    wait_until(lambda: project.lines() == ["up", "up"])
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130


def test_one_ctrl_c_on_a_terminal_is_graceful(project: Project, terminal: type[Terminal]) -> None:
    project.write("p.yaml", WORK)
    screen = terminal("run", "p.yaml")  # type: ignore[call-arg, arg-type]
    project.wait_for_line("up")
    screen.type(b"\x03")
    assert screen.wait() == 130
    assert project.lines() == ["up", "clean"]
    assert b"Traceback" not in screen.said
    assert b"pipectl resume" in screen.said


def test_second_ctrl_c_ends_everything_at_once(project: Project, terminal: type[Terminal]) -> None:
    project.write("p.yaml", STUBBORN)
    screen = terminal("run", "p.yaml")  # type: ignore[call-arg, arg-type]
    project.wait_for_line("up")
    pid = int(project.read("pid"))
    screen.type(b"\x03")
    wait_until(lambda: project.runs()[0]["state"] == "running" and is_alive(pid))
    time.sleep(0.4)  # a second signal within 300 ms counts as the first
    screen.type(b"\x03")
    assert screen.wait() == 130
    assert not is_alive(pid)
    assert project.lines() == ["up"]
    assert project.states() == {"work": "cancelled", "clean": "cancelled"}


def test_task_on_a_terminal_does_not_get_its_ctrl_c(project: Project, terminal: type[Terminal]) -> None:
    project.write(
        "p.yaml",
        """
        tasks:
          work: {shell: "trap 'echo INT >> trace' INT; trap 'echo TERM >> trace; exit 1' TERM; echo up >> trace; while :; do sleep 0.05; done"}
        """,
    )
    screen = terminal("run", "p.yaml")  # type: ignore[call-arg, arg-type]
    project.wait_for_line("up")
    screen.type(b"\x03")
    assert screen.wait() == 130
    assert project.lines() == ["up", "TERM"]


def test_task_has_no_terminal_to_read_from(project: Project, terminal: type[Terminal]) -> None:
    project.write(
        "p.yaml",
        "tasks: {a: {shell: 'cat > read; test -t 0 || echo none >> trace; (: < /dev/tty) || echo notty >> trace'}}",
    )
    screen = terminal("run", "p.yaml")  # type: ignore[call-arg, arg-type]
    assert screen.wait() == 0
    assert project.lines() == ["none", "notty"]


@pytest.mark.parametrize("foreground", [False, True])
def test_timeout_program_ends_a_run_gracefully(project: Project, foreground: bool) -> None:
    assert shutil.which("timeout")
    project.write("p.yaml", WORK)
    options = ["--foreground"] if foreground else []
    got = subprocess.run(
        ["timeout", *options, "1", PIPECTL, "run", "p.yaml"],
        cwd=project.root,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert got.returncode == 124
    wait_until(lambda: project.runs()[0]["state"] == "cancelled")
    assert project.lines() == ["up", "clean"]


def test_signal_to_the_whole_group_counts_once(project: Project) -> None:
    process = project.start_run(WORK)
    project.wait_for_line("up")
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(30) == 143
    assert project.lines() == ["up", "clean"]


def test_nohup_keeps_a_run_alive_through_a_hangup(project: Project) -> None:
    project.write(
        "p.yaml", "tasks: {a: {shell: 'echo up >> trace; until test -e go; do sleep 0.02; done; echo end >> trace'}}"
    )
    process = subprocess.Popen(
        ["nohup", PIPECTL, "run", "p.yaml"],
        cwd=project.root,
        env=project.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    project.processes.append(process)  # type: ignore[arg-type]
    project.wait_for_line("up")
    process.send_signal(signal.SIGHUP)
    project.write("go", "")
    assert process.wait(30) == 0
    assert project.lines() == ["up", "end"]


def test_signal_before_the_first_task_leaves_nothing_behind(project: Project) -> None:
    project.write("p.yaml", WORK)
    process = project.start("run", "p.yaml")
    wait_until(lambda: (project.root / ".pipectl").exists() or process.poll() is not None)
    process.terminate()
    assert process.wait(30) == 143
    if "up" in project.lines():
        wait_until_gone([int(project.read("pid"))])


def test_stopped_run_goes_on_after_a_continue(project: Project) -> None:
    process = project.start_run(
        "tasks: {a: {shell: 'echo up >> trace; until test -e go; do sleep 0.02; done'}, b: {needs: a}}"
    )
    project.wait_for_line("up")
    os.killpg(process.pid, signal.SIGSTOP)
    project.write("go", "")
    os.killpg(process.pid, signal.SIGCONT)
    assert process.wait(30) == 0


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_signal_while_the_pipeline_is_still_read_ends_it(project: Project, name: str, code: int) -> None:
    project.write(
        "p.yaml", "secrets: {S: {command: [sh, -c, 'touch asked; exec sleep 60']}}\ntasks: {a: {shell: 'true'}}"
    )
    process = project.start("run", "p.yaml")
    wait_until(lambda: (project.root / "asked").exists())
    process.send_signal(signal.Signals[name])
    assert process.wait(10) == code
    assert not (project.root / ".pipectl").exists()
