"""The JSON shapes of reading commands. Times are ISO 8601 with an offset, durations seconds."""

from __future__ import annotations

import json
from typing import Any

from pipectl.durations import iso_moment
from pipectl.errors import Problem
from pipectl.events import ApprovalAnswered
from pipectl.run_view import InstanceView
from pipectl.store.rows import Run


def run_facts(run: Run) -> dict[str, Any]:
    """A run as `runs` and `show` give it."""
    return {
        "id": run.id,
        "pipeline": run.pipeline,
        "state": run.state,
        "logical_time": run.logical_time.isoformat(),
        "cause": run.cause,
        "params": run.params,
        "started": _moment(run.started),
        "ended": _moment(run.ended),
        "duration": None if run.ended is None else round(run.seconds, 3),
    }


def instance_facts(one: InstanceView, output: str | None) -> dict[str, Any]:
    """An instance as `show` gives it; `output` is JSON text."""
    return {
        "name": one.name,
        "task": one.task,
        "state": one.state,
        "attempts": one.attempts,
        "started": _moment(one.started),
        "ended": _moment(one.ended),
        "duration": rounded(one.duration),
        "exit_code": one.exit_code,
        "output": None if output is None else json.loads(output),
        "error": one.error,
        "allowed": one.allowed,
        "waits_for": one.waits_for,
        "answered": None if one.answered is None else answer_facts(one.answered),
    }


def answer_facts(answer: ApprovalAnswered) -> dict[str, Any]:
    """The answer to the question of an approval."""
    return {
        "answer": answer.answer,
        "by": answer.by,
        "at": iso_moment(answer.at),
        "comment": answer.comment,
        "params": answer.params,
    }


def problem_facts(problem: Problem) -> dict[str, Any]:
    """A problem as `validate` and `plan` give it."""
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "hint": problem.hint,
    }


def rounded(seconds: float | None) -> float | None:
    """Seconds to the millisecond."""
    return None if seconds is None else round(seconds, 3)


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else iso_moment(seconds)
