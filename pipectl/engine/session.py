"""A runner's hold of one run: everything that the loop needs, put together and let go."""

from __future__ import annotations

import gc
import os
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipectl.engine.clock import Clock, booted
from pipectl.engine.ends import Ends
from pipectl.engine.ledger import Listener
from pipectl.engine.means import Means
from pipectl.engine.outputs import Outputs
from pipectl.engine.prepare import Preparer
from pipectl.engine.resume import take_up
from pipectl.engine.runner import Runner
from pipectl.engine.scopes import Setting, run_names
from pipectl.engine.starts import Starts
from pipectl.engine.world import World, connections_of
from pipectl.events import Event, RunUpdated
from pipectl.executors.guard import Guard
from pipectl.executors.local import LocalExecutor
from pipectl.executors.survivors import end_survivors
from pipectl.masking import Masker
from pipectl.model import Durability, Pipeline, RunState
from pipectl.plan import Plan
from pipectl.store.rows import Held
from pipectl.store.store import Store

if TYPE_CHECKING:
    from pipectl.engine.caches import Caches  # what most pipelines have none of
    from pipectl.engine.waits import WaitingRoom
    from pipectl.store.instance_locks import InstanceLocks


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it: the run's state, and the number of the signal that stopped it, if one did."""

    state: RunState
    signal: int | None


class Session:
    """One run, taken up by this process, which holds its lock."""

    def __init__(self, store: Store, held: Held, pipeline: Pipeline, world: World, *, durability: Durability) -> None:
        self._store = store
        self._held = held
        self._run = held.run
        self._pipeline = pipeline
        self._world = world
        self._durability = durability
        self._clock = Clock()
        self._events = store.events(held.run)
        self._plan = Plan(pipeline.tasks)
        for event in self._events:
            self._plan.apply(event)

    @property
    def events(self) -> list[Event]:
        """What was recorded before this session."""
        return self._events

    def carry_out(
        self,
        *,
        again: Iterable[str] = (),
        updated: RunUpdated | None = None,
        guard: Guard | None,
        listeners: Iterable[Listener],
        on_output: Callable[[str, int, bytes], None],
        on_turn: Callable[[], None],
        may_leave: bool = False,
    ) -> Result:
        """Runs what is left of the run, and the tasks in `again` with all below them; returns what came of it.

        With `updated` it goes over to another definition or other parameters, which this session has already. With
        `may_leave` it is left where it only waits for approvals.
        """
        if guard is not None:
            guard.arm()
        if self._plan.running:
            end_survivors(self._run.id)
        masker = Masker(self._world.all_secrets())
        scratch = self._store.make_folder("tmp", self._run.id)
        outputs = Outputs(
            lambda instance: self._store.output(self._run, instance),
            lambda group: self._store.outputs_within(self._run, group),
            self._store.earlier(self._run) if "selection" in self._run.options else None,
        )
        means = Means(self._pipeline, self._world.environ)
        caches = self._caches(means, masker)
        first: list[Event] = [] if updated is None else [updated]
        if len(self._events) > 1 or again:
            lost = caches.lost(self._run) if caches and booted() > self._run.taken else []
            first += take_up(self._plan, self._clock.now(), again, lost)
        preparer = Preparer(self._setting(), self._plan, outputs)
        self._plan.admission.limit(slots=self._slots(), memory=means.memory(), pools=means.limits())
        ends = Ends(self._plan, preparer, masker, random.Random())
        pools = means.pools(self._store.folder, self._clock)
        runner = Runner(
            held=self._held,
            recorded=len(self._events),
            plan=self._plan,
            store=self._store,
            executor=self._executor(scratch, masker, guard, on_output),
            preparer=preparer,
            outputs=outputs,
            masker=masker,
            clock=self._clock,
            starts=Starts(self._plan, preparer, outputs, pools, caches, self._instance_locks(means)),
            ends=ends,
            room=self._room(means, masker, ends),
            may_leave=may_leave,
            timeout=self._pipeline.timeout,
            fail_fast=self._run.options.get("fail_fast", self._pipeline.fail_fast),
            signals=guard,
            listeners=listeners,
            on_turn=on_turn,
        )
        gc.freeze()  # what is there now stays to the end: the collector need not walk it again and again
        try:
            return Result(runner.execute(first), runner.signal)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _executor(
        self, scratch: Path, masker: Masker, guard: Guard | None, on_output: Callable[[str, int, bytes], None]
    ) -> LocalExecutor:
        return LocalExecutor(
            run_id=self._run.id,
            scratch=scratch,
            logs=self._store.folder_of("logs", self._run.id),
            masker=masker,
            on_output=on_output,
            sync=self._durability == "full",
            guard=guard,
        )

    def _slots(self) -> int:
        return self._run.options.get("max_parallel") or self._pipeline.max_parallel or usable_cores()

    def _caches(self, means: Means, masker: Masker) -> Caches | None:
        if not means.cached:
            return None
        from pipectl.engine.caches import Caches

        force = bool(self._run.options.get("force"))
        return Caches(self._store, self._pipeline.name, masker=masker, durable=self._durability == "full", force=force)

    def _instance_locks(self, means: Means) -> InstanceLocks | None:
        if not means.cached:
            return None
        from pipectl.store.instance_locks import InstanceLocks

        return InstanceLocks(self._store.folder / "locks", self._pipeline.name)

    def _room(self, means: Means, masker: Masker, ends: Ends) -> WaitingRoom | None:
        if not means.waits:
            return None
        from pipectl.engine.waits import WaitingRoom

        return WaitingRoom(run=self._run, store=self._store, clock=self._clock, masker=masker, holds=ends.expected)

    def _setting(self) -> Setting:
        run, world = self._run, self._world
        folder = self._store.make_folder("runs", run.id)
        names = run_names(run.id, run.logical_time, run.cause, str(folder))
        return Setting(
            pipeline=self._pipeline,
            run=names,
            params=run.params,
            vars=run.vars,
            world=world,
            connections=connections_of(self._pipeline, run.params, run.vars, names, world),
            state_file=str(self._store.folder / "state.db"),
        )


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
