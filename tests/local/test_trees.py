"""Whatever a task leaves, forks or hides: it ends, and nothing else does."""

from __future__ import annotations

import os
import signal
import sys
import time

from pipectl.executors.tree import children
from pipectl.model import Cause, Command

SLEEP = "sleep $TOKEN"
HOSTILE = f"""
trap '' TERM INT HUP
(trap '' TERM; {SLEEP}) &
setsid sh -c "trap '' TERM; {SLEEP}" &
nohup {SLEEP} >/dev/null 2>&1 &
(setsid sh -c '{SLEEP} & {SLEEP}' &) &
sh -c "sh -c '{SLEEP}; true'; true"
"""
DAEMON = f"setsid sh -c '{SLEEP} & {SLEEP}' >/dev/null 2>&1 &"


def shell(script):
    return Command(("sh", "-c", script))


def test_background_child_neither_holds_the_task_up_nor_survives_it(local):
    outcome = local.sh(f"{SLEEP} & echo hi")
    assert (outcome.exit_code, outcome.log) == (0, b"hi\n")
    local.gone()


def test_background_child_is_spared_if_the_job_says_so(local):
    outcome = local.sh(f"{SLEEP} & echo hi", background=True)
    assert outcome.exit_code == 0
    local.until(local.alive)
    local.executor.close()
    (pid,) = local.alive()
    os.kill(pid, signal.SIGKILL)
    local.gone(patience=5)


def test_spared_child_may_go_on_printing(local):
    local.sh("(until [ -e go ]; do sleep 0.01; done; echo more; touch went) & echo hi", background=True)
    (local.root / "go").touch()
    local.until((local.root / "went").exists)
    assert local.told["t", 1] == b"hi\n"


def test_daemon_that_left_its_session_ends_with_its_attempt(trees):
    assert trees.sh(DAEMON).exit_code == 0
    trees.gone()


def test_job_control_does_not_hide_a_child(trees):
    outcome = trees.run(trees.job(Command(("bash", "-c", f"set -m; {SLEEP} & {SLEEP} & echo"))))["t"]
    assert outcome.exit_code == 0
    trees.gone()


def test_daemon_of_another_running_attempt_is_not_hit(local):
    local.begin(local.job(shell(f"{DAEMON} until [ -e go ]; do sleep 0.01; done"), name="long"))
    local.until(lambda: len(local.alive()) >= 2)
    local.begin(local.job(shell(f"{DAEMON} {SLEEP} & true"), name="short"))
    (outcome,) = local.executor.wait(20)
    assert outcome.instance == "short"
    assert len(local.alive()) >= 2
    (local.root / "go").touch()
    (outcome,) = local.executor.wait(20)
    assert outcome.instance == "long"


def test_what_cleared_its_environment_ends_with_the_run(trees):
    outcome = trees.sh("t=$TOKEN; env -i setsid sleep $t & until pgrep -f $TOKEN >/dev/null; do :; done; true")
    assert outcome.exit_code == 0
    trees.executor.close()
    trees.gone()


def test_daemon_ends_with_the_run_at_the_latest(local):
    local.sh(DAEMON + " true")
    local.executor.close()
    local.gone()


def test_time_limit_ends_a_hostile_tree(local):
    outcome = local.sh(HOSTILE, timeout=0.5, grace=0.3)
    assert outcome.cause is Cause.TIMEOUT
    assert outcome.signal == signal.SIGKILL
    local.gone()


def test_time_limit_is_no_longer_than_it_says(local):
    begun = time.monotonic()
    outcome = local.sh(f"exec {SLEEP}", timeout=0.2)
    assert (outcome.cause, outcome.signal) == (Cause.TIMEOUT, signal.SIGTERM)
    assert time.monotonic() - begun < 10


def test_cancel_ends_a_hostile_tree_after_its_grace(local):
    local.begin(local.job(shell(HOSTILE), grace=0.2))
    local.until(lambda: len(local.alive()) >= 8)
    local.executor.cancel("t")
    local.executor.cancel("t")
    (outcome,) = local.executor.wait(20)
    assert (outcome.cause, outcome.signal) == (Cause.CANCELLED, signal.SIGKILL)
    local.gone()


def test_cancel_at_once_waits_for_no_grace(local):
    local.begin(local.job(shell(HOSTILE), grace=600))
    local.until(lambda: len(local.alive()) >= 8)
    local.executor.cancel("t")
    local.executor.cancel("t", at_once=True)
    (outcome,) = local.executor.wait(20)
    assert outcome.cause is Cause.CANCELLED
    local.gone()


def test_stopped_task_gets_exactly_one_signal_and_cleans_up(local):
    code = """
import os, signal, time
def stop(*_):
    os.write(1, b"stop\\n")
    open("cleaned", "w").close()
    os._exit(7)
signal.signal(signal.SIGTERM, stop)
os.write(1, b"ready\\n")
while True:
    time.sleep(1)
"""
    local.begin(local.job(Command((sys.executable, "-c", code))))
    local.until(lambda: local.told["t", 1])
    local.executor.cancel("t")
    (outcome,) = local.executor.wait(20)
    assert (outcome.cause, outcome.exit_code, outcome.log) == (Cause.CANCELLED, 7, b"ready\nstop\n")
    assert (local.root / "cleaned").exists()


def test_stop_signal_is_the_jobs(local):
    script = "trap 'echo int; exit 5' INT; echo ready; while :; do sleep 0.01; done"
    local.begin(local.job(shell(script), stop_signal="SIGINT"))
    local.until(lambda: local.told["t", 1])
    local.executor.cancel("t")
    (outcome,) = local.executor.wait(20)
    assert (outcome.exit_code, outcome.log) == (5, b"ready\nint\n")


def test_child_of_a_shell_that_died_of_the_stop_signal_has_its_grace(local):
    child = "trap 'sleep 0.3; touch cleaned; exit' TERM; echo ready; while :; do sleep 0.01; done"
    local.begin(local.job(shell(f'sh -c "{child}"; true')))
    local.until(lambda: local.told["t", 1])
    local.executor.cancel("t")
    (outcome,) = local.executor.wait(20)
    assert (outcome.cause, outcome.signal) == (Cause.CANCELLED, signal.SIGTERM)
    assert (local.root / "cleaned").exists()


STORM = """
import os, sys, time
last = time.monotonic() + 60
while time.monotonic() < last:
    if os.fork():
        os._exit(0)
    if sys.argv[2:]: os.setsid()
    time.sleep(0.001)
"""


def test_fork_storm_leaves_no_survivor(local):
    script = f"{sys.executable} -c '{STORM}' $TOKEN & {sys.executable} -c '{STORM}' $TOKEN & wait; {SLEEP}"
    local.begin(local.job(shell(script), grace=0.1))
    local.until(local.alive)
    local.executor.cancel("t")
    (outcome,) = local.executor.wait(30)
    assert outcome.cause is Cause.CANCELLED
    local.gone()


def test_fork_storm_over_sessions_leaves_no_survivor(trees):
    trees.begin(trees.job(shell(f"{sys.executable} -c '{STORM}' $TOKEN s & {SLEEP}"), grace=0.1))
    trees.until(trees.alive)
    trees.executor.cancel("t", at_once=True)
    (outcome,) = trees.executor.wait(30)
    assert outcome.cause is Cause.CANCELLED
    trees.gone()


def test_short_tasks_with_orphans_give_their_own_codes_and_leave_no_zombie(local):
    before = set(children(os.getpid()))
    jobs = [
        local.job(shell(f"(sleep 0.00{i % 7} &) & (sh -c 'exit 1' &); exit {i % 50}"), name=f"t{i}") for i in range(500)
    ]
    done = local.run(*jobs, width=8)
    assert [done[f"t{i}"].exit_code for i in range(500)] == [i % 50 for i in range(500)]
    local.executor.close()
    assert set(children(os.getpid())) <= before


def test_sixty_four_hostile_trees_at_once(local):
    local.begin(*(local.job(shell(HOSTILE), name=f"t{i}", grace=0.1, timeout=1) for i in range(64)))
    left = 64
    while left:
        outcomes = local.executor.wait(60)
        assert all(outcome.cause is Cause.TIMEOUT for outcome in outcomes)
        left -= len(outcomes)
    local.gone()


def test_close_ends_everything_at_once(local):
    local.begin(*(local.job(shell(HOSTILE), name=f"t{i}", grace=600) for i in range(4)))
    local.until(lambda: len(local.alive()) >= 32)
    local.executor.close()
    local.executor.close()
    local.gone()


def test_cancel_of_what_does_not_run_does_nothing(local):
    local.executor.cancel("nobody")
    assert local.executor.wait(0) == []
