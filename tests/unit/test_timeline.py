"""The bars of `show`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipectl.cli.tables.timeline import Timeline
from pipectl.events import AttemptFinished, AttemptStarted, Event, RunFinished, RunResumed, RunStarted, TaskOpened
from pipectl.model import RunState, State, Task
from pipectl.reports.marks import marks_for
from pipectl.run_view import RunView

TASKS = {name: Task(name, "shell") for name in "ab"}


def bars(*events: Event, now: float = 10.0, width: int = 10, needs: str = "") -> list[str]:
    """The bars of the tasks a and b, of which b needs what is named."""
    view = RunView(TASKS)
    for event in (RunStarted(0.0), *events):
        view.apply(event)
    line = Timeline(view, width, marks_for("utf-8"), now)
    return [line.bar(view.instances["a"], "").plain, line.bar(view.instances["b"], needs).plain]


def attempt(
    name: str, start: float, end: float, state: State | None = State.SUCCESS, retry: float | None = None
) -> list[Event]:
    return [AttemptStarted(start, name, 1), AttemptFinished(end, name, 1, state, retry_at=retry)]


def test_bar_lies_where_the_attempt_ran_and_waiting_before_it_is_light() -> None:
    events = [*attempt("a", 0, 4), *attempt("b", 6, 10), RunFinished(10, RunState.SUCCESS)]
    assert bars(*events, needs="a") == ["━━━━      ", "    ╌╌━━━━"]


def test_each_failed_attempt_ends_in_a_mark() -> None:
    events = [*attempt("a", 0, 3, State.FAILED, retry=5.0), *attempt("a", 5, 8, State.FAILED)]
    assert bars(*events)[0] == "━━✗╌╌━━✗  "


def test_short_attempt_is_still_seen() -> None:
    assert bars(*attempt("a", 2, 2.001), *attempt("b", 10, 10, State.FAILED)) == ["╌╌━       ", "╌╌╌╌╌╌╌╌╌✗"]


def test_what_goes_on_reaches_to_the_present() -> None:
    assert bars(AttemptStarted(5, "a", 1), TaskOpened(0, "b"), now=10) == ["╌╌╌╌╌━━━━━", "╌╌╌╌╌╌╌╌╌╌"]


def test_what_never_may_run_has_no_bar() -> None:
    assert bars(AttemptStarted(0, "a", 1), needs="a")[1] == " " * 10


def test_time_in_which_nobody_worked_at_the_run_takes_no_room() -> None:
    events = [
        *attempt("a", 0, 5, State.FAILED),
        RunFinished(5, RunState.FAILED),
        RunResumed(1000, ("a",)),
        *attempt("a", 1000, 1005),
        RunFinished(1005, RunState.SUCCESS),
    ]
    assert bars(*events, now=1005)[0] == "━━━━✗━━━━━"


def scale(seconds: float, width: int) -> str:
    view = RunView(TASKS)
    view.apply(RunStarted(0.0))
    return Timeline(view, width, marks_for("utf-8"), seconds).scale()


def test_scale_has_round_times_apart_from_each_other() -> None:
    assert scale(10.0, 50) == "0s        2s        4s        6s        8s"
    assert scale(7200.0, 40) == "0s        30m       1h        1h 30m"
    assert scale(0.0, 20).startswith("0s")


@given(st.floats(0, 1e8), st.integers(1, 200))
def test_scale_is_never_wider_than_the_bars(seconds: float, width: int) -> None:
    assert len(scale(seconds, width)) <= max(2, width)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100), st.sampled_from([State.FAILED, State.SUCCESS, None]))),
    st.integers(1, 120),
    st.floats(0, 200),
)
def test_bar_of_any_attempts_has_its_width(
    spans: list[tuple[float, float, State | None]], width: int, now: float
) -> None:
    events = [event for start, end, state in spans for event in attempt("a", start, end, state)]
    assert [len(bar) for bar in bars(*events, now=now, width=width)] == [width, width]


def test_what_ran_when_the_run_was_cut_off_reaches_beyond_the_scale() -> None:
    view = RunView(TASKS)
    for event in (RunStarted(0.0), *attempt("a", 0, 2), AttemptStarted(3, "b", 1)):
        view.apply(event)
    line = Timeline(view, 14, marks_for("utf-8"), 10.0, cut_off=True)
    assert line.bar(view.instances["a"], "").plain == "━━            "
    assert line.bar(view.instances["b"], "a").plain == "  ╌━━━━━━━━━━?"
    assert len(line.scale()) <= 10
