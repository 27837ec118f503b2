"""What tasks need beyond slots of the run: memory, pools, devices; and whether any is cached or waits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipectl.admission import GPUS
from pipectl.engine.clock import Clock
from pipectl.model import Pipeline, Pool
from pipectl.task_tree import every_task, own_tasks

if TYPE_CHECKING:
    from pipectl.store.pools import Pools  # what most pipelines have none of


class Means:
    """What one run may use of the machine and of its state."""

    def __init__(self, pipeline: Pipeline, environ: Mapping[str, str]) -> None:
        tasks = [task for _, task in every_task(pipeline.tasks)]
        self.cached = any(task.cache is not None for task in tasks)
        self.waits = any(not task.holds_slot for task in tasks)
        self._measured = any(task.resources.memory is not None for task in tasks)
        self._pooled = any(task.pool for task in tasks)
        self._gpus = any(task.resources.gpu for task in tasks)
        self._pipeline = pipeline
        self.declared = _declared(pipeline)
        self._environ = environ

    def memory(self) -> float:
        """The bytes that tasks which say what they use may use together."""
        if not self._measured:
            return math.inf
        from pipectl.machine import machine_memory

        return machine_memory()

    def limits(self) -> dict[str, float]:
        """How many slots this run may have of each pool, as far as it is concerned."""
        limits: dict[str, float] = {name: pool.slots for name, pool in self.declared.items()}
        return {**limits, GPUS: len(self._devices)} if self._gpus else limits

    def pools(self, folder: Path, clock: Clock) -> Pools | None:
        """The pools that it shares with other runs of the state in the folder, None where no task needs any."""
        if not self._pooled and not self._gpus:
            return None
        from pipectl.store.pools import Pools

        named = {GPUS: self._devices} if self._gpus else {}
        return Pools(folder / "locks", self.declared, named, clock.now)

    @cached_property
    def _devices(self) -> list[str]:
        from pipectl.machine import gpu_ids

        return list(gpu_ids(self._environ, self._pipeline.gpus))


def _declared(pipeline: Pipeline) -> dict[str, Pool]:
    """The pools of the pipeline and of those in it; what it says itself wins."""
    pools: dict[str, Pool] = {}
    for task in own_tasks(pipeline.tasks):
        if task.pipeline is not None:
            pools |= _declared(task.pipeline)
    return {**pools, **pipeline.pools}
