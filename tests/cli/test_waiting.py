"""Waits and approvals over the life of a run: killed, left with `--no-wait`, answered while nobody runs it, copied."""

from __future__ import annotations

import json
import signal
import subprocess

from tests.conftest import Project, wait_until
from tests.killing import kill_runner

DEPLOY = """
    tasks:
      build: {shell: echo build >> trace}
      deploy: {needs: build, approve: {question: 'Deploy?', params: {to: test}}}
      ship: {needs: deploy, shell: 'echo "ship $TO" >> trace', env: {TO: "{{ tasks.deploy.output.to }}"}}
    """

REGIONS = """
    tasks:
      region:
        foreach: [eu, us]
        tasks:
          build: {shell: echo build $ITEM >> trace}
          ask: {needs: build, approve: "Deploy to {{ item }}?"}
          ship: {needs: ask, shell: echo ship $ITEM >> trace}
    """


def waiting(project: Project, *names: str) -> None:
    """Waits until all of these wait."""
    wait_until(lambda: (project.root / ".pipectl" / "state.db").exists() and project.runs())
    wait_until(lambda: all(project.states().get(name) == "waiting" for name in names))


# Left


def test_run_that_only_waits_for_an_answer_is_left_with_75_and_goes_on_when_it_is_given(project: Project) -> None:
    project.run(DEPLOY, "--no-wait", code=75)
    assert project.states() == {"build": "success", "deploy": "waiting", "ship": "pending"}
    assert project.runs()[0]["state"] == "interrupted"
    project("resume", "--no-wait", code=75)
    project("approve", "latest", "deploy", "-p", "to=prod")
    project("resume", "--no-wait")
    assert project.lines() == ["build", "ship prod"]


def test_left_run_says_how_to_go_on(project: Project) -> None:
    got = project.run(DEPLOY, "--no-wait", code=75)
    run = project.runs()[0]["id"]
    assert "pipectl approve" in got.stderr
    assert run in got.stderr


def test_run_is_not_left_while_something_else_can_still_go_on(project: Project) -> None:
    process = project.start_run(
        """
        tasks:
          ask: {approve: Sure?}
          file: {wait: {file: ready, interval: 50ms}}
          work: {shell: "echo up >> trace; until test -e go; do sleep 0.02; done"}
          late: {needs: [work, file], shell: echo late >> trace}
        """,
        "--no-wait",
        "-j",
        "2",
    )
    project.wait_for_line("up")
    project.write("go", "")
    waiting(project, "ask", "file")
    assert process.poll() is None
    project.write("ready", "")
    assert process.wait(20) == 75
    assert project.lines() == ["up", "late"]


def test_failure_elsewhere_is_told_when_the_run_ends_not_when_it_is_left(project: Project) -> None:
    project.run("tasks: {bad: {shell: exit 1}, ask: {approve: Sure?}}", "--no-wait", code=75)
    project("approve", "latest", "ask")
    project("resume", code=1)


# Killed


def test_approval_survives_a_kill_and_what_was_before_it_is_not_repeated(project: Project) -> None:
    process = project.start_run(DEPLOY)
    waiting(project, "deploy")
    kill_runner(process)
    assert project.states()["deploy"] == "waiting"
    again = project.start("resume")
    wait_until(lambda: project.runs()[0]["state"] == "running")
    project("approve", "latest", "deploy", "-p", "to=prod")
    assert again.wait(20) == 0
    assert project.lines() == ["build", "ship prod"]


def test_rejection_given_while_nobody_runs_the_run_holds(project: Project) -> None:
    process = project.start_run(DEPLOY)
    waiting(project, "deploy")
    kill_runner(process)
    project("reject", "latest", "deploy", "--comment", "not today")
    project("resume", code=1)
    assert project.error("deploy").endswith(": not today")
    again = project.start("resume")
    wait_until(lambda: project.states()["deploy"] == "waiting")
    project("approve", "latest", "deploy")
    assert again.wait(20) == 0
    assert project.lines() == ["build", "ship test"]


def test_answered_approval_is_not_asked_again_after_a_kill(project: Project) -> None:
    process = project.start_run(
        DEPLOY.replace('echo "ship $TO" >> trace', "echo up >> trace; until test -e go; do sleep 0.02; done")
    )
    waiting(project, "deploy")
    project("approve", "latest", "deploy")
    project.wait_for_line("up")
    kill_runner(process)
    project.write("go", "")
    project("resume")
    assert project.lines() == ["build", "up", "up"]


def test_wait_for_a_file_goes_on_after_a_kill_and_sees_what_came_meanwhile(project: Project) -> None:
    process = project.start_run(
        "tasks: {w: {wait: {file: ready, interval: 50ms}}, use: {needs: w, shell: 'cat \"$F\"', env: {F: '{{ tasks.w.output.path }}'}}}"
    )
    waiting(project, "w")
    kill_runner(process)
    project.write("ready", "here\n")
    project("resume")
    assert project.log("use") == "here\n"


def test_look_that_runs_when_the_runner_is_killed_is_ended_with_it(project: Project) -> None:
    process = project.start_run(
        "tasks: {w: {wait: {shell: 'echo up >> trace; test -e ok || exec sleep 60', interval: 50ms}}}"
    )
    project.wait_for_line("up")
    kill_runner(process)
    project.write("ok", "")
    project("resume")
    assert project.states() == {"w": "success"}
    assert project.lines() == ["up", "up"]


# Copies


def test_each_copy_asks_for_itself(project: Project) -> None:
    process = project.start_run(REGIONS)
    waiting(project, "region[eu].ask", "region[us].ask")
    got = project("approve", "latest", code=2)
    assert "region[eu].ask" in got.stderr
    assert "region[us].ask" in got.stderr
    project("reject", "latest", "region[us].ask")
    project("approve", "latest", "region[eu].ask")
    assert process.wait(20) == 1
    assert sorted(project.lines()) == ["build eu", "build us", "ship eu"]
    assert "Deploy to eu?" in json.dumps(project.show())


def test_killed_run_keeps_the_answer_of_one_copy_and_asks_the_other_again(project: Project) -> None:
    process = project.start_run(REGIONS)
    waiting(project, "region[eu].ask", "region[us].ask")
    kill_runner(process)
    project("approve", "latest", "region[eu].ask")
    project("resume", "--no-wait", code=75)
    assert project.states()["region[eu].ship"] == "success"
    assert project.states()["region[us].ask"] == "waiting"
    project("approve", "latest", "region[us].ask")
    project("resume")
    assert sorted(project.lines()) == ["build eu", "build us", "ship eu", "ship us"]


def test_foreach_of_approvals_is_answered_by_its_labels(project: Project) -> None:
    project.run("tasks: {ask: {foreach: ['a b', 'c/d'], approve: 'Sure of {{ item }}?'}}", "--no-wait", code=75)
    project("approve", "latest", "ask[a b]")
    project("approve", "latest", "ask[c/d]")
    project("resume")
    assert project.states() == {"ask[a b]": "success", "ask[c/d]": "success"}


def test_approval_in_a_child_pipeline(project: Project) -> None:
    project.write("sub/child.yaml", "tasks: {ask: {approve: {question: '{{ pipeline.name }}?', params: {n: 1}}}}")
    project.run(
        "tasks: {child: {pipeline: sub/child.yaml}, use: {needs: child, python: \"output = inputs['child']['ask']['n']\"}}",
        "--no-wait",
        code=75,
    )
    project("approve", "latest", "child.ask", "-p", "n=5")
    project("resume")
    assert project.output("use") == 5


# Ends


def test_waits_hold_no_slot_and_ten_of_them_leave_room(project: Project) -> None:
    process = project.start_run(
        """
        tasks:
          w: {foreach: "{{ range(10) | list }}", wait: {file: "ready{{ item }}", interval: 50ms}}
          work: {shell: 'for i in 0 1 2 3 4 5 6 7 8 9; do touch "ready$i"; done'}
        """,
        "-j",
        "1",
    )
    assert process.wait(30) == 0
    assert len(project.states()) == 11


def test_interrupt_ends_what_waits_and_a_resume_asks_again(project: Project) -> None:
    process = project.start_run(DEPLOY)
    waiting(project, "deploy")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert project.states()["deploy"] == "cancelled"
    got = project("approve", "latest", "deploy", code=2)
    assert "cancelled" in got.stderr
    again: subprocess.Popen[str] = project.start("resume")
    waiting(project, "deploy")
    project("approve", "latest")
    assert again.wait(20) == 0


def test_timeout_of_the_run_ends_waits(project: Project) -> None:
    project.run(
        "timeout: 300ms\ntasks: {w: {wait: nosuch}, a: {approve: Sure?}, tidy: {needs: [w, a], trigger: always, shell: echo tidy >> trace}}",
        code=1,
    )
    assert project.states() == {"w": "cancelled", "a": "cancelled", "tidy": "success"}


def test_fail_fast_of_a_group_ends_what_waits_in_it(project: Project) -> None:
    project.run(
        """
        tasks:
          g:
            fail_fast: true
            tasks:
              ask: {approve: Sure?}
              bad: {shell: exit 1}
          after: {needs: g, trigger: all_done, shell: "true"}
        """,
        code=1,
    )
    assert project.states() == {"g.ask": "cancelled", "g.bad": "failed", "after": "success"}


def test_secret_in_an_answer_or_a_question_is_not_kept(project: Project) -> None:
    project.run(
        "secrets: [KEY]\nparams: {p: x}\ntasks: {ask: {approve: {question: 'Use {{ params.p }}?', params: {note: ''}}}}",
        *("-p", "p=sesame-open", "--no-wait"),
        code=75,
        env={"KEY": "sesame-open"},
    )
    project("approve", "latest", "-p", "note=sesame-open", env={"KEY": "sesame-open"})
    project("resume", env={"KEY": "sesame-open"})
    assert project.output("ask") == {"note": "***"}
