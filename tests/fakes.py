"""The only fakes: of what executes attempts, and of time. Everything else in tests is real."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from pipectl.model import Cause, Job, Outcome


class FakeClock:
    """Time that goes only when it is asked for, or waited for."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        self.time += 0.001
        return self.time


Script = Callable[[Job], Outcome]
"""What comes of a job."""


def success(job: Job, output: object = None) -> Outcome:
    result = json.dumps({"ok": True, "output": output}).encode()
    return Outcome(job.instance, job.attempt, Cause.EXITED, exit_code=0, result=result, log=b"fine\n", log_size=5)


def failure(job: Job, exit_code: int = 1) -> Outcome:
    return Outcome(job.instance, job.attempt, Cause.EXITED, exit_code=exit_code, log=b"bad\n", log_size=4)


class FakeExecutor:
    """Ends every attempt as a script says, in the order of their starts, one a wait; nothing runs."""

    def __init__(self, script: Script = success, *, clock: FakeClock, capacity: int = 2) -> None:
        self.capacity = capacity
        self.started: list[tuple[str, int]] = []
        self.jobs: dict[str, Job] = {}
        self.cancelled: list[str] = []
        self.closed = False
        self._script = script
        self._clock = clock

    def start(self, job: Job) -> str | None:
        assert len(self.jobs) < self.capacity, "more attempts than slots"
        self.started.append((job.instance, job.attempt))
        self.jobs[job.instance] = job
        return None

    def attach(self, job: Job, handle: str) -> None:
        raise AssertionError("this executor gives no handles")

    def wait(self, timeout: float | None, wake: int | None = None) -> Sequence[Outcome]:
        if not self.jobs:
            self._clock.time += timeout or 0.0
            return []
        job = self.jobs.pop(next(iter(self.jobs)))
        if job.instance in self.cancelled:
            return [Outcome(job.instance, job.attempt, Cause.CANCELLED)]
        return [self._script(job)]

    def cancel(self, instance: str, *, at_once: bool = False) -> None:
        self.cancelled.append(instance)

    def close(self) -> None:
        self.jobs.clear()
        self.closed = True


class Elsewhere:
    """Where an executor's work outlives the runner: by handle, the job, and how often it was submitted."""

    def __init__(self) -> None:
        self.submitted: dict[str, Job] = {}


class RemoteExecutor(FakeExecutor):
    """An executor whose work lives elsewhere: found again by a handle, with whichever runner."""

    def __init__(self, elsewhere: Elsewhere, *, clock: FakeClock, capacity: int = 2) -> None:
        super().__init__(clock=clock, capacity=capacity)
        self._elsewhere = elsewhere

    def start(self, job: Job) -> str | None:
        self.started.append((job.instance, job.attempt))
        handle = f"{job.instance}#{job.attempt}"
        assert handle not in self._elsewhere.submitted, "submitted twice"
        self._elsewhere.submitted[handle] = job
        return handle

    def attach(self, job: Job, handle: str) -> None:
        assert handle in self._elsewhere.submitted, "attached to what was never submitted"
        self.jobs[job.instance] = job
