"""What `doctor` looks at for one pipeline: its faults and warnings, and the programs that run its tasks."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipectl.cli.definition import read_pipeline
from pipectl.cli.doctor.check import Check
from pipectl.cli.outlook import name_taken, open_state
from pipectl.cli.tables.screen import number
from pipectl.engine.foresight import Foresight
from pipectl.engine.outputs import Outputs
from pipectl.engine.scopes import Setting, run_names
from pipectl.engine.world import World
from pipectl.errors import PipelineError, Problem, StateError
from pipectl.graph import Container, Fan, Graph, Node
from pipectl.masking import MASK
from pipectl.model import Pipeline
from pipectl.plan import Plan
from pipectl.reports.text import listed
from pipectl.store.folder import of_pipeline
from pipectl.task_tree import every_task, own_tasks
from pipectl.tasks import python
from pipectl.tasks.base import TaskFailed

_OLDEST = (3, 9)


def checks(file: Path | None, state: str | None) -> Iterator[Check]:
    """The pipeline's checks, or, where none is named, which Python its tasks would get here.

    `state` is the folder of its state where it is not beside the file. Raises PipelineError where there is no such
    file.
    """
    if file is None:
        yield _python(python.interpreter({}, str(Path.cwd()), os.environ), "")
        return
    try:
        pipeline, warnings = read_pipeline(str(file))
    except PipelineError as error:
        if not file.exists():
            raise
        hint = f"`pipectl validate {shlex.quote(str(file))}` shows them"
        yield Check("pipeline", "error", f"{file} has {number(len(error.problems), 'error')}", hint)
        return
    yield Check("pipeline", "ok", f"{file} is valid, {number(_size(pipeline), 'task')}")
    programs = list(_programs(pipeline))
    told = tuple(check.message for check in programs)
    for problem in (*warnings, *_name_taken(pipeline, state)):
        if problem.message not in told:
            yield _warning(problem)
    yield from programs


def _size(pipeline: Pipeline) -> int:
    return sum(not task.is_group for _, task in every_task(pipeline.tasks))


def _name_taken(pipeline: Pipeline, state: str | None) -> list[Problem]:
    try:
        return name_taken(open_state(of_pipeline(pipeline.folder, state)), pipeline)
    except StateError:  # what is wrong with a state is told of the state
        return []


def _warning(problem: Problem) -> Check:
    return Check("pipeline", "warning", f"{problem.place}: {problem.message}", problem.hint)


def _programs(pipeline: Pipeline) -> Iterator[Check]:
    """What runs the tasks: each program once, with the tasks that it runs."""
    plan = Plan(pipeline.tasks)
    foresight = _foresight(pipeline, plan)
    found: dict[tuple[str, str], list[str]] = {}
    for node in _nodes(plan.graph, foresight):
        try:
            program = foresight.program(node)
        except TaskFailed as failure:
            yield Check("program", "error", f"task `{node.path}`: {failure}")
            continue
        if program is not None:
            found.setdefault((node.task.type or "", program), []).append(node.path)
    for (kind, program), tasks in found.items():
        of_tasks = f", of {listed(tasks, 4)}"
        yield _python(program, of_tasks) if kind == "python" else Check("program", "ok", f"{program}{of_tasks}")


def _foresight(pipeline: Pipeline, plan: Plan) -> Foresight:
    setting = Setting(pipeline, run_names("", datetime.now(UTC), "manual", ""), {}, {}, _world(pipeline))
    return Foresight(setting, plan, Outputs(lambda instance: None))


def _world(pipeline: Pipeline) -> World:
    inner = {task.name: _world(task.pipeline) for task in own_tasks(pipeline.tasks) if task.pipeline is not None}
    return World(os.environ, {}, dict.fromkeys(pipeline.secrets, MASK), inner)


def _nodes(graph: Graph, foresight: Foresight) -> list[Node]:
    """A node for each task, in the order of the file; of what is repeated, one that stands for all."""
    ahead = list(graph.nodes.values())
    for node in ahead:
        if isinstance(node, Fan):
            known = set(graph.nodes)
            graph.expand(node, [None])
            foresight.assumed.add(node.name)
            ahead += [made for name, made in graph.nodes.items() if name not in known]
    by_path = {node.path: node for node in ahead if not isinstance(node, Container)}
    return [by_path[path] for path, task in every_task(graph.root.task.tasks) if path in by_path]


def _python(program: str, of_tasks: str) -> Check:
    """Whether the interpreter starts, and is new enough for pipectl's worker."""
    try:
        said = subprocess.run(
            [program, "-c", "import sys; print(*sys.version_info[:3])"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=20,
            check=True,
        ).stdout
        version = tuple(map(int, said.split()))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Check("python", "error", f"`{program}`{of_tasks} does not start: {error}")
    shown = f"Python {'.'.join(map(str, version))} at {program}{of_tasks}"
    if version < _OLDEST:
        return Check("python", "error", f"{shown}: it is too old", "name another by `interpreter:`; 3.9 is enough")
    return Check("python", "ok", shown)
