"""A run in simulated time: the real plan and loop, over a clock, an executor and a journal that only pretend."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

from pipectl.admission import GPUS
from pipectl.engine.assumptions import Assumptions, Items
from pipectl.engine.critical_path import critical_path
from pipectl.engine.ends import Ends
from pipectl.engine.foresight import Foresight, is_first, known_constants
from pipectl.engine.means import Means
from pipectl.engine.opening import Opener
from pipectl.engine.outputs import Outputs
from pipectl.engine.pretence import NoJitter, PretendClock, PretendExecutor, PretendJournal, PretendPools, pretended
from pipectl.engine.runner import Runner
from pipectl.engine.scopes import Setting
from pipectl.engine.starts import Starts
from pipectl.engine.world import compute_vars
from pipectl.events import Event, RunStarted, TaskClosed, TaskOpened
from pipectl.graph import Fan, Group, Node
from pipectl.masking import Masker
from pipectl.model import State, Task
from pipectl.plan import Plan
from pipectl.run_view import RunView

if TYPE_CHECKING:
    from pipectl.engine.cache import Answer
    from pipectl.engine.caches import Caches
    from pipectl.engine.foreseen import ForeseenCaches
    from pipectl.store.pools import Pools


@dataclass(frozen=True, slots=True)
class Use:
    """How much of what may be used at once was: `busy` is the share of the whole time of all `slots`.

    They are those of the `pool`, where it is None those of the run.
    """

    pool: str | None
    slots: int
    busy: float


@dataclass(frozen=True)
class Simulation:
    """What would happen. Times are seconds from the start of the run; `foresight` knows the states at its end.

    `guessed` are the tasks that ran and whose duration is a guess, by their paths; `assumed` are the items of those
    tasks with `foreach` that had to be assumed, of several copies of a task those of the first. `looked` is what the
    cache said of instances.
    """

    tasks: Mapping[str, Task]
    events: Sequence[Event]
    view: RunView
    plan: Plan
    foresight: Foresight
    guessed: Mapping[str, Task]
    assumed: Mapping[str, Items]
    slots: int
    pools: Mapping[str, float]
    looked: Mapping[str, Answer]

    @property
    def unknown(self) -> list[str]:
        """The tasks that ran and whose duration is a guess."""
        return list(self.guessed)

    @property
    def makespan(self) -> float:
        """Seconds from the start to the end of the run."""
        return self.view.ended or 0.0

    @property
    def critical_path(self) -> list[str]:
        """The chain of instances that takes longest, each of which waited for the one before it."""
        return self._critical[0]

    @property
    def critical_seconds(self) -> float:
        """How long the critical path takes."""
        return self._critical[1]

    @cached_property
    def _critical(self) -> tuple[list[str], float]:
        return critical_path(self.plan.graph, self.events)

    def uses(self) -> Iterator[Use]:
        """The use of the slots of the run, and of the pools that have a number of slots."""
        limits: dict[str | None, float] = {None: self.slots, **dict(self.pools.items())}
        used = dict.fromkeys(limits, 0.0)
        for one in self.view.instances.values():
            if not one.spans:
                continue
            seconds = sum((span.ended or span.started) - span.started for span in one.spans)
            for name, amount in _amounts(self.plan.nodes[one.name].task):
                if name in used:
                    used[name] += seconds * min(amount, limits[name])
        for name, limit in limits.items():
            whole = limit * self.makespan
            yield Use(name, int(limit), used[name] / whole if whole else 0.0)


def _amounts(task: Task) -> Iterator[tuple[str | None, int]]:
    """How much of what an attempt uses."""
    if task.holds_slot:
        yield None, task.resources.cpu
    yield from task.pool.items()


def simulate(
    setting: Setting,
    assumptions: Assumptions,
    *,
    capacity: int,
    earlier: Mapping[str, str] | None = None,
    caches: Caches | None = None,
) -> Simulation:
    """Carries out a run in which nothing runs and nothing is written, from 0 to its end.

    The start stands for the run's logical time. Conditions over outputs, and so expectations, are taken as true;
    retries come without jitter. `earlier` are outputs of tasks that are not in the run; without `caches` nothing was
    done before.
    """
    pipeline = setting.pipeline
    clock, masker = PretendClock(), Masker([])
    plan = Plan(pipeline.tasks)
    journal = PretendJournal()
    outputs = Outputs(journal.outputs.get, earlier=earlier)
    foresight = Foresight(setting, plan, outputs)
    means = Means(pipeline, setting.world.environ)
    pools = {name: slots for name, slots in means.limits().items() if slots and name != GPUS}
    plan.admission.limit(slots=capacity, memory=means.memory(), pools=means.limits())
    opener = _Opener(foresight, masker, assumptions)
    executor = PretendExecutor(clock, assumptions, plan.nodes, setting.run["logical_time"].timestamp())
    events: list[Event] = []
    foreseen = _foreseen(caches, plan)
    rates = PretendPools({name: pool.rate for name, pool in means.declared.items() if pool.rate is not None})
    runner = Runner(
        held=pretended(pipeline.name),
        recorded=0,
        plan=plan,
        store=journal,
        executor=executor,
        preparer=foresight,
        outputs=outputs,
        masker=masker,
        clock=clock,
        starts=Starts(plan, foresight, outputs, cast("Pools", rates), cast("Caches | None", foreseen)),
        opener=opener,
        ends=Ends(plan, foresight, masker, NoJitter()),
        timeout=pipeline.timeout,
        fail_fast=pipeline.fail_fast,
        listeners=[events.append],
        look_every=math.inf,
    )
    runner.execute([RunStarted(0.0)])
    view = RunView(pipeline.tasks)
    for event in events:
        view.apply(event)
    return Simulation(
        tasks=pipeline.tasks,
        events=events,
        view=view,
        plan=plan,
        foresight=foresight,
        guessed=executor.guessed,
        assumed=opener.assumed,
        slots=capacity,
        pools=pools,
        looked={} if foreseen is None else foreseen.answers,
    )


def _foreseen(caches: Caches | None, plan: Plan) -> ForeseenCaches | None:
    if caches is None:
        return None
    from pipectl.engine.foreseen import ForeseenCaches  # what most pipelines have none of

    return ForeseenCaches(caches, plan)


class _Opener(Opener):
    """Opens what a run would open. What only the run can tell is assumed; `assumed` has the items, by task."""

    def __init__(self, foresight: Foresight, masker: Masker, assumptions: Assumptions) -> None:
        super().__init__(foresight, masker)
        self._foresight = foresight
        self._assumptions = assumptions
        self.assumed: dict[str, Items] = {}

    def open(self, node: Node, now: float) -> TaskOpened | TaskClosed:
        if node.name in self._assumptions.skipping:
            return TaskClosed(now, node.name, State.SKIPPED, "when")
        return super().open(node, now)

    def _opened_fan(self, fan: Fan, now: float) -> TaskOpened:
        said = self._assumptions.said_items(fan)
        if said is None and self._foresight.knows_items(fan):
            return super()._opened_fan(fan, now)
        found = said or self._assumptions.likely_items(fan)
        self._foresight.assumed.add(fan.name)
        self.assumed.setdefault(fan.path, found)
        return TaskOpened(now, fan.name, found.items, found.labels)

    def _opened_pipeline(self, group: Group, now: float) -> TaskOpened:
        """Parameters that are not known are left out, and so are constants that depend on them."""
        from pipectl.spec.params import resolve  # few pipelines have others in them

        pipeline, setting = group.task.pipeline, self._foresight.scope(group).setting
        assert pipeline is not None
        written = group.task.body.get("params", {})
        known = self._foresight.known(group)
        told = {name: value for name, value in written.items() if known.value(value)}
        declared = {name: one for name, one in pipeline.params.items() if name in told or name not in written}
        params = resolve(replace(pipeline, params=declared), {}, self._render(group, told))
        hidden = known_constants(pipeline, params.keys(), files=is_first(group)).hidden["vars"]
        constants = {name: value for name, value in pipeline.vars.items() if name not in hidden}
        world = setting.world.inner[group.task.name]
        values = compute_vars(replace(pipeline, vars=constants), params, setting.run, world)
        return TaskOpened(now, group.name, params=params, vars=values)
