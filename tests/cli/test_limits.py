"""Time limits: of an attempt, of the run, and the two steps in which something is ended."""

from __future__ import annotations

from tests.conftest import Project, wait_until_gone


def test_timeout_ends_the_whole_tree_and_fails_the_attempt(project: Project) -> None:
    project.run(
        """
        tasks:
          a:
            timeout: 300ms
            shell: |
              sleep 60 & echo $! >> pids
              setsid sleep 60 & echo $! >> pids
              (setsid sh -c 'echo $$ >> pids; exec sleep 60' &)
              echo $$ >> pids
              sleep 60
        """,
        code=1,
    )
    assert "time limit" in project.error("a")
    assert project.instances()["a"]["exit_code"] is None or project.instances()["a"]["exit_code"] > 0
    wait_until_gone([int(line) for line in project.lines("pids")])


def test_stop_signal_comes_first_and_a_task_may_end_well_within_its_grace(project: Project) -> None:
    project.run(
        """
        defaults: {timeout: 300ms}
        tasks:
          term: {shell: "trap 'echo TERM >> trace; exit 3' TERM; while :; do sleep 0.02; done"}
          int: {stop_signal: SIGINT, shell: "trap 'echo INT >> trace2; exit 3' INT; while :; do sleep 0.02; done"}
          python: {stop_signal: SIGINT, python: "import time\\ntry: time.sleep(60)\\nexcept KeyboardInterrupt: open('trace3', 'w').write('KeyboardInterrupt\\\\n'); raise"}
        """,
        code=1,
    )
    assert (project.lines(), project.lines("trace2")) == (["TERM"], ["INT"])
    assert project.lines("trace3") == ["KeyboardInterrupt"]
    assert all("time limit" in row["error"] for row in project.instances().values())


def test_kill_comes_after_grace(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {timeout: 200ms, grace: 200ms, shell: "trap '' TERM; echo $$ > pid; while :; do sleep 0.02; done"}
        """,
        code=1,
    )
    wait_until_gone([int(project.read("pid"))])


def test_grace_of_none_kills_at_once(project: Project) -> None:
    project.run(
        "tasks: {a: {timeout: 200ms, grace: 0, shell: \"trap 'touch heard' TERM; while :; do sleep 0.02; done\"}}",
        code=1,
    )
    assert "time limit" in project.error("a")


def test_timeout_is_of_one_attempt(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {timeout: 300ms, retries: {max: 1, delay: 0}, shell: "test $PIPECTL_ATTEMPT = 2 || exec sleep 60"}
        """
    )
    assert project.instances()["a"]["attempts"] == 2


def test_timeout_of_the_run_fails_it_and_cancels_the_rest(project: Project) -> None:
    got = project.run(
        """
        timeout: 500ms
        tasks:
          quick: {shell: "true"}
          work: {needs: quick, shell: exec sleep 60}
          next: {needs: work, shell: touch next}
        """,
        code=1,
    )
    assert project.states() == {"quick": "success", "work": "cancelled", "next": "cancelled"}
    assert project.runs()[0]["state"] == "failed"
    assert "time limit" in got.stderr


def test_run_that_hit_its_timeout_is_resumed_with_a_new_one(project: Project) -> None:
    project.run("timeout: 500ms\ntasks: {a: {shell: 'test -e ok || exec sleep 60'}}", code=1)
    project.write("ok", "")
    project("resume")
    assert project.runs()[0]["state"] == "success"


def test_run_that_hits_its_timeout_with_allowed_failures_only_is_failed(project: Project) -> None:
    project.run("timeout: 300ms\ntasks: {a: {allow_failure: true, shell: exec sleep 60}}", code=1)
    assert project.runs()[0]["state"] == "failed"


def test_durations_are_written_in_the_ways_of_the_design(project: Project) -> None:
    names = ["500ms", "30s", "10m", "1h30m", "2d", "7", "1.5"]
    tasks = "".join(f"  t{number}: {{timeout: {text}, shell: 'true'}}\n" for number, text in enumerate(names))
    project.run(f"tasks:\n{tasks}")
    for text in ("5 bananas", "-1", "1h 30", "''", "true", "[1]"):
        project.write("bad.yaml", f"tasks: {{a: {{timeout: {text}, shell: 'true'}}}}")
        assert "timeout" in project("validate", "bad.yaml", code=2).stdout
