"""Pools that many processes share: never more slots than there are, and nothing is stale."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from array import array
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.errors import StateError
from pipectl.model import Pool
from pipectl.store.pools import Pools
from pipectl.store.start_times import StartTimes

ONE = {"db": Pool(1)}
TWO = {"db": Pool(2)}
BOTH = {"a": Pool(1), "b": Pool(1)}


@pytest.fixture
def made(tmp_path):
    """Makes the pools of further runs of one state; they are told apart by the kernel as those of processes are."""
    opened = []

    def make(pools, **options):
        opened.append(Pools(tmp_path, pools, **options))
        return opened[-1]

    yield make
    for pools in opened:
        pools.close()


RUN = """
import json, os, sys, time
from pathlib import Path
from pipectl.model import Pool
from pipectl.store.pools import Pools

folder, name, declared, wanted, times, ledger, pause = json.loads(sys.argv[1])
pools = Pools(Path(folder), {key: Pool(slots, rate and tuple(rate)) for key, (slots, rate) in declared.items()})
out = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
Path(folder, f"ready.{os.getpid()}").touch()
while not Path(folder, "go").exists():
    time.sleep(0.001)
for number in range(times):
    while not pools.take(f"t{number}", wanted):
        time.sleep(max(0, pools.retry_at(time.time()) - time.time()))
    os.write(out, f"{time.time()} {name} start\\n".encode())
    time.sleep(pause)
    os.write(out, f"{time.time()} {name} end\\n".encode())
    pools.give_back(f"t{number}")
"""


class Runs:
    """Processes that each take and give back slots of one state; `ledger` is what they did, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ledger = folder / "ledger"
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, declared, wanted, times=1, pause=0.0, name="r"):
        shape = {key: (pool.slots, pool.rate) for key, pool in declared.items()}
        words = json.dumps([str(self.folder), name, shape, wanted, times, str(self._ledger), pause])
        self.started.append(subprocess.Popen([sys.executable, "-c", RUN, words]))
        return self.started[-1]

    def ledger(self):
        try:
            return [(float(at), name, what) for at, name, what in map(str.split, self._ledger.read_text().splitlines())]
        except FileNotFoundError:
            return []

    def go(self):
        """Lets those that were started begin, once all of them can."""
        self.until(lambda: len(list(self.folder.glob("ready.*"))) == len(self.started))
        (self.folder / "go").touch()

    def until(self, predicate):
        last = time.monotonic() + 30
        while not predicate():
            assert time.monotonic() < last, "waited in vain"
            time.sleep(0.005)

    def finish(self):
        self.go()
        assert [process.wait(60) for process in self.started] == [0] * len(self.started)
        return self.ledger()


@pytest.fixture
def runs(tmp_path):
    runs = Runs(tmp_path)
    yield runs
    for process in runs.started:
        process.kill()
        process.wait()


def most_at_once(ledger):
    now = most = 0
    for _, _, what in ledger:
        now += 1 if what == "start" else -1
        most = max(most, now)
    return most


def test_slots_are_given_out_once(made):
    mine, other = made(TWO), made(TWO)
    assert mine.take("x", {"db": 1})
    assert other.take("y", {"db": 1})
    assert not mine.take("z", {"db": 1})
    other.give_back("y")
    assert mine.take("z", {"db": 1})


def test_eight_processes_never_hold_more_slots_than_there_are(runs):
    for _ in range(8):
        runs.start({"db": Pool(3)}, {"db": 1}, times=6, pause=0.005)
    ledger = runs.finish()
    assert len(ledger) == 8 * 6 * 2
    assert most_at_once(ledger) <= 3


def test_slot_of_a_killed_run_is_free_at_once(runs, made):
    holder = runs.start(ONE, {"db": 1}, pause=600)
    runs.go()
    runs.until(runs.ledger)
    mine = made(ONE)
    assert not mine.take("x", {"db": 1})
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert mine.take("x", {"db": 1})


def test_turn_of_a_killed_run_is_free_at_once(runs, made):
    mine = made(TWO)
    assert mine.take("x", {"db": 1})
    waiter = runs.start(TWO, {"db": 2})
    runs.go()
    runs.until(lambda: not (mine.take("y", {"db": 1}) and mine.give_back("y") is None))
    os.kill(waiter.pid, signal.SIGKILL)
    waiter.wait()
    assert mine.take("y", {"db": 1})


def test_slots_do_not_pass_to_what_is_started(made):
    mine, other = made(ONE), made(ONE)
    assert mine.take("x", {"db": 1})
    child = subprocess.Popen(["sleep", "600"], close_fds=False)
    try:
        mine.give_back("x")
        assert other.take("y", {"db": 1})
    finally:
        child.kill()
        child.wait()


def test_all_pools_of_a_task_are_taken_or_none(made):
    mine, other = made(BOTH), made(BOTH)
    assert mine.take("x", {"b": 1})
    assert not other.take("y", {"a": 1, "b": 1})
    assert other.short == "b"
    assert mine.take("z", {"a": 1})


def test_one_that_wants_all_slots_is_not_passed_by_those_that_want_one(made):
    small, large = made(TWO), made(TWO)
    assert small.take("x", {"db": 1})
    assert not large.take("y", {"db": 2})
    assert not small.take("z", {"db": 1})
    small.give_back("x")
    assert not small.take("z", {"db": 1})
    assert large.take("y", {"db": 2})


def test_run_that_wants_all_slots_gets_them_among_busy_runs(runs):
    for number in range(3):
        runs.start(TWO, {"db": 1}, times=40, pause=0.01, name=f"small{number}")
    runs.go()
    runs.until(lambda: len(runs.ledger()) >= 6)
    runs.start(TWO, {"db": 2}, times=3, name="large")
    names = [name for _, name, what in runs.finish() if what == "start"]
    assert "large" in names[:-40]


def test_runs_that_share_a_pool_take_turns(runs):
    for name in ("one", "two"):
        runs.start(ONE, {"db": 1}, times=20, pause=0.005, name=name)
    names = [name for _, name, what in runs.finish() if what == "start"]
    assert min(Counter(names[:30]).values()) >= 5


def test_runs_that_need_two_pools_do_not_wait_for_each_other_for_ever(runs):
    runs.start(BOTH, {"a": 1, "b": 1}, times=15, pause=0.002)
    runs.start(dict(reversed(BOTH.items())), {"b": 1, "a": 1}, times=15, pause=0.002)
    runs.start(BOTH, {"a": 1}, times=15, pause=0.002)
    runs.start(BOTH, {"b": 1}, times=15, pause=0.002)
    assert len(runs.finish()) == 4 * 15 * 2


def test_wait_for_one_pool_does_not_keep_others_from_another(made):
    holder, waiter, other = made(BOTH), made(BOTH), made(BOTH)
    assert holder.take("x", {"b": 1})
    assert not waiter.take("y", {"a": 1, "b": 1})
    assert other.take("z", {"a": 1})


def test_turn_that_is_not_used_when_it_comes_goes_to_others(made):
    holder, gone, other = made(ONE), made(ONE), made(ONE)
    assert holder.take("x", {"db": 1})
    assert not gone.take("y", {"db": 1})
    holder.give_back("x")
    assert not other.take("z", {"db": 1})
    later = time.time() + 60
    assert gone.retry_at(later) <= later  # called
    assert gone.retry_at(later) > later  # and did not come
    assert other.take("z", {"db": 1})


def test_who_was_refused_is_told_when_to_ask_again(made):
    now = 1000.0
    holder, mine = made(ONE), made(ONE, clock=lambda: now)
    assert mine.retry_at(now) is None
    assert holder.take("x", {"db": 1})
    assert not mine.take("y", {"db": 1})
    soon = mine.retry_at(now) - now
    now += 3600
    assert not mine.take("y", {"db": 1})
    assert 0 < soon < mine.retry_at(now) - now <= 0.5


def test_own_slot_that_is_given_back_is_asked_for_at_once(made):
    mine = made(ONE)
    assert mine.take("x", {"db": 1})
    assert not mine.take("y", {"db": 1})
    assert mine.retry_at(0.0) > 0.0
    now = time.time()
    mine.give_back("x")
    assert mine.retry_at(now) <= time.time()
    assert mine.take("y", {"db": 1})
    assert mine.retry_at(time.time()) is None


def test_what_wants_more_slots_than_there_are_gets_all(made):
    mine, other = made(TWO), made(TWO)
    assert mine.take("x", {"db": 5})
    assert not other.take("y", {"db": 1})


def test_each_run_keeps_to_its_own_number_of_the_shared_slots(made):
    four, two = made({"db": Pool(4)}), made(TWO)
    assert four.take("x", {"db": 2})
    assert not two.take("y", {"db": 1})
    two.close()
    assert four.take("z", {"db": 2})


def test_things_with_names_are_given_out_by_name(made):
    cards = {"gpu ": ["GPU-1", "MIG-2/3/0"]}
    mine, other = made({}, named=cards), made({}, named={"gpu ": cards["gpu "][::-1]})
    assert mine.take("x", {"gpu ": 1})
    assert mine.taken("x", "gpu ") == ["GPU-1"]
    assert other.take("y", {"gpu ": 1})
    assert other.taken("y", "gpu ") == ["MIG-2/3/0"]
    assert not mine.take("z", {"gpu ": 1})


def test_lock_files_stay_and_are_private(made, tmp_path):
    mine = made(ONE)
    assert mine.take("x", {"db": 1})
    mine.give_back("x")
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "pool-db.turn.lock": 0o600,
        "pool-db.0.lock": 0o600,
    }


def test_lock_file_that_is_a_link_is_refused(made, tmp_path):
    (tmp_path / "elsewhere").touch()
    (tmp_path / "pool-db.0.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match=r"pool-db\.0\.lock"):
        made(ONE).take("x", {"db": 1})


def test_rate_is_held_over_several_runs(runs):
    for _ in range(3):
        runs.start({"site": Pool(9, (4, 0.5))}, {"site": 1}, times=4)
    starts = sorted(at for at, _, what in runs.finish() if what == "start")
    assert len(starts) == 12
    assert starts[-1] - starts[0] > 0.9  # 4 at once, 4 after each of two windows


def test_refused_by_its_rate_a_run_is_told_when_the_next_start_is_allowed(made):
    mine = made({"site": Pool(5, (1, 60.0))}, clock=lambda: 0.0)
    assert mine.take("x", {"site": 1})
    assert not mine.take("y", {"site": 1})
    assert 59 < mine.retry_at(0.0) <= 60.1


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 5), st.integers(1, 10))
def test_no_window_holds_more_starts_than_its_rate(tmp_path_factory, steps, count, seconds):
    now, begun = 0.0, []
    path = tmp_path_factory.mktemp("rate") / "starts"
    times = StartTimes(str(path), count, seconds, lambda: now)
    for step in steps:
        now += step
        if times.wait() == 0:
            times.add()
            begun.append(now)
    assert all(later - first >= seconds for first, later in zip(begun, begun[count:], strict=False))
    assert not path.exists() or path.stat().st_size <= 8 * count


def test_pool_without_slots_has_a_rate_alone(made):
    mine = made({"site": Pool(0, (3, 60.0))})
    assert [mine.take(name, {"site": 1}) for name in "wxyz"] == [True, True, True, False]


def test_start_is_allowed_when_the_time_told_is_over(tmp_path):
    now = 100.0
    times = StartTimes(str(tmp_path / "starts"), 2, 10.0, lambda: now)
    times.add()
    now = 103.0
    times.add()
    assert times.wait() == 7.0
    now = 110.0
    assert times.wait() == 0.0


def test_clock_that_is_set_back_delays_no_start_for_longer_than_the_window(tmp_path):
    now = 1e6
    times = StartTimes(str(tmp_path / "starts"), 1, 10.0, lambda: now)
    times.add()
    now = 5.0
    assert times.wait() == 10.0
    now = 15.0
    assert times.wait() == 0.0


@given(st.binary(max_size=100))
def test_damaged_file_delays_no_start_for_longer_than_the_window(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("rate") / "starts"
    path.write_bytes(data)
    now = 1000.0
    times = StartTimes(str(path), 1, 10.0, lambda: now)
    assert 0.0 <= times.wait() <= 10.0
    now += 10.0
    assert times.wait() == 0.0
    times.add()
    assert times.wait() == 10.0


def test_half_a_number_at_the_end_is_no_start(tmp_path):
    path = tmp_path / "starts"
    path.write_bytes(array("d", [995.0]).tobytes() + b"\x01\x02\x03")
    times = StartTimes(str(path), 2, 10.0, lambda: 1000.0)
    assert times.wait() == 0.0
    times.add()
    assert times.wait() == 5.0
