"""A run as people see it: its counts, attempts and sessions, from events alone."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipectl.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    RunFinished,
    RunResumed,
    RunStarted,
    TaskClosed,
    TaskOpened,
)
from pipectl.model import ENDED, Foreach, RunState, State, Task
from pipectl.run_view import RunView, Span


def viewed(*events: Event, tasks: str = "ab") -> RunView:
    view = RunView({name: Task(name, "shell") for name in tasks})
    for event in events:
        view.apply(event)
    return view


def test_attempts_are_kept_with_what_they_came_to() -> None:
    view = viewed(
        RunStarted(0.0),
        AttemptStarted(1.0, "a", 1),
        AttemptFinished(2.0, "a", 1, State.FAILED, retry_at=5.0),
        AttemptStarted(5.0, "a", 2),
    )
    assert view.instances["a"].spans == [Span(1.0, 2.0, State.FAILED), Span(5.0)]


def test_lost_attempt_ends_where_its_session_was_last_heard_of() -> None:
    view = viewed(
        RunStarted(0.0),
        AttemptStarted(1.0, "a", 1),
        AttemptStarted(2.0, "b", 1),
        RunResumed(100.0),
        AttemptFinished(100.0, "a", 1, None, error="lost with its runner"),
    )
    assert view.sessions == [Span(0.0, 2.0), Span(100.0)]
    assert view.instances["a"].spans == [Span(1.0, 2.0)]


def test_what_is_opened_again_keeps_its_attempts() -> None:
    view = viewed(
        RunStarted(0.0),
        AttemptStarted(1.0, "a", 1),
        AttemptFinished(2.0, "a", 1, State.FAILED),
        RunFinished(3.0, RunState.FAILED),
        RunResumed(50.0, ("a", "b")),
        AttemptStarted(51.0, "a", 2),
    )
    assert view.instances["a"].spans == [Span(1.0, 2.0, State.FAILED), Span(51.0)]
    assert view.instances["a"].started == 51.0
    assert view.counts() == {State.PENDING: 1, State.RUNNING: 1}


NAMES = st.sampled_from("abc")
CHANGES = st.one_of(
    st.builds(TaskOpened, st.just(0.0), NAMES),
    st.builds(TaskClosed, st.just(0.0), NAMES, st.sampled_from(sorted(ENDED)), st.just("trigger")),
    st.builds(RunResumed, st.just(0.0), st.lists(NAMES, unique=True).map(tuple)),
    st.builds(AttemptStarted, st.just(0.0), NAMES, st.integers(1, 5)),
)


@given(st.lists(CHANGES))
def test_every_instance_is_found_under_its_state(changes: list[Event]) -> None:
    view = viewed(RunStarted(0.0), *changes, tasks="abc")
    found = {name: state for state, ones in view.by_state.items() for name in ones}
    assert found == {name: one.state for name, one in view.instances.items()}
    assert all(view.by_state[one.state][name] is one for name, one in view.instances.items())
    assert sum(view.counts().values()) == 3


FANS = {
    "a": Task("a", "shell", foreach=Foreach(items="{{ x }}")),
    "b": Task("b", "tasks", foreach=Foreach(items="{{ x }}"), tasks={"c": Task("b.c", "shell")}),
    "d": Task("d", "shell"),
}
INSTANCES = st.sampled_from(["a", "a[0]", "a[1]", "b", "b[0]", "b[1].c", "b[0].c", "b.c", "d"])
HAPPENINGS = st.one_of(
    st.builds(TaskOpened, st.just(0.0), st.sampled_from("ab"), st.lists(st.just(None), max_size=2)),
    st.builds(
        TaskClosed,
        st.just(0.0),
        INSTANCES,
        st.sampled_from(sorted(ENDED)),
        st.sampled_from(["when", "tasks"]),
        allowed=st.booleans(),
    ),
    st.builds(RunResumed, st.just(0.0), st.lists(INSTANCES, unique=True).map(tuple)),
    st.builds(AttemptStarted, st.just(0.0), INSTANCES, st.just(1)),
    st.builds(
        AttemptFinished,
        st.just(0.0),
        INSTANCES,
        st.just(1),
        st.sampled_from([State.SUCCESS, State.FAILED]),
        allowed=st.booleans(),
    ),
)


@given(st.lists(HAPPENINGS))
def test_counts_of_tasks_are_those_of_their_instances(happenings: list[Event]) -> None:
    view = RunView(FANS)
    for event in (RunStarted(0.0), *happenings):
        view.apply(event)
    for task, states in view.by_task.items():
        counted = Counter(one.state for one in view.instances.values() if one.task == task)
        assert {state: count for state, count in states.items() if count} == counted
    failed = (one for one in view.instances.values() if one.state is State.FAILED)
    assert view.allowed == sum(one.allowed for one in failed)
