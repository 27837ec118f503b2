"""`retries`: how often, after which failures, and what an attempt knows of it."""

from __future__ import annotations

from datetime import datetime

from tests.conftest import Project


def test_number_of_retries_is_that_of_further_attempts(project: Project) -> None:
    project.run(
        """
        defaults: {retries: {max: 2, delay: 0}}
        tasks:
          all: {shell: "echo $PIPECTL_ATTEMPT >> all; exit 1"}
          second: {shell: "test $PIPECTL_ATTEMPT = 2"}
          none: {retries: 0, shell: exit 1}
        """,
        code=1,
    )
    rows = project.instances()
    assert project.lines("all") == ["1", "2", "3"]
    assert {name: (row["state"], row["attempts"]) for name, row in rows.items()} == {
        "all": ("failed", 3),
        "second": ("success", 2),
        "none": ("failed", 1),
    }


def test_on_names_exit_codes_timeouts_and_exceptions_with_their_bases(project: Project) -> None:
    project.run(
        """
        tasks:
          code: {retries: {max: 1, delay: 0, on: [7]}, shell: exit 7}
          other_code: {retries: {max: 1, delay: 0, on: [7]}, shell: exit 8}
          time: {timeout: 100ms, grace: 0, retries: {max: 1, delay: 0, on: [timeout]}, shell: exec sleep 9}
          error: {retries: {max: 1, delay: 0, on: [ValueError]}, python: "raise ValueError('x')"}
          base: {retries: {max: 1, delay: 0, on: [LookupError]}, python: "{}['x']"}
          other_error: {retries: {max: 1, delay: 0, on: [ValueError]}, python: "raise TypeError('x')"}
          any: {retries: {max: 1, delay: 0, on: [3, timeout, OSError]}, python: "open('/nowhere')"}
        """,
        code=1,
    )
    attempts = {name: row["attempts"] for name, row in project.instances().items()}
    assert attempts == {
        "code": 2, "other_code": 1, "time": 2, "error": 2, "base": 2, "other_error": 1, "any": 2,
    }  # fmt: skip


def test_delay_is_waited_and_grows_by_backoff(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {retries: {max: 2, delay: 100ms, backoff: 3, jitter: 0}, shell: "date +%s.%N >> trace; exit 1"}
        """,
        code=1,
    )
    first, second, third = map(float, project.lines())
    assert second - first >= 0.1
    assert third - second >= 0.3


def test_no_attempt_starts_after_max_elapsed(project: Project) -> None:
    project.run(
        "tasks: {a: {retries: {max: 1000, delay: 50ms, backoff: 1, max_elapsed: 400ms}, shell: exit 1}}", code=1
    )
    row = project.instances()["a"]
    assert 1 < row["attempts"] < 20
    elapsed = datetime.fromisoformat(row["ended"]) - datetime.fromisoformat(row["started"])
    assert elapsed.total_seconds() < 5


def test_task_that_waits_for_its_next_attempt_holds_no_slot(project: Project) -> None:
    project.run(
        """
        max_parallel: 1
        tasks:
          first: {priority: 1, retries: {max: 1, delay: 300ms, jitter: 0}, shell: "echo first >> trace; test -e other"}
          other: {shell: "echo other >> trace; touch other"}
        """
    )
    assert project.lines() == ["first", "other", "first"]


def test_output_and_files_of_a_failed_attempt_do_not_reach_the_next(project: Project) -> None:
    project.run(
        """
        tasks:
          a:
            retries: {max: 1, delay: 0}
            shell: |
              test ! -e "$PIPECTL_OUTPUT"
              echo "attempt=$PIPECTL_ATTEMPT" > "$PIPECTL_OUTPUT"
              test $PIPECTL_ATTEMPT = 2
        """
    )
    assert project.output("a") == {"attempt": "2"}


def test_retries_start_afresh_on_resume(project: Project) -> None:
    project.run("tasks: {a: {retries: {max: 1, delay: 0}, shell: 'echo $PIPECTL_ATTEMPT >> trace; exit 1'}}", code=1)
    project("resume", code=1)
    assert project.lines() == ["1", "2", "3", "4"]


def test_signal_ends_a_wait_for_the_next_attempt(project: Project) -> None:
    process = project.start_run("tasks: {a: {retries: {max: 1, delay: 1h}, shell: 'echo up >> trace; exit 1'}}")
    project.wait_for_line("up")
    process.terminate()
    assert process.wait(20) == 143
    assert project.lines() == ["up"]
