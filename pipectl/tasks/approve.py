"""Approvals: a question to a person, whose answer is the output."""

from __future__ import annotations

from typing import Any

from pipectl.model import Call, Outcome, Task
from pipectl.tasks.base import Context, result
from pipectl.tasks.wait import facts
from pipectl.template import TemplateError, to_text


def prepare(task: Task, context: Context) -> Call:
    """The question, as facts: no process is started for it. Raises a TemplateError."""
    try:
        return facts(question=to_text(context.render(task.body["question"])))
    except TemplateError as error:
        raise error.within("`approve.question`") from error


def output(task: Task, outcome: Outcome) -> Any:
    """The values of the question's `params`."""
    return result(outcome)["output"]
