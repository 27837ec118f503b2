"""A limit of memory holds for all processes of an attempt together, and for what they really use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from pipectl.executors.memory import pause, used
from pipectl.executors.tree import descent, end
from pipectl.model import Cause, Command
from tests.local.conftest import opened

LIMIT = 64 << 20
GROW = "kept = [b'x' * 1_000_000 for _ in range(2000)]"
HOLD = "import os, sys, time\nkept = b'x' * (int(sys.argv[1]) << 20)\nopen(sys.argv[2], 'w').close()\ntime.sleep(600)"


def python(code, *args):
    return Command((sys.executable, "-c", code, *map(str, args)))


def was_stopped(outcome):
    return (outcome.cause, outcome.signal, outcome.error) == (
        Cause.MEMORY,
        signal.SIGKILL,
        "it used more memory than its limit of 64 MiB (resources.memory)",
    )


def test_shell_that_grows_is_stopped(trees):
    job = trees.job(
        Command(("bash", "-c", "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo survived")), memory=LIMIT
    )
    outcome = trees.run(job)["t"]
    assert was_stopped(outcome)
    assert outcome.log == b""


def test_program_that_grows_is_stopped_near_its_limit(trees):
    outcome = trees.run(trees.job(python(GROW), memory=LIMIT))["t"]
    assert was_stopped(outcome)
    assert (outcome.max_rss or 0) < 1_000_000_000


def test_python_task_forked_from_a_warm_process_is_stopped(trees):
    assert was_stopped(trees.run(trees.job(trees.call({"code": GROW}), memory=LIMIT))["t"])


def test_warm_process_outlives_the_attempt_that_was_stopped(trees):
    grow = trees.job(trees.call({"code": GROW}), name="grow", memory=LIMIT)
    done = trees.run(grow, trees.job(trees.call({"code": "output = 1"}), name="calm", memory=LIMIT), width=1)
    assert done["grow"].cause is Cause.MEMORY
    assert done["calm"].exit_code == 0


def test_child_of_a_child_counts(trees):
    script = f'sh -c \'"$0" -c "$1"; true\' {sys.executable} "{GROW}"; sleep $TOKEN'
    assert was_stopped(trees.sh(script, memory=LIMIT))
    trees.gone()


def test_child_that_left_its_session_counts(trees):
    script = f'setsid {sys.executable} -c "{GROW}" & exec sleep $TOKEN'
    assert was_stopped(trees.sh(script, memory=LIMIT))
    trees.gone()


def test_processes_count_together(trees):
    hold = trees.root / "hold.py"
    hold.write_text(HOLD)
    script = f"for n in 1 2 3; do {sys.executable} {hold} 40 held.$n $TOKEN & done; sleep $TOKEN"
    assert was_stopped(trees.sh(script, memory=LIMIT))
    trees.gone()


@pytest.fixture
def measure(tmp_path):
    """What a program uses, with the processes that it forks, once it has printed `ready`; in MiB."""
    started = []

    def measure(code):
        started.append(subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE))
        assert started[-1].stdout.readline() == b"ready\n"
        return used(descent([started[-1].pid]), 0) >> 20

    yield measure
    for process in started:
        end([process.pid])
        process.communicate()


READY = "print('ready', flush=True); import signal; signal.pause()"


def test_what_processes_share_counts_once(measure):
    fork = "import os; kept = b'x' * (100 << 20)\nfor _ in range(3): os.fork() or __import__('signal').pause()\n"
    assert 100 <= measure(fork + READY) < 150


def test_memory_that_is_reserved_and_not_used_does_not_count(measure):
    assert measure(f"import mmap; kept = mmap.mmap(-1, 4 << 30, mmap.MAP_PRIVATE); kept[0] = 1; {READY}") < 50


def test_files_that_are_mapped_do_not_count(measure, tmp_path):
    (tmp_path / "big").write_bytes(b"x" * (100 << 20))
    find = "file = open('big', 'rb'); kept = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ); kept.find(b'y')"
    assert measure(f"import mmap; {find}; {READY}") < 50


def test_memory_that_is_made_to_be_shared_counts(measure):
    assert measure(f"import mmap; kept = mmap.mmap(-1, 100 << 20); kept.write(b'x' * (100 << 20)); {READY}") >= 100


def test_attempt_within_its_limit_is_left_alone(trees):
    outcome = trees.run(trees.job(python("kept = b'x' * (20 << 20); print('done')"), memory=LIMIT))["t"]
    assert (outcome.cause, outcome.exit_code, outcome.log) == (Cause.EXITED, 0, b"done\n")


def test_attempt_that_grows_while_it_is_told_to_end_is_killed(trees):
    code = f"""
import signal, time
def grow(*_):
    {GROW}
    time.sleep(600)
signal.signal(signal.SIGTERM, grow); open("ready", "w").close(); time.sleep(600)
"""
    trees.begin(trees.job(python(code), memory=LIMIT, grace=600))
    trees.until((trees.root / "ready").exists)
    trees.executor.cancel("t")
    (outcome,) = trees.executor.wait(30)
    assert (outcome.cause, outcome.signal) == (Cause.CANCELLED, signal.SIGKILL)


def test_others_are_not_hit(trees):
    trees.begin(
        trees.job(python("import time; open('ready', 'w').close(); time.sleep(600)"), name="calm", memory=LIMIT)
    )
    trees.until((trees.root / "ready").exists)
    trees.begin(trees.job(python(GROW), name="grow", memory=LIMIT))
    (outcome,) = trees.executor.wait(30)
    assert (outcome.instance, outcome.cause) == ("grow", Cause.MEMORY)
    trees.executor.cancel("calm", at_once=True)
    (outcome,) = trees.executor.wait(30)
    assert outcome.instance == "calm"


def test_no_limit_is_kept_where_trees_are_not_seen(tmp_path):
    with opened(tmp_path, portable=True) as portable:
        assert portable.run(portable.job(python("kept = b'x' * (80 << 20)"), memory=LIMIT))["t"].exit_code == 0


def test_memory_of_a_process_that_is_gone_is_none():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    assert used([pid], 0) == 0


@pytest.mark.parametrize(("room", "cost"), [(1 << 40, 0.0), (0, 0.0), (1 << 30, 0.001), (0, 0.05)])
def test_looks_are_neither_too_seldom_nor_take_more_than_a_twentieth_of_the_time(room, cost):
    assert 0.01 <= pause(room, cost) <= max(0.25, 20 * cost)
    assert cost <= pause(room, cost) / 20
