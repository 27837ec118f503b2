"""How long a retry waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipectl.engine.verdict import delay
from pipectl.model import Retry

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
