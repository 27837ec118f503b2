"""`pipectl reject`."""

from __future__ import annotations

from pipectl.cli.answer import Comment, QuestionRun, QuestionTask, leave_answer
from pipectl.cli.options import State


def main(run: QuestionRun, task: QuestionTask = None, comment: Comment = "", state: State = None) -> int:
    """Answer a question of a run with no: the task that asked fails, or is skipped where it says so.

    Returns when the answer is recorded; where nobody runs the run, it holds at the next `pipectl resume`.
    """
    return leave_answer("reject", run, task, given=[], comment=comment, state=state)
