"""Runs pipelines in the loop with a real state, and a fake executor and clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from pipectl.engine.outputs import Outputs
from pipectl.engine.prepare import Preparer
from pipectl.engine.resume import take_up
from pipectl.engine.runner import Runner
from pipectl.engine.scopes import Setting, run_names
from pipectl.engine.world import World
from pipectl.events import Event
from pipectl.executors.base import Executor
from pipectl.masking import Masker
from pipectl.model import Pipeline, RunState, State, Task
from pipectl.plan import Plan
from pipectl.run_view import RunView
from pipectl.store.cache import CacheRow
from pipectl.store.definitions import Definition
from pipectl.store.rows import Log, NewRun, Run
from pipectl.store.store import Store, new_run_id
from pipectl.task_tree import own_tasks
from tests.fakes import FakeClock

MOMENT = datetime(2026, 1, 31, 6, tzinfo=UTC)


class Killed(BaseException):
    """The runner was killed."""


class FragileStore:
    """A real store whose process is killed when it has recorded so many events; None: it lives."""

    def __init__(self, store: Store, lives: int | None) -> None:
        self._store = store
        self.left = lives

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def record(
        self,
        run: Run,
        after: int,
        events: list[Event],
        outputs: Iterable[tuple[str, str]] = (),
        logs: Iterable[Log] = (),
        cache: Iterable[CacheRow] = (),
    ) -> int:
        if self.left is None or len(events) < self.left:
            if self.left is not None:
                self.left -= len(events)
            return self._store.record(run, after, events, outputs, logs, cache)
        kept = events[: self.left]
        names = {getattr(event, "instance", None) for event in kept}
        self._store.record(
            *(run, after, kept, [o for o in outputs if o[0] in names], [g for g in logs if g.instance in names]),
            [row for row in cache if row.instance in names],
        )
        raise Killed


class Lab:
    """One pipeline in one state folder."""

    def __init__(self, folder: Path, tasks: Iterable[Task], **more: object) -> None:
        self.store = Store.open(folder / ".pipectl")
        self.store.set_durability("normal")
        self.pipeline = Pipeline(
            name="lab",
            file=str(folder / "lab.yaml"),
            folder=str(folder),
            tasks={task.name: task for task in tasks},
            **more,  # type: ignore[arg-type]
        )
        self.clock = FakeClock()
        new = NewRun(
            id=new_run_id(),
            pipeline="lab",
            file=self.pipeline.file,
            definition=Definition({}, [("lab.yaml", "0")], "0"),
            params={},
            vars={},
            options={},
            cause="manual",
            logical_time=MOMENT,
        )
        self.held = self.store.create(new, self.clock.now())
        self.run = self.held.run
        self.heard: list[Event] = []

    def go(
        self,
        executor: Executor,
        *,
        lives: int | None = None,
        capacity: int = 2,
        before: Callable[[Runner], None] | None = None,
        fail_fast: bool = False,
        again: Iterable[str] = (),
    ) -> RunState:
        """Takes the run up and carries it out; raises Killed once so many events are recorded."""
        events = self.store.events(self.run)
        plan = Plan(self.pipeline.tasks)
        for event in events:
            plan.apply(event)
        first = take_up(plan, self.clock.now(), again) if len(events) > 1 else []
        plan.admission.limit(slots=capacity)
        outputs = Outputs(
            lambda instance: self.store.output(self.run, instance),
            lambda group: self.store.outputs_within(self.run, group),
        )
        names = run_names(self.run.id, MOMENT, "manual", "/nowhere")
        setting = Setting(self.pipeline, names, {}, {}, _world(self.pipeline))
        runner = Runner(
            held=self.held,
            recorded=len(events),
            plan=plan,
            store=FragileStore(self.store, lives),  # type: ignore[arg-type]
            executor=executor,
            preparer=Preparer(setting, plan, outputs),
            outputs=outputs,
            masker=Masker([]),
            clock=self.clock,  # type: ignore[arg-type]
            timeout=self.pipeline.timeout,
            fail_fast=fail_fast,
            listeners=[self.heard.append],
            rng=random.Random(1),
        )
        if before:
            before(runner)
        return runner.execute(first)

    def view(self) -> RunView:
        """What was recorded."""
        view = RunView(self.pipeline.tasks)
        for event in self.store.events(self.run):
            view.apply(event)
        return view

    def states(self) -> dict[str, State]:
        """Every instance's recorded state."""
        return {name: one.state for name, one in self.view().instances.items()}


def _world(pipeline: Pipeline) -> World:
    inner = {task.name: _world(task.pipeline) for task in own_tasks(pipeline.tasks) if task.pipeline}
    return World({"PATH": "/usr/bin:/bin"}, {}, {}, inner)
