"""The loop with a real state and a fake executor."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from pipectl.errors import StateError
from pipectl.events import AttemptFinished, AttemptStarted
from pipectl.model import Cause, Job, Outcome, Retry, RunState, State, Task, TriggerRule
from tests.engine.harness import Killed, Lab
from tests.fakes import Elsewhere, FakeExecutor, RemoteExecutor, failure, success


def code(name: str, *needs: str, **more: object) -> Task:
    return Task(name, "python", {"code": "output = 1"}, needs, **more)  # type: ignore[arg-type]


DIAMOND = [code("a"), code("b", "a"), code("c", "a"), Task("join", needs=("b", "c")), code("d", "join")]


def test_a_run_ends_with_every_task_and_its_output_recorded(tmp_path: Path) -> None:
    lab = Lab(tmp_path, DIAMOND)
    executor = FakeExecutor(lambda job: success(job, {"n": job.instance}), clock=lab.clock)
    assert lab.go(executor) is RunState.SUCCESS
    assert set(lab.states().values()) == {State.SUCCESS}
    assert json.loads(lab.store.output(lab.run, "b") or "") == {"n": "b"}
    assert lab.store.run(lab.run.id).state is RunState.SUCCESS
    assert executor.closed


def test_a_listener_hears_only_what_is_recorded_and_in_that_order(tmp_path: Path) -> None:
    lab = Lab(tmp_path, DIAMOND)
    lab.go(FakeExecutor(clock=lab.clock))
    assert lab.heard == lab.store.events(lab.run)[1:]


def test_nothing_starts_before_its_start_is_recorded(tmp_path: Path) -> None:
    lab = Lab(tmp_path, DIAMOND)

    def look(job: Job) -> Outcome:
        recorded = [e.instance for e in lab.store.events(lab.run) if isinstance(e, AttemptStarted)]
        assert job.instance in recorded
        return success(job)

    lab.go(FakeExecutor(look, clock=lab.clock))


def test_the_end_of_an_attempt_and_the_next_start_share_a_transaction(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a"), code("b", "a")])
    commits = []
    real = lab.store.record
    lab.store.record = lambda run, after, events, *rest: (  # type: ignore[method-assign]
        commits.append([event.kind for event in events]) or real(run, after, events, *rest)
    )
    lab.go(FakeExecutor(clock=lab.clock))
    assert commits == [
        ["attempt_started"],
        ["attempt_finished", "attempt_started"],
        ["attempt_finished", "run_finished"],
    ]


def test_retries_go_on_until_one_succeeds_and_wait_as_they_say(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a", retries=Retry(max=3, delay=2.0, backoff=3.0, jitter=0.0))])
    executor = FakeExecutor(lambda job: success(job) if job.attempt == 3 else failure(job), clock=lab.clock)
    assert lab.go(executor) is RunState.SUCCESS
    ends = [e for e in lab.store.events(lab.run) if isinstance(e, AttemptFinished)]
    waits = [round(e.retry_at - e.at, 3) for e in ends if e.retry_at is not None]
    assert waits == [2.0, 6.0]
    assert lab.view().instances["a"].attempts == 3


def test_no_attempt_starts_after_max_elapsed(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a", retries=Retry(max=100, delay=10.0, backoff=1.0, jitter=0.0, max_elapsed=35.0))])
    assert lab.go(FakeExecutor(failure, clock=lab.clock)) is RunState.FAILED
    assert lab.view().instances["a"].attempts == 4


def test_fail_fast_ends_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    lab = Lab(
        tmp_path,
        [
            code("bad", priority=1),
            code("slow"),
            code("later", "slow"),
            code("clean", "later", trigger=TriggerRule.ALWAYS),
        ],
    )
    executor = FakeExecutor(lambda job: failure(job) if job.instance == "bad" else success(job), clock=lab.clock)
    assert lab.go(executor, fail_fast=True) is RunState.FAILED
    assert executor.cancelled == ["slow"]
    assert lab.states() == {
        "bad": State.FAILED,
        "slow": State.CANCELLED,
        "later": State.CANCELLED,
        "clean": State.SUCCESS,
    }


def test_a_cancel_request_stops_the_run(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a"), code("b", "a")])

    def ask(job: Job) -> Outcome:
        lab.store.ask(lab.run, "cancel", lab.clock.now())
        lab.clock.time += 1.0
        return success(job)

    assert lab.go(FakeExecutor(ask, clock=lab.clock)) is RunState.CANCELLED
    assert lab.states() == {"a": State.SUCCESS, "b": State.CANCELLED}


def test_a_request_from_before_the_resume_is_stale(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a")])
    lab.store.ask(lab.run, "cancel", lab.clock.now())
    lab.held.lock.release()
    lab.held = lab.store.take(lab.run)
    assert lab.go(FakeExecutor(clock=lab.clock)) is RunState.SUCCESS


def test_a_request_made_while_the_run_is_taken_up_is_heard(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a"), code("b", "a")])
    lab.store.ask(lab.run, "cancel", lab.clock.now())
    assert lab.go(FakeExecutor(clock=lab.clock)) is RunState.CANCELLED


def test_what_cannot_be_prepared_fails_its_attempt_and_says_why(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [Task("a", "shell", {"argv": ["echo", "{{ 1 // 0 }}"]}), code("b")])
    assert lab.go(FakeExecutor(clock=lab.clock)) is RunState.FAILED
    assert "zero" in (lab.view().instances["a"].error or "")
    assert lab.states()["b"] is State.SUCCESS


def test_a_when_that_is_neither_true_nor_false_fails_the_task(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a", when="'yes'")])
    assert lab.go(FakeExecutor(clock=lab.clock)) is RunState.FAILED
    assert "when" in (lab.view().instances["a"].error or "")


def test_a_write_that_fails_ends_the_run_and_what_runs(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a"), code("b", "a")])
    executor = FakeExecutor(clock=lab.clock)

    def break_it(job: Job) -> Outcome:
        other = sqlite3.connect(lab.store.folder / "state.db")
        other.execute("DROP TABLE outputs")
        other.close()
        return success(job, 1)

    executor._script = break_it
    with pytest.raises(StateError):
        lab.go(executor)
    assert executor.closed
    assert executor.started == [("a", 1)]


def test_two_runners_of_one_run_cannot_both_write(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a"), code("b", "a")])

    def intrude(job: Job) -> Outcome:
        events = lab.store.events(lab.run)
        lab.store.record(lab.run, len(events), [AttemptStarted(0.0, "b", 1)])
        return success(job)

    with pytest.raises(StateError, match="another process"):
        lab.go(FakeExecutor(intrude, clock=lab.clock))


GRAPH = [
    code("a"),
    code("b", "a", retries=Retry(max=2, delay=0.1)),
    code("c", "a", when="tasks.a.output == 'a'"),
    Task("join", needs=("b", "c")),
    code("d", "join"),
    code("e", "b", trigger=TriggerRule.ALL_DONE),
    code("clean", "a", "b", "c", "d", "e", trigger=TriggerRule.ALWAYS),
]


def scripted(job: Job) -> Outcome:
    return failure(job) if (job.instance, job.attempt) == ("b", 1) else success(job, job.instance)


def test_a_run_killed_after_any_event_is_finished_by_a_resume_and_no_task_succeeds_twice(tmp_path: Path) -> None:
    lives = 0
    while True:
        lives += 1
        folder = tmp_path / str(lives)
        folder.mkdir()
        lab = Lab(folder, GRAPH)
        executor = FakeExecutor(scripted, clock=lab.clock)
        try:
            lab.go(executor, lives=lives)
        except Killed:
            assert lab.go(FakeExecutor(scripted, clock=lab.clock)) is RunState.SUCCESS
        else:
            break
        finally:
            lab.store.close()
        lab.store = type(lab.store).open_for_reading(folder / ".pipectl")
        assert set(lab.states().values()) == {State.SUCCESS}
        ends = [e for e in lab.store.events(lab.run) if isinstance(e, AttemptFinished) and e.state is State.SUCCESS]
        assert len(ends) == len({e.instance for e in ends}) == 6
    assert lives >= 15


def test_work_that_lives_elsewhere_is_found_again_after_a_kill_at_any_event(tmp_path: Path) -> None:
    lives = 0
    finished = False
    while not finished:
        lives += 1
        folder = tmp_path / str(lives)
        folder.mkdir()
        lab = Lab(folder, DIAMOND)
        elsewhere = Elsewhere()
        try:
            lab.go(RemoteExecutor(elsewhere, clock=lab.clock), lives=lives)
            finished = True
        except Killed:
            recorded = [e for e in lab.store.events(lab.run) if e.kind == "attempt_handle"]
            second = RemoteExecutor(elsewhere, clock=lab.clock)
            assert lab.go(second) is RunState.SUCCESS
            assert not {(e.instance, e.attempt) for e in recorded} & set(second.started), "submitted again"
    assert lives >= 15


def test_a_cause_that_is_no_exit_is_told_in_words(tmp_path: Path) -> None:
    lab = Lab(tmp_path, [code("a"), code("b", timeout=1.5)])

    def script(job: Job) -> Outcome:
        if job.instance == "a":
            return Outcome(job.instance, job.attempt, Cause.EXITED, signal=9)
        return Outcome(job.instance, job.attempt, Cause.TIMEOUT, signal=15, error="its limit of 1.5s")

    lab.go(FakeExecutor(script, clock=lab.clock))
    errors = {name: one.error or "" for name, one in lab.view().instances.items()}
    assert "SIGKILL" in errors["a"]
    assert "memory" in errors["a"]
    assert "1.5s" in errors["b"]
