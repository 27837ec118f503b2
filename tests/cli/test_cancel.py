"""`pipectl cancel`: ends a run from another terminal, and returns when it has ended."""

from __future__ import annotations

import os
import signal

from tests.conftest import Project, is_alive, wait_until_gone


def test_cancel_ends_the_run_and_says_so(project: Project) -> None:
    process = project.start_run(
        "tasks: {a: {shell: 'echo up >> trace; exec sleep 60'}, b: {needs: a, shell: echo b >> trace}}"
    )
    project.wait_for_line("up")
    run = project.runs()[0]["id"]
    got = project("cancel", run)
    assert f"run {run} of p: cancelled" in got.stdout
    assert project.runs()[0]["state"] == "cancelled"
    assert process.wait(20) == 1
    assert project.states() == {"a": "cancelled", "b": "cancelled"}
    assert project.lines() == ["up"]


def test_cancel_ends_whole_process_trees_before_it_returns(project: Project) -> None:
    process = project.start_run(
        "tasks: {a: {shell: 'sleep 60 & echo $! > pid; setsid sleep 60 & echo $! >> pid; echo up >> trace; wait'}}"
    )
    project.wait_for_line("up")
    project("cancel")
    process.wait(20)
    wait_until_gone([int(line) for line in project.lines("pid")])


def test_always_tasks_run_after_a_cancel(project: Project) -> None:
    process = project.start_run(
        """
        tasks:
          work: {shell: "echo up >> trace; exec sleep 60"}
          done: {needs: work, trigger: all_done, shell: echo done >> trace}
          clean: {needs: work, trigger: always, shell: echo clean >> trace}
        """
    )
    project.wait_for_line("up")
    project("cancel")
    assert process.wait(20) == 1
    assert project.lines() == ["up", "clean"]
    assert project.states() == {"work": "cancelled", "done": "cancelled", "clean": "success"}


def test_cancelled_run_can_be_resumed(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'echo a >> trace; test -e ok || exec sleep 60'}}")
    project.wait_for_line("a")
    project("cancel")
    process.wait(20)
    project.write("ok", "")
    project("resume")
    assert project.lines() == ["a", "a"]
    assert project.runs()[0]["state"] == "success"


def test_cancel_of_run_that_is_over_changes_nothing(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    assert "nothing to cancel" in project("cancel").stdout
    assert "success" in project("cancel", "latest").stdout
    assert project.runs()[0]["state"] == "success"


def test_request_for_an_earlier_session_does_not_reach_a_resume(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'echo a >> trace; test -e ok || exec sleep 60'}}")
    project.wait_for_line("a")
    project("cancel")
    project("cancel")
    process.wait(20)
    project.write("ok", "")
    project("resume")
    assert project.runs()[0]["state"] == "success"


def test_cancel_of_interrupted_run_ends_what_is_left_and_records_it(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'echo $$ > pid; echo up >> trace; exec sleep 60'}, b: {needs: a}}")
    project.wait_for_line("up")
    pid = int(project.read("pid"))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
    assert is_alive(pid)
    assert project.runs()[0]["state"] == "interrupted"
    assert "cancelled" in project("cancel").stdout
    assert not is_alive(pid)
    assert project.states() == {"a": "cancelled", "b": "cancelled"}
    assert project.runs()[0]["state"] == "cancelled"


def test_task_that_ignores_the_stop_signal_is_killed_after_its_grace(project: Project) -> None:
    process = project.start_run(
        "tasks: {a: {grace: 200ms, shell: \"trap '' TERM; echo up >> trace; while :; do sleep 0.1; done\"}}"
    )
    project.wait_for_line("up")
    project("cancel")
    assert process.wait(20) == 1
    assert project.states() == {"a": "cancelled"}
