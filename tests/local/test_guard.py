"""The guard, with a runner behind it: programs of their own, since both end with their process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pipectl.executors.survivors import end_survivors

HOSTILE = "trap '' TERM INT HUP; setsid sleep $TOKEN & nohup sleep $TOKEN >/dev/null 2>&1 & sleep $TOKEN & wait"
HEAD = """
import os, select, signal, sys, time
from pathlib import Path
from pipectl.executors.guard import GuardDied, stand_guard
portable = sys.argv[1] == "portable"
guard = stand_guard(portable=portable)
guard.arm()

def say(*words): print(*words, flush=True)

def start(count, script):
    from pipectl.executors.local import LocalExecutor
    from pipectl.masking import Masker
    from pipectl.model import Command, Job
    root = Path(sys.argv[2])
    executor = LocalExecutor(scratch=root, logs=root / "logs", masker=Masker(()), run_id=sys.argv[3],
                             on_output=lambda *_: None, portable=portable, guard=guard)
    for i in range(count):
        env = dict(os.environ, PIPECTL_RUN_ID=sys.argv[3], PIPECTL_INSTANCE=f"t{i}", PIPECTL_ATTEMPT="1")
        executor.start(Job(f"t{i}", 1, Command(("sh", "-c", script)), env, str(root)))
    return executor
"""


class Program:
    """A runner behind its guard; `pid` is the guard's. `run_id` and `token` mark what it starts."""

    def __init__(self, root: Path, mode: str, body: str) -> None:
        self.token = f"601.{os.getpid()}{time.monotonic_ns() % 10**9}"
        self.run_id = f"run-{self.token}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", HEAD + textwrap.dedent(body), mode, str(root), self.run_id],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TOKEN": self.token},
            start_new_session=True,
        )

    def line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 20)
        assert ready, "nothing was said"
        return self.process.stdout.readline().strip()

    def alive(self):
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and self.token.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def until(self, predicate, seconds=20):
        last = time.monotonic() + seconds
        while not predicate():
            assert time.monotonic() < last, "waited in vain"
            time.sleep(0.005)


@pytest.fixture(params=["trees", "portable"])
def program(request, tmp_path):
    programs = []

    def start(body):
        programs.append(Program(tmp_path, request.param, body))
        return programs[-1]

    start.mode = request.param
    yield start
    for program in programs:
        program.process.kill()
        program.process.wait()
        program.process.stdout.close()
        end_survivors(program.run_id)
        assert not program.alive()


def test_exit_code_of_the_runner_is_the_guards(program):
    assert program("os._exit(7)").process.wait(20) == 7
    assert program("sys.exit(75)").process.wait(20) == 75
    assert program("say('hi')").process.wait(20) == 0


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV])
def test_runner_killed_by_a_signal_gives_128_and_its_number(program, signum):
    assert program(f"os.kill(os.getpid(), {int(signum)})").process.wait(20) == 128 + signum


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_runner_is_told_of_a_signal_and_is_not_hit_by_it(program, signum):
    it = program("""
        say("up"); select.select([guard], [], []); say(*guard.signals()); say(*guard.signals()); sys.exit(3)
    """)
    assert it.line() == "up"
    os.killpg(it.process.pid, signum)
    assert it.line() == str(int(signum))
    assert it.line() == ""
    assert it.process.wait(20) == 3


def test_repetition_within_300_ms_is_one_signal_and_a_later_one_counts(program):
    it = program("""
        say("up")
        for _ in range(2):
            select.select([guard], [], []); say(*guard.signals())
    """)
    assert it.line() == "up"
    for _ in range(3):
        it.process.send_signal(signal.SIGTERM)
    assert it.line() == "15"
    time.sleep(0.35)
    it.process.send_signal(signal.SIGINT)
    assert it.line() == "2"


def test_signal_that_the_caller_ignores_stays_ignored(tmp_path):
    code = HEAD + "say('up'); select.select([guard], [], []); say(*guard.signals())"
    shell = 'trap "" HUP; exec "$0" "$@"'
    process = subprocess.Popen(
        ["sh", "-c", shell, sys.executable, "-c", code, "trees", str(tmp_path), "r"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "15\n"
    assert process.wait(20) == 0
    process.stdout.close()


def test_killed_runner_leaves_nothing(program):
    it = program(f"""
        executor = start(20, {HOSTILE!r})
        say(os.getpid())
        executor.wait(None)
    """)
    runner = int(it.line())
    it.until(lambda: len(it.alive()) >= 60)
    os.kill(runner, signal.SIGKILL)
    begun = time.monotonic()
    assert it.process.wait(20) == 137
    if program.mode == "trees":
        assert not it.alive()
        assert time.monotonic() - begun < 10
    else:
        end_survivors(it.run_id)
        it.until(lambda: not it.alive())


def test_killed_runner_leaves_no_python_task(program):
    it = program("""
        from pipectl.model import Call, Job
        executor = start(0, "")
        env = dict(os.environ, PIPECTL_RUN_ID=sys.argv[3], PIPECTL_INSTANCE="p", PIPECTL_ATTEMPT="1")
        code = "import os, subprocess; subprocess.run(['sleep', os.environ['TOKEN']])"
        work = Call(sys.executable, sys.argv[2], (), {"task": "p", "code": code})
        executor.start(Job("p", 1, work, env, sys.argv[2]))
        say(os.getpid())
        executor.wait(None)
    """)
    runner = int(it.line())
    it.until(it.alive)
    os.kill(runner, signal.SIGKILL)
    assert it.process.wait(20) == 137
    it.until(lambda: not it.alive())


def test_death_of_the_guard_is_told(program):
    it = program("""
        say(os.getpid())
        select.select([guard], [], [])
        try:
            guard.signals()
        except GuardDied:
            say("died")
    """)
    it.line()
    it.process.kill()
    assert it.line() == "died"


def test_runner_that_leaves_by_itself_spares_what_it_left(program):
    it = program("""
        import subprocess
        subprocess.Popen(["sleep", os.environ["TOKEN"]], start_new_session=True)
    """)
    assert it.process.wait(20) == 0
    (pid,) = it.alive()
    os.kill(pid, signal.SIGKILL)
    it.until(lambda: not it.alive())


def test_attempts_hold_neither_pipe_of_the_guard(program, tmp_path):
    (tmp_path / "list.py").write_text("import os; print(*os.listdir('/proc/self/fd'))")
    it = program("""
        start(1, "exec " + sys.executable + " list.py > list").wait(20)
        say((Path(sys.argv[2]) / "list").read_text())
    """)
    assert sorted(it.line().split()) == ["0", "1", "2", "3"]  # the last is the listing's own


def test_closed_standard_streams_are_held_open(tmp_path):
    code = HEAD + "fd = os.open('/dev/null', os.O_RDONLY); sys.exit(0 if fd > 2 else 9)"
    shell = 'exec "$0" "$@" <&- >&- 2>&-'
    argv = ["sh", "-c", shell, sys.executable, "-c", code, "trees", str(tmp_path), "r"]
    assert subprocess.run(argv, check=False).returncode == 0


@pytest.mark.parametrize("portable", [False, True])
def test_survivors_of_runner_and_guard_are_found_by_their_marker(tmp_path, portable):
    token = f"602.{os.getpid()}{int(portable)}"
    run_id = f"run-{token}"
    env = {**os.environ, "TOKEN": token, "PIPECTL_RUN_ID": run_id}
    script = HOSTILE.replace("wait", "echo up; wait")
    trees = [
        subprocess.Popen(["setsid", "sh", "-c", script], env=env, stdout=subprocess.PIPE, text=True) for _ in range(5)
    ]
    for tree in trees:
        assert tree.stdout.readline() == "up\n"
    other = subprocess.Popen(["sleep", token], env={**env, "PIPECTL_RUN_ID": run_id + "x"})
    try:
        assert end_survivors(run_id, portable=portable) >= 15
        assert end_survivors(run_id, portable=portable) == 0
        assert other.poll() is None
    finally:
        other.kill()
        for process in (*trees, other):
            process.wait()
        for tree in trees:
            tree.stdout.close()


def test_search_for_survivors_spares_those_above_it(tmp_path):
    code = (
        "from pipectl.executors.survivors import end_survivors as end\n"
        "print(end('me', portable=False), end('me', portable=True))"
    )
    env = {**os.environ, "PIPECTL_RUN_ID": "me"}
    shell = ["sh", "-c", '"$0" -c "$1"; echo alive', sys.executable, code]
    got = subprocess.run(shell, env=env, capture_output=True, text=True, check=True)
    assert got.stdout == "0 0\nalive\n"
