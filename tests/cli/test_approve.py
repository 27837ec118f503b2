"""`pipectl approve` and `pipectl reject`: a person answers what a run asks."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from subprocess import Popen

from pipectl.events import ApprovalAnswered
from pipectl.store.store import Store
from tests.conftest import Project, wait_until

ME = f"{pwd.getpwuid(os.getuid()).pw_name}@{os.uname().nodename}"


def ask(project: Project, body: str = "Deploy?", more: str = "") -> Popen[str]:
    """A run that waits for an answer, when this returns."""
    process = project.start_run(
        f"tasks: {{deploy: {{approve: {body}}}, after: {{needs: deploy, shell: echo done >> trace}}{more}}}"
    )
    wait_until(lambda: (project.root / ".pipectl" / "state.db").exists() and project.runs())
    wait_until(lambda: project.states()["deploy"] == "waiting")
    return process


def leave(project: Project, process: Popen[str]) -> None:
    process.kill()
    process.wait(20)
    wait_until(lambda: project.runs()[0]["state"] == "interrupted")


def answers(root: Path) -> list[ApprovalAnswered]:
    store = Store.open_for_reading(root / ".pipectl")
    try:
        return [event for event in store.events(store.find()) if isinstance(event, ApprovalAnswered)]
    finally:
        store.close()


def test_approval_lets_the_run_go_on_and_is_recorded(project: Project) -> None:
    process = ask(project, "{question: 'Deploy {{ 1 + 1 }}?', params: {version: '1.0', n: {type: integer}}}")
    got = project("approve", "latest", "deploy", "-p", "n=3", "--comment", "looks fine")
    assert got.stdout.startswith("approved `deploy` of run")
    assert "(approval: Deploy 2?)" in got.stdout
    assert process.wait(20) == 0
    assert project.lines() == ["done"]
    assert project.output("deploy") == {"version": "1.0", "n": 3}
    [answer] = answers(project.root)
    assert (answer.answer, answer.by, answer.comment) == ("approve", ME, "looks fine")
    assert answer.params == {"version": "1.0", "n": 3}


def test_rejection_fails_the_task_and_says_who_and_why(project: Project) -> None:
    process = ask(project)
    assert project("reject", "latest", "--comment", "too early").stdout.startswith("rejected `deploy`")
    assert process.wait(20) == 1
    assert project.states() == {"deploy": "failed", "after": "upstream_failed"}
    assert project.error("deploy") == f"rejected by {ME}: too early"


def test_rejection_may_skip(project: Project) -> None:
    process = ask(project, "{question: Deploy?, on_reject: skip}")
    project("reject", "latest", "deploy")
    assert process.wait(20) == 0
    assert project.states() == {"deploy": "skipped", "after": "skipped"}


def test_values_are_checked_before_anything_is_answered(project: Project) -> None:
    process = ask(project, "{question: Deploy?, params: {n: {type: integer}}}")
    assert "parameter `n` is required" in project("approve", "latest", code=2).stderr
    assert "parameter `n` must be" in project("approve", "latest", "-p", "n=x", code=2).stderr
    assert "unknown parameter `m`" in project("approve", "latest", "-p", "m=1", "-p", "n=1", code=2).stderr
    assert project.states()["deploy"] == "waiting"
    project("approve", "latest", "-p", "n=1")
    assert process.wait(20) == 0


def test_values_that_nobody_asks_for_are_refused(project: Project) -> None:
    ask(project)
    got = project("approve", "latest", "deploy", "-p", "n=1", code=2)
    assert got.stderr == "error: `deploy` asks for no values\nhint: leave out `-p n=1`\n"


def test_answers_to_what_does_not_ask_are_refused_and_say_what_does(project: Project) -> None:
    ask(project, more=", other: {approve: 'And this?'}")
    wait_until(lambda: project.states()["other"] == "waiting")
    got = project("approve", "latest", "after", code=2)
    assert "`after` does not wait for an approval: it is pending" in got.stderr
    assert "`deploy` (approval: Deploy?), `other` (approval: And this?)" in got.stderr
    assert "several tasks" in project("approve", "latest", code=2).stderr
    assert "has no task `nosuch`" in project("approve", "latest", "nosuch", code=2).stderr


def test_answer_to_a_run_that_is_over_is_refused(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    got = project("approve", "latest", code=2)
    assert "nothing of run" in got.stderr
    assert "it is success" in got.stderr
    assert "it is success" in project("reject", "latest", "a", code=2).stderr


def test_second_answer_is_refused(project: Project) -> None:
    process = ask(project, more=", hold: {approve: 'Hold?'}")
    wait_until(lambda: project.states()["hold"] == "waiting")
    project("approve", "latest", "deploy")
    assert (
        "`deploy` does not wait for an approval: it is success" in project("reject", "latest", "deploy", code=2).stderr
    )
    project("approve", "latest", "hold")
    assert process.wait(20) == 0


def test_answer_given_while_nobody_runs_the_run_holds_at_its_resume(project: Project) -> None:
    leave(project, ask(project))
    got = project("approve", "latest", "deploy")
    assert "nobody runs it now" in got.stdout
    assert f"`pipectl resume {project.runs()[0]['id']}` goes on" in got.stdout
    project("resume")
    assert project.states() == {"deploy": "success", "after": "success"}


def test_first_answer_counts(project: Project) -> None:
    leave(project, ask(project))
    project("reject", "latest")
    got = project("approve", "latest", code=2)
    assert got.stderr == f"error: `deploy` was rejected by {ME} before\n"
    project("resume", code=1)
    assert project.states()["deploy"] == "failed"


def test_answer_holds_although_its_time_passed_before_the_resume(project: Project) -> None:
    leave(project, ask(project, "{question: Deploy?, timeout: 2s}"))
    project("approve", "latest", "deploy")
    wait_until(lambda: project.runs()[0]["state"] == "interrupted")
    project("resume")
    assert project.states()["deploy"] == "success"


def test_question_that_is_asked_again_is_not_answered_by_what_was_said_before(project: Project) -> None:
    process = ask(project)
    project("approve", "latest", "deploy")
    assert process.wait(20) == 0
    again = project.start("resume", "--from", "deploy")
    wait_until(lambda: project.states()["deploy"] == "waiting")
    assert len(answers(project.root)) == 1
    project("reject", "latest", "deploy")
    assert again.wait(20) == 1
    assert [answer.answer for answer in answers(project.root)] == ["approve", "reject"]


def test_approval_that_nobody_gives_in_time_fails_skips_or_is_taken_as_given(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {approve: {question: A?, timeout: 100ms}}
          b: {approve: {question: B?, timeout: 100ms, on_timeout: skip}}
          c: {approve: {question: C?, timeout: 100ms, on_timeout: approve, params: {n: 3}}}
        """,
        code=1,
    )
    assert project.states() == {"a": "failed", "b": "skipped", "c": "success"}
    assert project.output("c") == {"n": 3}
    assert project.error("a") == "nobody answered within its time limit of 0.1s"


def test_an_answer_to_one_question_is_none_to_another(project: Project) -> None:
    file = project.write("p.yaml", "tasks: {ask: {approve: Deploy?}, go: {needs: ask, shell: 'true'}}")
    project("run", "p.yaml", "--no-wait", code=75)
    project("approve", "latest", "ask", code=0)
    file.write_text(file.read_text().replace("Deploy?", "Deploy to production?"))
    project("resume", "--updated", "--no-wait", code=75)
    project("approve", "latest", "ask", code=0)
    project("resume", code=0)
    assert project.states() == {"ask": "success", "go": "success"}


def test_a_secret_in_an_answer_is_not_kept(project: Project) -> None:
    text = "secrets: [TOKEN]\ntasks: {ask: {approve: Deploy?}, go: {needs: ask, shell: 'true'}}"
    env = {"TOKEN": "geheim1234567"}
    project.write("p.yaml", text)
    project("run", "p.yaml", "--no-wait", env=env, code=75)
    project("approve", "latest", "ask", "--comment", "it is geheim1234567", code=0)
    project("resume", env=env, code=0)
    for file in (project.root / ".pipectl").glob("state.db*"):
        assert b"geheim1234567" not in file.read_bytes(), file
