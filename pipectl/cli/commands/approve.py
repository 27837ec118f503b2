"""`pipectl approve`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipectl.cli.answer import Comment, QuestionRun, QuestionTask, leave_answer
from pipectl.cli.options import State


def main(
    run: QuestionRun,
    task: QuestionTask = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="A value that is asked for; may be given again."),
    ] = None,
    comment: Comment = "",
    state: State = None,
) -> int:
    """Answer a question of a run with yes: what waits for it goes on.

    Returns when the answer is recorded; where nobody runs the run, it holds at the next `pipectl resume`.
    """
    return leave_answer("approve", run, task, given=param or [], comment=comment, state=state)
