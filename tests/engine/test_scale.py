"""The work of a run grows with the number of its tasks and no faster: counted, not timed."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from pipectl.model import Outcome, RunState, Task
from tests.engine.harness import Lab
from tests.fakes import FakeExecutor, success


def layered(size: int, width: int = 50) -> list[Task]:
    chance = random.Random(1)
    tasks = []
    for i in range(size):
        layer = i // width
        above = chance.sample(range(width), 3) if layer else []
        needs = tuple(f"t{(layer - 1) * width + number}" for number in above)
        tasks.append(Task(f"t{i}", "python", {"code": "output = 1"}, needs))
    return tasks


def calls_of_a_run(folder: Path, size: int) -> int:
    """How many functions are called, from the plan of a run to its end."""
    folder.mkdir()
    lab = Lab(folder, layered(size))
    count = 0

    def tally(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    def outcome(job: object) -> Outcome:
        return success(job)  # type: ignore[arg-type]

    sys.setprofile(tally)
    try:
        state = lab.go(FakeExecutor(outcome, clock=lab.clock, capacity=4), capacity=4)
    finally:
        sys.setprofile(None)
        lab.store.close()
    assert state is RunState.SUCCESS
    return count


def test_ten_times_the_tasks_take_ten_times_the_work(tmp_path: Path) -> None:
    small, large = calls_of_a_run(tmp_path / "small", 300), calls_of_a_run(tmp_path / "large", 3000)
    assert large < 10.5 * small
