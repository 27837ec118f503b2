"""A run on a terminal: what is repainted while it goes on, and what is left when it is over."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import sqlite3
import struct
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pyte
import pytest

from tests.conftest import PIPECTL, Project

HELD = """
    tasks:
      first: {shell: "echo ready"}
      held: {needs: first, shell: "echo working; until test -e go; do sleep 0.02; done; exit 3"}
      below: {needs: held, shell: "true"}
"""


class Terminal:
    """A terminal in which a command runs. What has left its top is kept."""

    def __init__(
        self,
        project: Project,
        *args: object,
        columns: int = 80,
        lines: int = 24,
        program: Sequence[str] = (str(PIPECTL),),
        **env: str,
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self.raw = b""
        self.code: int | None = None
        self._stream = pyte.ByteStream(self.screen)
        command = [*program, *map(str, args)]
        inherited = {name: value for name, value in project.env.items() if name not in {"NO_COLOR", "CI", "COLUMNS"}}
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.chdir(project.root)
            os.execvpe(command[0], command, {**inherited, "TERM": "xterm-256color", **env})

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def feed(self, data: bytes) -> None:
        """Shows what somebody sent."""
        self._stream.feed(data)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait_for(self, condition: Callable[[str], bool], seconds: float = 30.0) -> str:
        """Reads until the condition holds of what is seen."""
        deadline = time.monotonic() + seconds
        while not condition(self.text):
            assert time.monotonic() < deadline, f"waited in vain:\n{self.text}"
            assert self._read(), f"it ended:\n{self.text}"
        return self.text

    def finish(self) -> str:
        """Reads to the end, and gives what is left to be seen."""
        while self._read():
            pass
        return self.text

    def _read(self) -> bool:
        if select.select([self._fd], [], [], 0.05)[0]:
            data = b""
            with suppress(OSError):
                data = os.read(self._fd, 65536)
            if not data:
                self.close()
                return False
            self.raw += data
            self.feed(data)
        return True

    def close(self) -> None:
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._fd)

    @property
    def text(self) -> str:
        above = ["".join(row[i].data for i in range(self.screen.columns)).rstrip() for row in self.screen.history.top]
        return "\n".join([*above, *(row.rstrip() for row in self.screen.display)]).rstrip()


@pytest.fixture
def run(project: Project) -> Iterator[Callable[..., Terminal]]:
    """Starts pipelines on terminals, each of which is ended after the test."""
    started: list[Terminal] = []

    def start(text: str, *args: object, **options: Any) -> Terminal:
        project.write("p.yaml", text)
        started.append(Terminal(project, "run", "p.yaml", "--durability", "normal", *args, **options))
        return started[-1]

    yield start
    for terminal in started:
        if terminal.code is None:
            os.kill(terminal.pid, signal.SIGKILL)
            terminal.finish()


Start = Callable[..., Terminal]


def test_terminal_shows_what_runs_its_last_line_and_what_waits_for_it(run: Start, project: Project) -> None:
    terminal = run(HELD)
    shown = terminal.wait_for(lambda text: "working" in text)
    assert "✓ first success in" in shown
    assert "▸ held " in shown
    assert "· below waits for held" in shown
    assert "1/3  1 running  1 pending" in shown
    project.write("go", "")
    terminal.finish()
    assert terminal.code == 1


def test_end_leaves_the_lines_that_stay_and_the_summary(run: Start, project: Project) -> None:
    terminal = run(HELD)
    terminal.wait_for(lambda text: "working" in text)
    project.write("go", "")
    lines = terminal.finish().splitlines()
    run_id = project.runs()[0]["id"]
    assert lines[0] == f"run {run_id} of p"
    assert [line.split()[:2] for line in lines[1:4]] == [["✓", "first"], ["✗", "held"], ["-", "below"]]
    assert lines[4:8] == ["", "failed: held: exit code 3", "    working", "not run because of that: below"]
    assert lines[8].startswith(f"run {run_id} failed in ")
    assert lines[9:] == [f"hint: `pipectl resume {run_id}` runs the rest"]
    assert terminal.screen.cursor.x == 0


@pytest.mark.parametrize("size", [(40, 15), (200, 50), (12, 4), (80, 24)])
def test_resized_terminal_keeps_no_rest_of_what_was_repainted(
    run: Start, project: Project, size: tuple[int, int]
) -> None:
    terminal = run(HELD, columns=100, lines=30)
    terminal.wait_for(lambda text: "working" in text)
    terminal.resize(*size)
    seen = len(terminal.raw)
    terminal.wait_for(lambda _: len(terminal.raw) > seen)
    project.write("go", "")
    text = terminal.finish()
    assert "▸" not in text
    assert "waits for" not in text
    assert "hint:" in text


def test_many_tasks_show_their_failures_and_count_the_rest(run: Start, project: Project) -> None:
    tasks = "".join(
        f"  t{i}: {{shell: {{interpreter: sh, script: {'exit 1' if i == 77 else 'exit 0'}}}}}\n" for i in range(150)
    )
    text = run(f"tasks:\n{tasks}").finish()
    assert "✗ t77  failed in" in text
    assert "✓" not in text
    assert "149 success, 1 failed" in text


def test_retry_is_told_and_counted_down(run: Start) -> None:
    terminal = run("tasks: {a: {retries: {max: 1, delay: 60s, jitter: 0}, shell: 'exit 7'}}")
    shown = terminal.wait_for(lambda text: "attempt 2 in 5" in text)
    assert "↻ a failed: exit code 7; next attempt in 1m 00s" in shown
    assert "0/1  1 retrying" in shown


def test_what_ended_alike_without_a_run_of_its_own_takes_one_line(run: Start) -> None:
    below = "".join(f"  b{i}: {{needs: a, shell: 'true'}}\n" for i in range(20))
    text = run(f"tasks:\n  a: {{shell: exit 1}}\n{below}").finish()
    assert "- upstream_failed: b0, b1, b2, b3, b4, b5, b6, b7 and 12 more" in text


def test_interrupt_at_the_terminal_ends_the_run_and_leaves_it_clean(run: Start, project: Project) -> None:
    terminal = run(HELD)
    terminal.wait_for(lambda text: "working" in text)
    terminal.type("\x03")
    text = terminal.finish()
    assert terminal.code == 130
    assert "stopping: SIGINT" in text
    assert "▸" not in text
    assert project.states()["held"] == "cancelled"


def test_cursor_is_never_hidden_so_that_nothing_must_be_restored(run: Start) -> None:
    terminal = run(HELD)
    terminal.wait_for(lambda text: "working" in text)
    assert b"\x1b[?25" not in terminal.raw
    assert terminal.raw.count(b"\x1b[?7l") == terminal.raw.count(b"\x1b[?7h") > 0
    assert terminal.screen.cursor.x == 0


def test_terminal_that_takes_nothing_more_does_not_hold_the_run_up(run: Start, project: Project) -> None:
    chatty = "for i in $(seq 3000); do echo $i; done; sleep 1; echo done >> trace"
    terminal = run(f"tasks: {{a: {{shell: '{chatty}'}}, b: {{needs: a, shell: 'echo b >> trace'}}}}")
    terminal.wait_for(lambda text: "run " in text)
    terminal.type("\x13")
    project.wait_for_line("b")
    terminal.type("\x11")
    assert "2 success" in terminal.finish()


def test_state_that_cannot_be_written_leaves_the_terminal_clean(run: Start, project: Project) -> None:
    terminal = run(HELD)
    terminal.wait_for(lambda text: "working" in text)
    with closing(sqlite3.connect(project.root / ".pipectl/state.db")) as other, other:
        other.execute(
            "INSERT INTO events SELECT run, seq + 1, at, kind, instance, data FROM events ORDER BY seq DESC LIMIT 1"
        )
    project.write("go", "")
    text = terminal.finish()
    assert terminal.code == 4
    assert "▸" not in text
    assert "\nerror: " in text


def test_without_utf8_the_marks_are_ascii(run: Start) -> None:
    terminal = run("tasks: {a: {shell: 'exit 1'}}", PYTHONIOENCODING="ascii")
    assert "x a failed in" in terminal.finish()
    assert terminal.raw.isascii()


@pytest.mark.parametrize(
    "env", [{"TERM": "dumb"}, {"TERM": "unknown"}, {"CI": "true"}], ids=lambda env: "=".join(*env.items())
)
def test_terminal_that_cannot_be_repainted_gets_lines(run: Start, env: dict[str, str]) -> None:
    terminal = run("tasks: {a: {shell: echo hi}}", **env)
    assert "a | hi" in terminal.finish()
    assert b"\x1b[?" not in terminal.raw


def test_live_is_had_in_ci_too_when_asked_for(run: Start) -> None:
    assert "✓ a success" in run("tasks: {a: {shell: echo hi}}", "--output", "live", CI="true").finish()


def test_no_color_keeps_to_one_colour(run: Start) -> None:
    terminal = run(HELD.replace("until test -e go; do sleep 0.02; done", "sleep 0.3"), NO_COLOR="1")
    assert "✗ held" in terminal.finish()
    assert b"m" not in {part[-1:] for part in terminal.raw.split(b"\x1b[")[1:] if part[:2].isdigit()}


def test_live_without_a_terminal_is_plain(project: Project) -> None:
    got = project.run("tasks: {a: {shell: echo hi}}", "--output", "live")
    assert "a | hi" in got.stderr
    assert "\x1b" not in got.stderr


def test_force_color_colours_what_is_no_terminal(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {shell: echo hi}}")
    got = project("run", "p.yaml", env={"NO_COLOR": "", "FORCE_COLOR": "1"})
    assert "\x1b[32msuccess" in got.stderr


def test_resume_is_live_too(run: Start, project: Project) -> None:
    project.run(HELD.replace("until test -e go; do sleep 0.02; done; ", ""), code=1)
    terminal = Terminal(project, "resume")
    text = terminal.finish()
    assert "resuming: 2 of 3 tasks are left\n✗ held" in text
    assert terminal.code == 1


def test_killed_runner_leaves_the_prompt_a_row_of_its_own(run: Start) -> None:
    terminal = run(HELD)
    terminal.wait_for(lambda text: "working" in text)
    (runner,) = Path(f"/proc/{terminal.pid}/task/{terminal.pid}/children").read_text().split()
    os.kill(int(runner), signal.SIGKILL)
    assert "▸ held" in terminal.finish()
    assert terminal.code == 137
    assert terminal.screen.cursor.x == 0
    assert not terminal.screen.display[terminal.screen.cursor.y].strip()


def test_what_the_shell_says_of_a_stopped_run_is_not_painted_over(run: Start, project: Project) -> None:
    terminal = run(HELD)
    terminal.wait_for(lambda text: "working" in text)
    os.killpg(terminal.pid, signal.SIGSTOP)
    terminal.feed(b"[1]+  Stopped\r\n$ fg\r\n")
    os.killpg(terminal.pid, signal.SIGCONT)
    terminal.wait_for(lambda text: text.count("▸ held") == 2)
    project.write("go", "")
    assert "[1]+  Stopped\n$ fg\n✗ held" in terminal.finish()


def test_runner_in_the_background_repaints_nothing(run: Start, project: Project) -> None:
    """A shell that has a job in the background holds the terminal itself."""
    project.write("p.yaml", HELD)
    script = 'set -m; "$0" run p.yaml & until test -e go; do sleep 0.02; done; wait'
    terminal = Terminal(project, program=["bash", "-c", script, str(PIPECTL)])
    terminal.wait_for(lambda text: "✓ first" in text)
    project.write("go", "")
    assert "failed: held: exit code 3" in terminal.finish()
    assert b"working\x1b" not in terminal.raw
    assert "▸".encode() not in terminal.raw


def test_remaining_time_is_told_from_earlier_runs(run: Start, project: Project) -> None:
    slow = "tasks: {a: {shell: 'sleep 2'}, b: {needs: a, shell: 'sleep 2'}}"
    project.run(slow)
    terminal = run(slow)
    shown = terminal.wait_for(lambda text: " left" in text)
    assert re.search(r"~[34](\.\d)?s left", shown)


def test_names_take_no_more_than_a_third_of_a_narrow_terminal(run: Start) -> None:
    name = "n" * 80
    text = f"tasks: {{short: {{shell: 'true'}}, {name}: {{needs: short, shell: 'true'}}, not: {{when: 'false'}}}}"
    lines = run(text, columns=40).finish().splitlines()
    assert any(re.fullmatch(r"✓ short +success in \S+", line) for line in lines)
    assert any(re.fullmatch(r"- not +skipped \(by its when\)", line) for line in lines)


def test_task_with_many_instances_has_one_row_and_one_line_at_its_end(run: Start, project: Project) -> None:
    terminal = run(
        """
        tasks:
          each:
            foreach: "{{ range(12) | list }}"
            shell: 'test $ITEM -lt 10 || until test -e go; do sleep 0.02; done; test $ITEM != 3'
          after: {needs: each, trigger: all_done, shell: 'true'}
        """,
        "-j",
        "2",
    )
    shown = terminal.wait_for(lambda text: "10 of 12" in text)
    assert re.search(r"▸ each +10 of 12 · 2 running · 1 failed$", shown, re.M)
    assert re.search(r"▸ each\[10\] +", shown)
    assert "· after    waits for each" in shown
    assert "✓ each[" not in shown
    project.write("go", "")
    text = terminal.finish()
    assert re.search(r"^✗ each +1 of 12 failed in ", text, re.M)
    assert "✗ each[3] failed in" in text


def test_question_is_seen_with_the_command_that_answers_it(run: Start, project: Project) -> None:
    terminal = run("tasks: {ask: {approve: Deploy?}, w: {wait: {file: go}}}")
    shown = terminal.wait_for(lambda text: "◦ w " in text and "2 waiting" in text)
    run_id = project.runs()[0]["id"]
    assert f"◦ ask waits for approval: Deploy?\nhint: `pipectl approve {run_id} ask` answers, or `reject`" in shown
    assert re.search(r"◦ ask +\S+  waits for approval: Deploy\?$", shown, re.M)
    assert re.search(r"◦ w +\S+  waits for file ", shown)
    project("approve", "latest", "ask")
    terminal.wait_for(lambda text: "✓ ask" in text)
    project.write("go", "")
    assert "2 success" in terminal.finish()
