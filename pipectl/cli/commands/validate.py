"""`pipectl validate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from pipectl.errors import PipelineError, Problem, render_problem


class Format(StrEnum):
    """How problems are told."""

    TEXT = "text"
    JSON = "json"


def main(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Pipeline files; - for standard input.")],
    form: Annotated[Format, typer.Option("--format", help="text: for people; json: for programs.")] = Format.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
) -> int:
    """Check pipeline files, and show every error at once. Nothing is run, and no state is written."""
    told = []
    for file in files:
        problems, tasks = _check(file)
        if strict:
            problems = [replace(problem, warning=False) for problem in problems]
        told += problems
        if form is Format.TEXT:
            _print_text(file, problems, tasks)
    if form is Format.JSON:
        typer.echo(json.dumps(_as_json(told)))
    return 2 if any(not problem.warning for problem in told) else 0


def _check(file: str) -> tuple[list[Problem], int]:
    """The problems of a file, and how many tasks it has where it is valid."""
    from pipectl.cli.definition import read_pipeline
    from pipectl.task_tree import every_task

    try:
        pipeline, warnings = read_pipeline(file)
    except PipelineError as error:
        return list(error.problems), 0
    return warnings, sum(not task.is_group for _, task in every_task(pipeline.tasks))


def _print_text(file: str, problems: Sequence[Problem], tasks: int) -> None:
    for problem in problems:
        typer.echo(render_problem(problem) + "\n")
    if all(problem.warning for problem in problems):
        typer.echo(f"{file}: valid, {tasks} {'task' if tasks == 1 else 'tasks'}")


def _as_json(problems: Sequence[Problem]) -> dict[str, list[dict[str, object]]]:
    from pipectl.cli.facts import problem_facts

    def rows(*, warning: bool) -> list[dict[str, object]]:
        return [problem_facts(problem) for problem in problems if problem.warning is warning]

    return {"errors": rows(warning=False), "warnings": rows(warning=True)}
