"""The table of trigger rules, against Airflow's, and that it does not depend on the order in which upstreams end."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.model import TriggerRule
from pipectl.trigger_rules import Ruling, Upstreams, decide

RUN, SKIP, FAILED = Ruling.RUN, Ruling.SKIP, Ruling.UPSTREAM_FAILED

# (success, failed, skipped) of two upstreams, all ended -> what Airflow does.
AIRFLOW = {
    TriggerRule.ALL_SUCCESS: {"SS": RUN, "SF": FAILED, "SK": SKIP, "FF": FAILED, "FK": FAILED, "KK": SKIP},
    TriggerRule.ALL_DONE: {"SS": RUN, "SF": RUN, "SK": RUN, "FF": RUN, "FK": RUN, "KK": RUN},
    TriggerRule.ALL_FAILED: {"SS": SKIP, "SF": SKIP, "SK": SKIP, "FF": RUN, "FK": SKIP, "KK": SKIP},
    TriggerRule.ALL_SKIPPED: {"SS": SKIP, "SF": SKIP, "SK": SKIP, "FF": SKIP, "FK": SKIP, "KK": RUN},
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: {"SS": RUN, "SF": RUN, "SK": SKIP, "FF": FAILED, "FK": SKIP, "KK": SKIP},
    TriggerRule.ONE_SUCCESS: {"SS": RUN, "SF": RUN, "SK": RUN, "FF": FAILED, "FK": FAILED, "KK": SKIP},
    TriggerRule.ONE_FAILED: {"SS": SKIP, "SF": RUN, "SK": SKIP, "FF": RUN, "FK": RUN, "KK": SKIP},
    TriggerRule.ONE_DONE: {"SS": RUN, "SF": RUN, "SK": RUN, "FF": RUN, "FK": RUN, "KK": SKIP},
    TriggerRule.NONE_FAILED: {"SS": RUN, "SF": FAILED, "SK": RUN, "FF": FAILED, "FK": FAILED, "KK": RUN},
    TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS: {
        "SS": RUN,
        "SF": FAILED,
        "SK": RUN,
        "FF": FAILED,
        "FK": FAILED,
        "KK": SKIP,
    },
    TriggerRule.NONE_SKIPPED: {"SS": RUN, "SF": RUN, "SK": SKIP, "FF": RUN, "FK": SKIP, "KK": SKIP},
    TriggerRule.ALWAYS: {"SS": RUN, "SF": RUN, "SK": RUN, "FF": RUN, "FK": RUN, "KK": RUN},
}

CASES = [(rule, ended, want) for rule, row in AIRFLOW.items() for ended, want in row.items()]


def upstreams(total: int, ended: str) -> Upstreams:
    return Upstreams(total, ended.count("S"), ended.count("F"), ended.count("A"), ended.count("K"))


@pytest.mark.parametrize(("rule", "ended", "want"), CASES)
def test_every_rule_agrees_with_airflow(rule: TriggerRule, ended: str, want: Ruling) -> None:
    assert decide(rule, upstreams(2, ended)) is want


@pytest.mark.parametrize("rule", TriggerRule)
def test_a_task_without_upstreams_runs(rule: TriggerRule) -> None:
    assert decide(rule, Upstreams(0)) is RUN


LOOK_FOR_FAILURES = (TriggerRule.ONE_FAILED, TriggerRule.ALL_FAILED)


@pytest.mark.parametrize("rule", [rule for rule in TriggerRule if rule not in LOOK_FOR_FAILURES])
def test_an_allowed_failure_counts_as_a_success(rule: TriggerRule) -> None:
    for other in "SFK":
        assert decide(rule, upstreams(2, "A" + other)) is decide(rule, upstreams(2, "S" + other))


@pytest.mark.parametrize("rule", LOOK_FOR_FAILURES)
def test_an_allowed_failure_counts_as_failed_for_the_rules_that_look_for_failures(rule: TriggerRule) -> None:
    for other in "SFK":
        assert decide(rule, upstreams(2, "A" + other)) is decide(rule, upstreams(2, "F" + other))


@given(st.sampled_from(TriggerRule), st.text("SFAK", min_size=1, max_size=5))
def test_the_verdict_does_not_depend_on_the_order_of_ends(rule: TriggerRule, ended: str) -> None:
    def first_verdict(order: tuple[str, ...]) -> Ruling:
        steps = (decide(rule, upstreams(len(order), "".join(order[:n]))) for n in range(len(order) + 1))
        return next(verdict for verdict in steps if verdict is not Ruling.WAIT)

    assert len({first_verdict(order) for order in permutations(ended)}) == 1
