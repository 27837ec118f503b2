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
from pipectl.cli.outlook import name_taken
from pipectl.cli.tables.screen import number
from pipectl.engine.foresight import Foresight
from pipectl.engine.outputs import Outputs
from pipectl.engine.prepare import Setting, run_names
from pipectl.errors import PipelineError, Problem, StateError
from pipectl.masking import MASK
from pipectl.model import Pipeline
from pipectl.plan import Plan
from pipectl.reports.text import listed
from pipectl.store.folder import of_pipeline
from pipectl.tasks import python
from pipectl.tasks.base import TaskFailed
from pipectl.template import Renderer

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
    yield Check("pipeline", "ok", f"{file} is valid, {number(len(pipeline.tasks), 'task')}")
    programs = list(_programs(pipeline))
    told = tuple(check.message for check in programs)
    for problem in (*warnings, *_name_taken(pipeline, state)):
        if problem.message not in told:
            yield _warning(problem)
    yield from programs


def _name_taken(pipeline: Pipeline, state: str | None) -> list[Problem]:
    try:
        return name_taken(of_pipeline(pipeline.folder, state), pipeline)
    except StateError:  # what is wrong with a state is told of the state
        return []


def _warning(problem: Problem) -> Check:
    return Check("pipeline", "warning", f"{problem.place}: {problem.message}", problem.hint)


def _programs(pipeline: Pipeline) -> Iterator[Check]:
    """What runs the tasks: each program once, with the tasks that it runs."""
    foresight = _foresight(pipeline)
    found: dict[tuple[str, str], list[str]] = {}
    for task in pipeline.tasks.values():
        try:
            program = foresight.program(task)
        except TaskFailed as failure:
            yield Check("program", "error", f"task `{task.name}`: {failure}")
            continue
        if program is not None:
            found.setdefault((task.type or "", program), []).append(task.name)
    for (kind, program), tasks in found.items():
        of_tasks = f", of {listed(tasks, 4)}"
        yield _python(program, of_tasks) if kind == "python" else Check("program", "ok", f"{program}{of_tasks}")


def _foresight(pipeline: Pipeline) -> Foresight:
    moment = datetime.now(UTC)
    setting = Setting(
        pipeline=pipeline,
        run=run_names("", moment, "manual", ""),
        params={},
        vars={},
        secrets=dict.fromkeys(pipeline.secrets, MASK),
        environ=os.environ,
        env_file={},
    )
    return Foresight(setting, Plan(pipeline.tasks), Outputs(lambda instance: None), Renderer(pipeline.folder))


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
