"""Tasks that ask for more devices than this machine has; looked at when a run starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipectl.machine import gpu_ids
from pipectl.model import Pipeline, Task
from pipectl.task_tree import every_task


def too_many_gpus(pipeline: Pipeline, environ: Mapping[str, str]) -> Iterator[tuple[Task, str, str]]:
    """Each task that could never start here, what is wrong, and a hint; `pipeline` is the outermost one.

    Looks at the machine only if a task asks for a device.
    """
    asking = [task for _, task in every_task(pipeline.tasks) if task.resources.gpu]
    if not asking:
        return
    count = len(gpu_ids(environ, pipeline.gpus))
    for task in asking:
        if task.resources.gpu > count:
            yield task, *_too_many(task.resources.gpu, count, limited="CUDA_VISIBLE_DEVICES" in environ)


def _too_many(asked: int, count: int, *, limited: bool) -> tuple[str, str]:
    found = f"there {'is' if count == 1 else 'are'} {count or 'none'}"
    if limited:
        return f"`gpu` asks for {asked}, and {found} in CUDA_VISIBLE_DEVICES", ""
    return f"`gpu` asks for {asked}, and {found} on this machine", f"write `gpus: {asked}` at the top if they are there"
