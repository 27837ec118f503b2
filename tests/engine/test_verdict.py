"""Whether a failed attempt is tried again, and how long that waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipectl.engine.verdict import Verdict, delay, judge, may_retry
from pipectl.masking import Masker
from pipectl.model import Cause, Outcome, Retry, State, Task

AMOUNTS = st.floats(0, 1e9)


@given(AMOUNTS, st.floats(0, 1e300), AMOUNTS, st.floats(0, 1), st.integers(1, 10_000), st.floats(0, 1))
def test_no_delay_is_over_the_longest(
    first: float, backoff: float, longest: float, jitter: float, tries: int, chance: float
) -> None:
    retry = Retry(max=tries, delay=first, backoff=backoff, max_delay=longest, jitter=jitter)
    assert 0 <= delay(retry, tries, chance) <= longest


def test_delays_grow_by_the_backoff_and_spread_by_the_jitter() -> None:
    retry = Retry(max=9, delay=2.0, backoff=3.0, jitter=0.5)
    assert [delay(retry, tries, 0.5) for tries in (1, 2, 3)] == [2.0, 6.0, 18.0]
    assert (delay(retry, 1, 0.0), delay(retry, 1, 1.0)) == (1.0, 3.0)


@given(asked=st.floats(0, 1e9), chance=st.floats(0, 1), tries=st.integers(1, 50))
def test_what_the_other_side_asks_for_is_waited_up_to_the_longest_delay(
    asked: float, chance: float, tries: int
) -> None:
    retry = Retry(max=50, delay=1, max_delay=60)
    assert min(asked, 60) <= delay(retry, tries, chance, asked) <= 60


def test_kinds_of_a_failure_decide_whether_it_is_tried_again() -> None:
    verdict = Verdict(State.FAILED, kinds=(503, "5xx"))
    outcome = Outcome("a", 1, Cause.EXITED, exit_code=1)
    assert may_retry(Retry(max=1, on=("5xx",)), verdict, outcome, 1)
    assert may_retry(Retry(max=1, on=(503,)), verdict, outcome, 1)
    assert not may_retry(Retry(max=1, on=(429, "connection")), verdict, outcome, 1)


def test_attempt_that_was_killed_for_its_memory_says_so() -> None:
    error = "it used more memory than its limit of 64 MiB (resources.memory)"
    outcome = Outcome("a", 1, Cause.MEMORY, signal=9, error=error)
    verdict = judge(Task("a", "shell"), outcome, Masker(()), lambda text, value: True)
    assert (verdict.state, verdict.error) == (State.FAILED, error)
