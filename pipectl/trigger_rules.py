"""When upstreams allow a task to run: one table over counts of how they ended.

The meanings are Airflow's (`airflow.ti_deps.deps.trigger_rule_dep`), made independent of the order in which upstreams
end: a rule is decided early only where nothing that may still come can change it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from pipectl.model import TriggerRule


class Ruling(Enum):
    """What a rule says."""

    WAIT = auto()
    RUN = auto()
    SKIP = auto()
    UPSTREAM_FAILED = auto()


class Upstreams(NamedTuple):
    """How many upstreams a task has, and how many of them have ended in which way.

    `success` counts cached ones too, `failed` those that are upstream_failed or cancelled too; `allowed` are failures
    that do not fail the run.
    """

    total: int
    success: int = 0
    failed: int = 0
    allowed: int = 0
    skipped: int = 0

    @property
    def good(self) -> int:
        """A failure that is allowed counts as a success, but for `one_failed` and `all_failed`."""
        return self.success + self.allowed

    @property
    def bad(self) -> int:
        """What `one_failed` and `all_failed` take for failed."""
        return self.failed + self.allowed

    @property
    def ended(self) -> bool:
        """Whether none is open any more."""
        return self.success + self.failed + self.allowed + self.skipped == self.total


def decide(rule: TriggerRule, upstreams: Upstreams) -> Ruling:
    """The rule's verdict on upstreams of which some may still be open."""
    if not upstreams.total:
        return Ruling.RUN
    early, at_end = _RULES[rule]
    verdict = early(upstreams) if early else None
    if verdict is None:
        return at_end(upstreams) if upstreams.ended else Ruling.WAIT
    return verdict


_RUN, _SKIP, _FAILED = Ruling.RUN, Ruling.SKIP, Ruling.UPSTREAM_FAILED

_Early = Callable[[Upstreams], Ruling | None]
_AtEnd = Callable[[Upstreams], Ruling]

_RULES: dict[TriggerRule, tuple[_Early | None, _AtEnd]] = {
    TriggerRule.ALL_SUCCESS: (lambda u: _FAILED if u.failed else None, lambda u: _SKIP if u.skipped else _RUN),
    TriggerRule.ALL_DONE: (None, lambda u: _RUN),
    TriggerRule.ALWAYS: (None, lambda u: _RUN),
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: (None, lambda u: _SKIP if u.skipped else _RUN if u.good else _FAILED),
    TriggerRule.ALL_FAILED: (lambda u: _SKIP if u.success or u.skipped else None, lambda u: _RUN),
    TriggerRule.ALL_SKIPPED: (lambda u: _SKIP if u.good or u.failed else None, lambda u: _RUN),
    TriggerRule.ONE_SUCCESS: (lambda u: _RUN if u.good else None, lambda u: _FAILED if u.failed else _SKIP),
    TriggerRule.ONE_FAILED: (lambda u: _RUN if u.bad else None, lambda u: _SKIP),
    TriggerRule.ONE_DONE: (lambda u: _RUN if u.good or u.failed else None, lambda u: _SKIP),
    TriggerRule.NONE_FAILED: (lambda u: _FAILED if u.failed else None, lambda u: _RUN),
    TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS: (
        lambda u: _FAILED if u.failed else None,
        lambda u: _RUN if u.good else _SKIP,
    ),
    TriggerRule.NONE_SKIPPED: (lambda u: _SKIP if u.skipped else None, lambda u: _RUN),
}
