"""`pipectl resume`: the rest of a run that is not a success, and nothing else."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import Project, wait_until

CHAIN = """
    tasks:
      a: {shell: echo a >> trace}
      b: {needs: a, shell: "echo b >> trace; test -e ok"}
      c: {needs: b, shell: echo c >> trace}
"""


def test_resume_runs_only_what_is_left(project: Project) -> None:
    project.run(CHAIN, code=1)
    project.write("ok", "")
    project("resume")
    assert project.lines() == ["a", "b", "b", "c"]
    assert project.runs()[0]["state"] == "success"


def test_resume_names_the_run_in_its_first_line(project: Project) -> None:
    project.run(CHAIN, code=1)
    got = project("resume", code=1)
    assert project.runs()[0]["id"] in got.stderr.splitlines()[0]


def test_resume_that_fails_again_is_exit_1_and_can_go_on_being_resumed(project: Project) -> None:
    project.run(CHAIN, code=1)
    project("resume", code=1)
    project("resume", code=1)
    project.write("ok", "")
    project("resume")
    assert project.lines() == ["a", "b", "b", "b", "b", "c"]
    assert project.instances()["b"]["attempts"] == 4


def test_resume_takes_the_newest_run_that_is_not_a_success(project: Project) -> None:
    project.run(CHAIN, code=1)
    first = project.runs()[0]["id"]
    project.run("tasks: {x: {shell: 'true'}}")
    project.write("ok", "")
    project("resume")
    assert project.show(first)["run"]["state"] == "success"


def test_resume_takes_a_run_by_the_beginning_of_its_id(project: Project) -> None:
    project.run(CHAIN, code=1)
    older = project.runs()[0]["id"]
    project("run", "p.yaml", code=1)
    project.write("ok", "")
    project("resume", older[:10])
    assert [row["state"] for row in project.runs()] == ["failed", "success"]


@pytest.mark.parametrize("name", ["nope", "%", "_", ""])
def test_resume_of_unknown_run_is_exit_2(project: Project, name: str) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    got = project("resume", name, code=2)
    assert "hint:" in got.stderr


def test_resume_with_nothing_to_do_is_exit_0(project: Project) -> None:
    project.run("tasks: {a: {shell: echo a >> trace}}")
    assert "nothing to resume" in project("resume").stderr
    assert "nothing to resume" in project("resume", "latest").stderr
    assert project.lines() == ["a"]


def test_resume_uses_the_definition_the_run_started_with(project: Project) -> None:
    project.run("tasks: {a: {shell: 'echo old >> trace; test -e ok'}}", code=1)
    project.write("p.yaml", "tasks: {a: {shell: echo new >> trace}}")
    project.write("ok", "")
    project("resume")
    assert project.lines() == ["old", "old"]


def test_resume_works_when_the_file_is_gone_or_broken(project: Project) -> None:
    project.run(CHAIN, code=1)
    (project.root / "p.yaml").write_text("tasks: [")
    project("resume", code=1)
    (project.root / "p.yaml").unlink()
    project.write("ok", "")
    project("resume")
    assert project.states() == {"a": "success", "b": "success", "c": "success"}


def test_resume_keeps_parameters_vars_and_times(project: Project) -> None:
    text = """
        params: {n: 1}
        vars: {made: "{{ params.n * 10 }} at {{ run.logical_time }}"}
        tasks:
          a: {shell: "echo $PARAM_N $MADE $PIPECTL_LOGICAL_TIME $PIPECTL_RUN_ID >> trace; test -e ok", env: {MADE: "{{ vars.made }}"}}
        """
    project.run(text, "-p", "n=7", "--logical-time", "2026-01-02", code=1)
    project.write("ok", "")
    project("resume")
    first, second = project.lines()
    assert first == second
    assert first.startswith("7 70 at 2026-01-02T00:00:00+00:00 ")


def test_resume_takes_the_callers_environment_of_the_moment(project: Project) -> None:
    project.run("tasks: {a: {shell: 'echo $CALLER >> trace; test -e ok'}}", code=1, env={"CALLER": "before"})
    project.write("ok", "")
    project("resume", env={"CALLER": "after"})
    assert project.lines() == ["before", "after"]


def test_resume_keeps_outputs_for_what_is_left(project: Project) -> None:
    project.run(
        """
        tasks:
          make: {python: "output = {'rows': [1, 2]}"}
          use: {needs: make, python: "import os; os.stat('ok'); output = inputs['make']['rows']"}
        """,
        code=1,
    )
    project.write("ok", "")
    project("resume")
    assert project.output("use") == [1, 2]
    assert project.instances()["make"]["attempts"] == 1


def test_resume_opens_skipped_by_trigger_again_but_not_by_when(project: Project) -> None:
    project.run(
        """
        tasks:
          bad: {shell: test -e ok}
          handler: {needs: bad, trigger: one_failed, shell: echo handler >> trace}
          gate: {shell: {script: "test -e ok && exit 99", skip_exit_code: 99}}
          unless: {needs: gate, trigger: all_skipped, shell: echo unless >> trace}
          when: {when: "false", shell: echo when >> trace}
          after_when: {needs: when, shell: echo after_when >> trace}
        """,
        code=1,
    )
    assert project.lines() == ["handler"]
    assert project.states()["unless"] == "skipped"
    project.write("ok", "")
    project("resume")
    states = project.states()
    assert states["handler"] == states["unless"] == "success"
    assert states["when"] == "skipped"
    assert states["after_when"] == "skipped"
    assert "when" not in project.lines()


def test_resume_leaves_allowed_failures_alone(project: Project) -> None:
    project.run(
        "tasks: {soft: {allow_failure: true, shell: 'echo s >> trace; exit 1'}, bad: {shell: test -e ok}}", code=1
    )
    project.write("ok", "")
    project("resume")
    assert project.lines() == ["s"]
    assert project.states() == {"soft": "failed", "bad": "success"}


def test_resume_from_runs_a_task_and_all_below_it_again(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {shell: echo a >> trace}
          b: {needs: a, shell: echo b >> trace}
          c: {needs: b, shell: echo c >> trace}
          other: {shell: "true"}
        """
    )
    project("resume", "--from", "b")
    assert project.lines() == ["a", "b", "c", "b", "c"]
    assert {name: row["attempts"] for name, row in project.instances().items()} == {"a": 1, "b": 2, "c": 2, "other": 1}


def test_resume_from_may_be_given_again_and_also_runs_the_rest(project: Project) -> None:
    project.run(
        "tasks: {a: {shell: echo a >> trace}, b: {shell: echo b >> trace}, c: {shell: 'echo c >> trace; test -e ok'}}",
        "-j",
        "1",
        code=1,
    )
    project.write("ok", "")
    project("resume", "--from", "a", "--from", "b")
    assert project.lines() == ["a", "b", "c", "a", "b", "c"]


def test_resume_from_unknown_task_is_exit_2_and_changes_nothing(project: Project) -> None:
    project.run(CHAIN, code=1)
    got = project("resume", "--from", "bb", code=2)
    assert "`bb`" in got.stderr
    assert project.runs()[0]["state"] == "failed"
    assert project.lines() == ["a", "b"]


def test_resume_of_a_run_that_is_held_is_exit_3(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'echo up >> trace; exec sleep 60'}}")
    project.wait_for_line("up")
    got = project("resume", code=3)
    assert f"pipectl cancel {project.runs()[0]['id']}" in got.stderr
    process.terminate()
    assert process.wait(20) == 143
    assert project.lines() == ["up"]


def test_two_resumes_run_each_task_once(project: Project) -> None:
    project.run("tasks: {a: {shell: 'echo a >> trace; test -e ok && until test -e go; do sleep 0.01; done'}}", code=1)
    project.write("ok", "")
    both = [project.start("resume"), project.start("resume")]
    refused = wait_until(lambda: next((one for one in both if one.poll() is not None), None))
    assert refused.returncode == 3
    project.write("go", "")
    assert sorted(one.wait(20) for one in both) == [0, 3]
    assert project.lines() == ["a", "a"]


def test_resume_finds_the_state_above_and_the_tasks_their_folder(project: Project) -> None:
    project.run(CHAIN, code=1)
    project.write("ok", "")
    (project.root / "deep" / "er").mkdir(parents=True)
    project("resume", cwd=project.root / "deep" / "er")
    assert project.lines() == ["a", "b", "b", "c"]


def test_resume_of_a_folder_that_was_moved_says_what_is_not_there(project: Project) -> None:
    project.write("old/p.yaml", "tasks: {a: {shell: 'echo a >> trace; test -e ok'}}")
    project("run", "old/p.yaml", code=1)
    shutil.move(project.root / "old", project.root / "new")
    got = project("resume", cwd=project.root / "new", code=None)
    assert got.returncode in {0, 1, 2}
    assert "Traceback" not in got.stderr


def test_resume_keeps_jobs_and_fail_fast_of_the_run(project: Project) -> None:
    tasks = "".join(f"  t{i}: {{shell: 'mkdir lock; test -e ok; rmdir lock; echo {i} >> trace'}}\n" for i in range(5))
    project.run(f"tasks:\n{tasks}", "-j", "1", "--fail-fast", code=1)
    assert list(project.states().values()).count("cancelled") == 4
    (project.root / "lock").rmdir()
    project.write("ok", "")
    project("resume")
    assert sorted(project.lines()) == list("01234")


def test_resume_needs_the_secrets_again(project: Project) -> None:
    text = "secrets: [TOKEN]\ntasks: {a: {shell: test -e ok}}"
    project.run(text, code=1, env={"TOKEN": "one-of-many"})
    project.write("ok", "")
    assert "TOKEN" in project("resume", code=2).stderr
    project("resume", env={"TOKEN": "one-of-many"})
