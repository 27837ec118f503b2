"""How the end of an attempt is recorded: as what, with or without another attempt, and whether it may fail."""

from __future__ import annotations

import random

from pipectl.engine.prepare import Preparer
from pipectl.engine.verdict import Verdict, delay, judge, may_retry, shown
from pipectl.events import AttemptFinished
from pipectl.graph import Node
from pipectl.masking import Masker
from pipectl.model import Outcome, State
from pipectl.plan import Plan
from pipectl.tasks.base import TaskFailed
from pipectl.template import TemplateError


class Ends:
    """The ends of one run's attempts; `rng` spreads the delays of retries."""

    def __init__(self, plan: Plan, preparer: Preparer, masker: Masker, rng: random.Random) -> None:
        self._plan = plan
        self._preparer = preparer
        self._masker = masker
        self._rng = rng

    def verdict(self, node: Node, outcome: Outcome) -> Verdict:
        """What the attempt came to, its expectations included."""
        return judge(node.task, outcome, self._masker, lambda text, value: self.expected(text, node, value))

    def event(self, node: Node, outcome: Outcome, verdict: Verdict, now: float) -> AttemptFinished:
        """The end of the attempt, and when the next may start."""
        allowed, error, retry_at = False, verdict.error, None
        if verdict.state is State.FAILED:
            retry_at = self._retry_at(node, outcome, verdict, now)
            if retry_at is None:
                allowed, error = self.allowed(node, error)
        return AttemptFinished(
            now,
            node.name,
            outcome.attempt,
            verdict.state,
            exit_code=outcome.exit_code,
            error=error,
            retry_at=retry_at,
            allowed=allowed,
        )

    def allowed(self, node: Node, error: str | None) -> tuple[bool, str | None]:
        """Whether the failure of a task does not fail the run, and its error, with why that could not be told."""
        try:
            return self._preparer.holds(node.task.allow_failure, node), error
        except TemplateError as fault:
            return False, shown(self._masker, "; ".join(filter(None, (error, f"`allow_failure`: {fault}"))))

    def expected(self, text: str | bool, node: Node, value: object) -> bool:
        """Whether an expectation of the instance is true of an output. Raises TaskFailed where that cannot be told."""
        try:
            return self._preparer.holds(text, node, {"output": value})
        except TemplateError as error:
            raise TaskFailed(f"`expect`: {shown(self._masker, error)}") from error

    def _retry_at(self, node: Node, outcome: Outcome, verdict: Verdict, now: float) -> float | None:
        retry = node.task.retries
        if self._plan.stopping or not may_retry(retry, verdict, outcome, node.tries):
            return None
        at = now + delay(retry, node.tries, self._rng.random(), verdict.retry_after)
        if retry.max_elapsed is not None and node.first_start is not None and at > node.first_start + retry.max_elapsed:
            return None
        return at
