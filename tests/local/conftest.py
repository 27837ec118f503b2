"""Attempts as real processes, each test once with whole trees and once with what every POSIX system has."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipectl.executors.local import LocalExecutor
from pipectl.masking import Masker
from pipectl.model import Call, Command, Job

_numbers = itertools.count()


class Local:
    """A LocalExecutor with its surroundings. `token` is unique, and in the environment of each job as TOKEN."""

    def __init__(self, root: Path, *, portable: bool) -> None:
        self.root = root
        self.portable = portable
        self.run_id = f"run-{os.getpid()}-{next(_numbers)}"
        self.token = f"600.{os.getpid()}{next(_numbers):04}"
        self.listens = True
        self.told: dict[tuple[str, int], bytes] = defaultdict(bytes)
        self.scratch = root / "scratch"
        self.logs = root / "state" / "logs"
        self.scratch.mkdir()
        self.executor = self.open()

    def open(self, secrets=(), **options) -> LocalExecutor:
        if hasattr(self, "executor"):
            self.executor.close()
        self.executor = LocalExecutor(
            scratch=self.scratch,
            logs=self.logs,
            masker=Masker(secrets),
            on_output=self._tell,
            run_id=self.run_id,
            portable=self.portable,
            **options,
        )
        return self.executor

    def _tell(self, instance, attempt, chunk):
        if self.listens:
            self.told[instance, attempt] += chunk

    def job(self, work, name="t", attempt=1, env=None, cwd=None, **options) -> Job:
        marker = {"PIPECTL_RUN_ID": self.run_id, "PIPECTL_INSTANCE": name, "PIPECTL_ATTEMPT": str(attempt)}
        whole = {"PATH": os.environ["PATH"], "TOKEN": self.token, **(env or {}), **marker}
        return Job(name, attempt, work, whole, str(cwd or self.root), **options)

    def run(self, *jobs, width=64):
        """The outcomes by instance."""
        todo, running, done = list(jobs)[::-1], 0, {}
        while todo or running:
            while todo and running < width:
                self.executor.start(todo.pop())
                running += 1
            for outcome in self.executor.wait(30) or pytest.fail("nothing ended"):
                running -= 1
                done[outcome.instance] = outcome
        return done

    def sh(self, script, **options):
        return self.run(self.job(Command(("sh", "-c", script)), **options))["t"]

    def call(self, payload, preload=(), folder=None, interpreter=sys.executable):
        return Call(interpreter, str(folder or self.root), tuple(preload), {"task": "t", **payload})

    def python(self, code, preload=(), **options):
        return self.run(self.job(self.call({"code": code}, preload), **options))["t"]

    def begin(self, *jobs):
        for job in jobs:
            self.executor.start(job)

    def alive(self):
        """The processes that have the token among their arguments."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and self.token.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def gone(self, patience=0):
        """Nothing is alive any more; what is no child of ours may take a moment to die."""
        last = time.monotonic() + (5 if self.portable else patience)
        while self.alive():
            assert time.monotonic() < last, "something survived"
            time.sleep(0.01)

    def until(self, predicate, seconds=20):
        """Waits for something that only the processes themselves bring about."""
        last = time.monotonic() + seconds
        while not predicate():
            assert time.monotonic() < last, "waited in vain"
            assert not self.executor.wait(0.01)


@contextmanager
def opened(folder, *, portable):
    local = Local(folder, portable=portable)
    yield local
    local.executor.close()
    local.gone()
    assert not list(local.scratch.iterdir())


@pytest.fixture(params=["trees", "portable"])
def local(request, tmp_path):
    """Of both kinds."""
    with opened(tmp_path, portable=request.param == "portable") as local:
        yield local


@pytest.fixture
def trees(tmp_path):
    """Where whole trees are seen."""
    with opened(tmp_path, portable=False) as local:
        yield local
