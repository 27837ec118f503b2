"""The waiting room, over a clock that goes when it is told to."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipectl.engine.verdict import judge
from pipectl.engine.waits import WaitingRoom
from pipectl.events import AttemptFinished, AttemptStarted, Event, RunFinished, RunResumed
from pipectl.graph import Node
from pipectl.masking import Masker
from pipectl.model import Cause, Command, Job, Outcome, RunState, State, Task
from pipectl.plan import Plan
from pipectl.store.definitions import Definition
from pipectl.store.rows import NewRun, Run
from pipectl.store.store import Store, new_run_id
from pipectl.tasks.base import TaskFailed
from pipectl.tasks.wait import facts
from tests.engine.harness import MOMENT

DAY = 86400.0
SHELL_TASK = {"type": "shell", "body": {"script": "true"}}
TWO = {"type": "tasks", "tasks": {"a": SHELL_TASK, "b": SHELL_TASK}}


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time


class Room(WaitingRoom):
    """A waiting room with what belongs around it. Expectations are plain Python over `output`."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.store = Store.open(folder / ".pipectl")
        self.store.set_durability("normal")
        self.folder = folder
        self.masker = Masker(["hunter2-secret"])
        super().__init__(
            run=self.create("waiting"),
            store=self.store,
            clock=self.clock,  # type: ignore[arg-type]
            masker=self.masker,
            holds=self._expected,
        )

    def create(self, pipeline: str) -> Run:
        document = {"name": pipeline, "file": "", "folder": "", "tasks": {"load": SHELL_TASK, "all": TWO}}
        definition = Definition(document, [(f"{pipeline}.yaml", "0")], "0")
        file = str(self.folder / f"{pipeline}.yaml")
        new = NewRun(new_run_id(), pipeline, file, definition, {}, {}, {}, "manual", MOMENT)
        held = self.store.create(new, self.clock.now())
        held.lock.release()
        return held.run

    def _expected(self, text: str | bool, node: Node, value: object) -> bool:
        try:
            return bool(eval(str(text), {}, {"output": value}))
        except KeyError as error:
            raise TaskFailed(f"`expect`: no {error}") from error

    def wait_for(
        self,
        name: str,
        kind: str,
        work: Any,
        *,
        body: Any = None,
        since: float | None = None,
        limit: float | None = None,
        **more: Any,
    ) -> str:
        said = {"interval": 10.0, "timeout": DAY, "on_timeout": "fail", "expect": [], **more}
        task = Task(name, "wait", {"kind": kind, kind: body, **said})
        return self._enter(task, work, since, limit)

    def ask(self, name: str, question: str = "Deploy?", *, since: float | None = None, **more: Any) -> str:
        body = {"question": question, "params": {}, "timeout": None, "on_timeout": "fail", "on_reject": "fail", **more}
        return self._enter(Task(name, "approve", body), facts(question=question), since, None)

    def _enter(self, task: Task, work: Any, since: float | None, limit: float | None) -> str:
        node = Plan({task.name: task}).nodes[task.name]
        job = Job(task.name, 1, work, {}, str(self.folder), timeout=limit)
        return self.enter(node, 1, job, self.clock.time if since is None else since)

    def pass_time(self, seconds: float) -> tuple[list[Job], list[Outcome]]:
        """Lets time pass, looking whenever the room wants to."""
        jobs, outcomes = [], []
        end = self.clock.time + seconds
        while (due := self.due()) is not None and due <= end:
            self.clock.time = max(self.clock.time, due)
            more = self.look(self.clock.time)
            jobs += more[0]
            outcomes += more[1]
        self.clock.time = end
        return jobs, outcomes


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.store.close()


def told(outcome: Outcome) -> Any:
    assert outcome.result is not None
    return json.loads(outcome.result)["output"]


def exited(job: Job, code: int = 0, **more: Any) -> Outcome:
    return Outcome(job.instance, job.attempt, Cause.EXITED, exit_code=code, **more)


def gave(job: Job, output: object) -> Outcome:
    return exited(job, result=json.dumps({"ok": True, "output": output}).encode())


SHELL = {"body": {"script": "test -e x"}, "work": Command(("true",))}


# Without a process


def test_file_is_looked_for_at_once_and_then_every_interval(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "ready.txt"
    assert room.wait_for("w", "file", facts(path=str(path))) == f"file {path}"
    assert room.pass_time(25) == ([], [])
    path.write_text("12345")
    assert room.pass_time(4) == ([], [])
    _, [outcome] = room.pass_time(2)
    assert told(outcome) == {"path": str(path), "paths": [str(path)], "size": 5}
    assert "w" not in room
    assert room.due() is None


def test_glob_gives_all_that_it_matches(room: Room, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("a.csv", "b/c.csv"):
        (tmp_path / name).write_text("1")
    room.wait_for("w", "file", facts(path=f"{tmp_path}/**/*.csv"))
    _, [outcome] = room.pass_time(0)
    assert told(outcome)["paths"] == [f"{tmp_path}/a.csv", f"{tmp_path}/b/c.csv"]


def test_file_whose_name_looks_like_a_glob_is_found(room: Room, tmp_path: Path) -> None:
    (tmp_path / "part[1].csv").write_text("1")
    room.wait_for("w", "file", facts(path=f"{tmp_path}/part[1].csv"))
    _, [outcome] = room.pass_time(0)
    assert told(outcome)["path"] == f"{tmp_path}/part[1].csv"


def test_link_to_nothing_is_not_there(room: Room, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    room.wait_for("w", "file", facts(path=f"{tmp_path}/link"))
    assert room.pass_time(60) == ([], [])


def test_expectation_is_part_of_the_condition(room: Room, tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_text("1")
    room.wait_for("w", "file", facts(path=str(path)), expect=["output['size'] > 3"])
    assert room.pass_time(30) == ([], [])
    path.write_text("12345")
    assert [told(one)["size"] for one in room.pass_time(10)[1]] == [5]


def test_expectation_that_cannot_be_told_ends_the_wait_at_once(room: Room, tmp_path: Path) -> None:
    room.wait_for("w", "file", facts(path=str(tmp_path)), expect=["output['sise'] > 3"])
    _, [outcome] = room.pass_time(0)
    assert outcome.error == "`expect`: no 'sise'"


def test_until_and_for_end_at_their_moment(room: Room) -> None:
    now = room.clock.time
    assert room.wait_for("u", "until", facts(moment=now + 100), timeout=None) == "until 1970-01-12T13:48:20+00:00"
    assert room.wait_for("f", "for", facts(seconds=50.0), timeout=None) == "for 50s"
    assert room.due() == now + 50
    assert [one.instance for one in room.pass_time(99)[1]] == ["f"]
    assert [one.instance for one in room.pass_time(1)[1]] == ["u"]


def test_moment_that_has_passed_is_met_at_once(room: Room) -> None:
    room.wait_for("u", "until", facts(moment=0.0), timeout=None)
    assert [one.cause for one in room.pass_time(0)[1]] == [Cause.EXITED]


def test_duration_counts_from_the_first_start_also_after_a_resume(room: Room) -> None:
    room.wait_for("f", "for", facts(seconds=50.0), timeout=None, since=room.clock.time - 40)
    assert room.pass_time(9) == ([], [])
    assert len(room.pass_time(1)[1]) == 1


# Time limits


def test_time_limit_counts_from_the_first_start_and_says_what_was_missing(room: Room, tmp_path: Path) -> None:
    room.wait_for("w", "file", facts(path=f"{tmp_path}/x"), timeout=100.0, since=room.clock.time - 40)
    assert room.pass_time(59) == ([], [])
    _, [outcome] = room.pass_time(1)
    assert outcome.cause is Cause.TIMEOUT
    assert outcome.error == "it waited longer than its time limit of 1m 40s: it is not there"


def test_wait_whose_time_passed_while_nobody_ran_it_looks_once_more(room: Room, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    for name in "xy":
        room.wait_for(name, "file", facts(path=f"{tmp_path}/{name}"), timeout=10.0, since=room.clock.time - DAY)
    assert [(one.instance, one.cause) for one in room.pass_time(0)[1]] == [("x", Cause.EXITED), ("y", Cause.TIMEOUT)]


def test_time_limit_of_zero_is_one_look(room: Room) -> None:
    room.wait_for("w", "shell", timeout=0.0, **SHELL)
    [job], _ = room.pass_time(0)
    assert job.timeout == 10
    outcome = room.told(exited(job, 1))
    assert outcome is not None
    assert outcome.error == "it waited longer than its time limit of 0ms: exit code 1"


def test_wait_of_a_run_that_is_stopped_has_the_time_that_is_left_to_it(room: Room, tmp_path: Path) -> None:
    room.wait_for("w", "file", facts(path=f"{tmp_path}/x"), limit=5.0)
    assert [one.cause for one in room.pass_time(5)[1]] == [Cause.TIMEOUT]


@pytest.mark.parametrize(("says", "state"), [("fail", State.FAILED), ("skip", State.SKIPPED)])
def test_time_limit_fails_or_skips(room: Room, tmp_path: Path, says: str, state: State) -> None:
    room.wait_for("w", "file", facts(path=f"{tmp_path}/x"), timeout=5.0, on_timeout=says)
    _, [outcome] = room.pass_time(5)
    task = Task("w", "wait", {"kind": "file", "on_timeout": says})
    verdict = judge(task, outcome, room.masker, lambda text, value: True)
    assert verdict.state is state
    assert verdict.error == outcome.error


# Looks by processes


def test_look_is_a_job_of_the_attempt_and_the_next_comes_an_interval_after_its_end(room: Room) -> None:
    assert room.wait_for("w", "shell", **SHELL) == "shell: test -e x"
    [job], _ = room.pass_time(0)
    assert (job.instance, job.attempt, job.work) == ("w", 1, SHELL["work"])
    assert room.pass_time(30) == ([], [])
    assert room.told(exited(job, 1)) is None
    assert room.pass_time(9) == ([], [])
    [again], _ = room.pass_time(1)
    outcome = room.told(exited(again, 0, log=b"there\n", log_size=6))
    assert outcome is not None
    assert (outcome.exit_code, outcome.log) == (0, b"there\n")


def test_look_takes_no_longer_than_is_left_of_the_wait(room: Room) -> None:
    room.wait_for("w", "shell", timeout=30.0, **SHELL)
    [first], _ = room.pass_time(0)
    assert first.timeout == 30
    room.clock.time += 30
    late = room.told(
        Outcome("w", 1, Cause.TIMEOUT, error="it ran longer than its time limit of 30s", log=b"x", log_size=1)
    )
    assert late is not None
    assert late.cause is Cause.TIMEOUT
    assert late.error == "it waited longer than its time limit of 30s: it ran longer than its time limit of 30s"
    assert late.log == b"x"


def test_look_that_hangs_is_no_end_of_the_wait(room: Room) -> None:
    room.wait_for("w", "shell", on_timeout="skip", **SHELL)
    [job], _ = room.pass_time(0)
    assert job.timeout == 300
    assert room.told(Outcome("w", 1, Cause.TIMEOUT)) is None


def test_failed_looks_are_not_met_but_what_cannot_start_ends_the_wait(room: Room) -> None:
    room.wait_for("w", "shell", **SHELL)
    [job], _ = room.pass_time(0)
    assert room.told(exited(job, 127)) is None
    [job], _ = room.pass_time(10)
    assert room.told(Outcome("w", 1, Cause.EXITED, signal=9)) is None
    room.pass_time(10)
    outcome = room.told(Outcome("w", 1, Cause.UNSTARTABLE, error="there is no program `tset`"))
    assert outcome is not None
    assert outcome.cause is Cause.UNSTARTABLE


@pytest.mark.parametrize(
    ("kind", "output", "met"),
    [
        ("sql", {"columns": ["n"], "rows": [{"n": 1}], "rowcount": 1}, True),
        ("sql", {"columns": ["n"], "rows": [{"n": 0}], "rowcount": 1}, False),
        ("sql", {"columns": ["n"], "rows": [{"n": "0.00"}], "rowcount": 1}, False),
        ("sql", {"columns": ["n"], "rows": [{"n": None, "m": 1}], "rowcount": 1}, False),
        ("sql", {"columns": ["n"], "rows": [], "rowcount": 0}, False),
        ("sql", {"columns": ["n"], "rows": [{"n": "ready"}], "rowcount": 1}, True),
        ("sql", "false", False),
        ("sql", {"rowcount": 3}, True),
        ("python", True, True),
        ("python", None, False),
        ("python", [], False),
        ("python", {"n": 0}, True),
        ("http", {"status": 200, "json": False}, True),
    ],
)
def test_what_counts_as_true(room: Room, kind: str, output: object, met: bool) -> None:
    body = {"query": "select 1", "code": "output = 1"}
    work = replace(facts(), payload={"with": {"url": "http://x", "expect_status": ["2xx"]}})
    room.wait_for("w", kind, work, body=body)
    [job], _ = room.pass_time(0)
    assert (room.told(gave(job, output)) is not None) is met


def test_expectation_stands_in_place_of_a_true_value(room: Room) -> None:
    room.wait_for("w", "python", facts(), body={"code": "output = 0"}, expect=["output == 0"])
    [job], _ = room.pass_time(0)
    assert room.told(gave(job, 0)) is not None


def test_server_that_asks_for_more_time_gets_it(room: Room) -> None:
    work = replace(facts(), payload={"with": {"url": "http://x/", "expect_status": [200, "3xx"]}})
    assert room.wait_for("w", "http", work, body={}) == "http://x/ to answer 200, 3xx"
    [job], _ = room.pass_time(0)
    result = {"ok": False, "error": "status 503", "kinds": [503], "retry_after": 60}
    assert room.told(exited(job, 1, result=json.dumps(result).encode())) is None
    assert room.due() == room.clock.time + 60


def test_only_so_many_look_at_once(room: Room) -> None:
    for number in range(20):
        room.wait_for(f"w{number}", "shell", **SHELL)
    jobs, _ = room.pass_time(0)
    assert len(jobs) == 8
    room.told(exited(jobs[0], 1))
    assert [job.instance for job in room.pass_time(0)[0]] == ["w8"]


def test_words_hold_no_secrets(room: Room) -> None:
    assert room.ask("a", "Take\nhunter2-secret?") == "approval: Take ***?"


# Ending


def test_cancel_ends_what_only_waits(room: Room) -> None:
    room.ask("a")
    outcome = room.cancel("a")
    assert outcome is not None
    assert outcome.cause is Cause.CANCELLED
    assert room.cancel("a") is None


def test_cancel_of_a_look_ends_the_wait_when_the_look_has_ended(room: Room) -> None:
    room.wait_for("w", "shell", **SHELL)
    [job], _ = room.pass_time(0)
    assert room.cancel("w") is None
    outcome = room.told(exited(job, 1))
    assert outcome is not None
    assert outcome.cause is Cause.CANCELLED


def test_cancel_of_a_look_that_has_not_begun_ends_the_wait(room: Room) -> None:
    for number in range(9):
        room.wait_for(f"w{number}", "shell", **SHELL)
    room.pass_time(0)
    assert room.cancel("w8") is not None


# Approvals


def test_approval_gives_the_values_of_its_parameters(room: Room) -> None:
    assert room.ask("a") == "approval: Deploy?"
    outcome = room.answer("a", "approve", "ann@host", params={"version": "1.2"})
    assert outcome is not None
    assert told(outcome) == {"version": "1.2"}
    assert room.answer("a", "approve", "bob@host") is None


@pytest.mark.parametrize(("says", "state"), [("fail", State.FAILED), ("skip", State.SKIPPED)])
def test_rejection_fails_or_skips_and_says_who_and_why(room: Room, says: str, state: State) -> None:
    room.ask("a", on_reject=says)
    outcome = room.answer("a", "reject", "ann@host", "too early")
    assert outcome is not None
    verdict = judge(Task("a", "approve", {"on_reject": says}), outcome, room.masker, lambda text, value: True)
    assert verdict.state is state
    assert verdict.error == "rejected by ann@host: too early"


def test_answer_to_an_earlier_question_is_none(room: Room) -> None:
    room.ask("a", since=500.0)
    assert room.answer("a", "approve", "ann@host", since=400.0) is None
    assert room.answer("a", "approve", "ann@host", since=500.0) is not None


def test_wait_takes_no_answer(room: Room) -> None:
    room.wait_for("w", "for", facts(seconds=9.0), timeout=None)
    assert room.answer("w", "approve", "ann@host") is None


def test_approval_without_a_time_limit_waits_for_ever(room: Room) -> None:
    room.ask("a")
    assert room.due() is None


def test_answer_given_while_nobody_ran_the_run_is_heard_before_the_time_is_up(room: Room) -> None:
    room.ask("a", timeout=60.0, since=room.clock.time - DAY)
    assert room.pass_time(0.9) == ([], [])
    _, [outcome] = room.pass_time(0.2)
    assert outcome.error == "nobody answered within its time limit of 1m 00s"


def test_approval_by_time_takes_the_defaults(room: Room) -> None:
    room.ask("a", timeout=60.0, on_timeout="approve", params={"n": {"type": "integer", "default": 3}})
    assert [told(one) for one in room.pass_time(60)[1]] == [{"n": 3}]


def test_approval_by_time_fails_where_a_value_is_missing(room: Room) -> None:
    room.ask("a", timeout=60.0, on_timeout="approve", params={"n": {"type": "integer"}})
    _, [outcome] = room.pass_time(60)
    assert outcome.cause is Cause.TIMEOUT
    assert outcome.error == "nobody answered within its time limit of 1m 00s, and `n` has no default"


def test_room_knows_whether_only_people_are_waited_for(room: Room) -> None:
    assert not room.only_approvals
    room.ask("a")
    assert room.only_approvals
    room.wait_for("w", "for", facts(seconds=9.0), timeout=None)
    assert not room.only_approvals


# Other runs


def wait_for_run(room: Room, pipeline: str, task: str | None = None, logical_time: str | None = None) -> str:
    return room.wait_for("w", "run", facts(pipeline=pipeline, task=task, logical_time=logical_time))


def record(room: Room, run: Run, *events: Event, **more: Any) -> None:
    room.store.record(run, len(room.store.events(run)), events, **more)


def succeeded(task: str) -> list[Event]:
    return [AttemptStarted(1.0, task, 1), AttemptFinished(1.0, task, 1, State.SUCCESS)]


def test_newest_run_of_a_pipeline_must_be_a_success(room: Room) -> None:
    assert wait_for_run(room, "other") == "a run of other"
    assert room.pass_time(5) == ([], [])
    first = room.create("other")
    record(room, first, RunFinished(1.0, RunState.SUCCESS))
    second = room.create("other")
    assert room.pass_time(10) == ([], [])
    record(room, second, RunFinished(1.0, RunState.SUCCESS))
    _, [outcome] = room.pass_time(10)
    assert told(outcome) == {"id": second.id, "logical_time": MOMENT.isoformat()}


def test_pipeline_is_found_by_its_file_too(room: Room, tmp_path: Path) -> None:
    record(room, room.create("other"), RunFinished(1.0, RunState.SUCCESS))
    wait_for_run(room, str(tmp_path / "other.yaml"))
    assert len(room.pass_time(0)[1]) == 1


def test_run_must_stand_for_the_logical_time(room: Room) -> None:
    record(room, room.create("other"), RunFinished(1.0, RunState.SUCCESS))
    wait_for_run(room, "other", logical_time="2026-01-30T06:00:00+00:00")
    assert room.pass_time(10) == ([], [])
    room.cancel("w")
    wait_for_run(room, "other", logical_time="2026-01-31T08:00:00+02:00")
    assert len(room.pass_time(0)[1]) == 1


def test_run_does_not_wait_for_itself(room: Room) -> None:
    wait_for_run(room, "waiting")
    room.pass_time(DAY - 1)
    _, [outcome] = room.pass_time(1)
    assert outcome.error == "it waited longer than its time limit of 1d 0h: there is no such run"


def test_task_of_another_run_gives_its_output_while_that_goes_on(room: Room) -> None:
    run = room.create("other")
    assert wait_for_run(room, "other", "load") == "task load in a run of other"
    assert room.pass_time(0) == ([], [])
    record(room, run, *succeeded("load"), outputs=[("load", '{"rows": 7}')])
    _, [outcome] = room.pass_time(10)
    assert told(outcome) == {"id": run.id, "logical_time": MOMENT.isoformat(), "output": {"rows": 7}}


def test_task_that_is_opened_again_has_not_succeeded(room: Room) -> None:
    run = room.create("other")
    record(room, run, *succeeded("load"), RunResumed(2.0, ("load",)))
    wait_for_run(room, "other", "load")
    assert room.pass_time(0) == ([], [])


def test_group_of_another_run_is_met_when_all_in_it_succeeded(room: Room) -> None:
    run = room.create("other")
    wait_for_run(room, "other", "all")
    record(room, run, *succeeded("all.a"), outputs=[("all.a", "1")])
    assert room.pass_time(10) == ([], [])
    record(room, run, *succeeded("all.b"))
    _, [outcome] = room.pass_time(10)
    assert told(outcome)["output"] == {"a": 1, "b": None}


def test_task_that_the_other_run_does_not_have_is_named_at_the_end(room: Room) -> None:
    run = room.create("other")
    wait_for_run(room, "other", "laod")
    _, [outcome] = room.pass_time(DAY)
    assert outcome.error is not None
    assert outcome.error.endswith(f": run {run.id}: the run has no task `laod`")


def test_hundreds_of_waits_are_looked_at_in_the_order_of_their_moments(room: Room) -> None:
    for number in range(500):
        room.wait_for(f"w{number}", "for", facts(seconds=float((number * 7) % 500 + 1)), timeout=None)
    _, outcomes = room.pass_time(math.inf)
    assert [one.instance for one in outcomes] == sorted(
        (f"w{number}" for number in range(500)), key=lambda name: (int(name[1:]) * 7) % 500
    )
