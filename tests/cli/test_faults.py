"""What went wrong once, each told as the story in which it was met."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from pipectl.store.store import Store
from tests.conftest import PIPECTL, Project, wait_until


def test_a_task_that_ran_again_has_no_output_of_its_earlier_success(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {shell: 'test -e two || echo first=1 > "$PIPECTL_OUTPUT"'}
          b: {needs: a, shell: [echo, "a gave {{ tasks.a.output }}"]}
        """
    )
    project.write("two", "")
    project("resume", "--from", "a")
    assert project.log("b") == "a gave null\n"
    assert project.output("a") is None


def test_an_output_that_no_other_program_can_hold_fails_its_attempt_alone(project: Project) -> None:
    project.run(
        r"""
        tasks:
          half: {shell: 'printf %s "\"\\ud800\"" > "$PIPECTL_OUTPUT"'}
          deep: {shell: "python3 -c 'print(\"[\" * 500 + \"]\" * 500)' > \"$PIPECTL_OUTPUT\""}
          deeper: {python: "import sys\nsys.setrecursionlimit(10**6)\nx = []\nfor _ in range(3000): x = [x]\noutput = x"}
          python: {python: "output = '\\ud800'"}
          huge: {shell: 'echo 1e999 > "$PIPECTL_OUTPUT"'}
          folder: {shell: 'mkdir "$PIPECTL_OUTPUT"'}
          fifo: {shell: 'mkfifo "$PIPECTL_OUTPUT"'}
          link: {shell: 'ln -s /etc/passwd "$PIPECTL_OUTPUT"'}
          fine: {shell: 'true'}
        """,
        code=1,
    )
    states = project.states()
    assert states.pop("fine") == "success"
    assert set(states.values()) == {"failed"}
    assert "half a character" in project.error("half")
    assert "100 deep" in project.error("deep")
    assert "no file" in project.error("fifo")


def test_a_task_that_garbles_its_result_fails_alone(project: Project) -> None:
    project.write(
        "garble.py",
        """
        import os
        def write():
            for descriptor in range(3, 30):
                try: os.write(descriptor, b"garbage")
                except OSError: pass
            raise SystemExit(3)
        """,
    )
    project.run("tasks: {a: {python: 'garble:write'}, b: {shell: 'true'}}", code=1)
    assert project.states() == {"a": "failed", "b": "success"}


def test_lines_of_key_value_end_at_newlines_only(project: Project) -> None:
    project.run(r"""tasks: {a: {shell: 'printf "a=x\302\205b=y\nc=p\014q=r\n" > "$PIPECTL_OUTPUT"'}}""")
    assert project.output("a") == {"a": "x\x85b=y", "c": "p\x0cq=r"}


def test_vars_that_cannot_be_computed_leave_no_state(project: Project) -> None:
    project.run('vars: {n: "{{ 1 / 0 }}"}\ntasks: {a: {shell: echo}}', code=2)
    assert not (project.root / ".pipectl").exists()


def test_quiet_is_quiet_when_there_is_nothing_to_resume(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    for command in (["run", "p.yaml", "--resume"], ["resume"]):
        got = project(*command, "--output", "quiet")
        assert got.stdout + got.stderr == ""


def test_a_run_from_standard_input_is_resumed_in_its_folder(project: Project) -> None:
    text = "tasks: {a: {shell: 'pwd >> trace; test -e ok'}}"
    for name in ("one", "two"):
        (project.root / name).mkdir()
        project("run", "-", "--state", "../state", input=text, cwd=project.root / name, code=1)
    project.write("two/ok", "")
    project("run", "-", "--resume", "--state", "../state", input=text, cwd=project.root / "two")
    assert project.lines("two/trace") == [str(project.root / "two")] * 2
    assert project.lines("one/trace") == [str(project.root / "one")]


def test_run_resume_takes_jobs_and_another_logical_time_at_their_word(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {shell: 'echo a+ >> trace; sleep 0.1; echo a- >> trace; test -e ok'}
          b: {shell: 'echo b+ >> trace; sleep 0.1; echo b- >> trace; test -e ok'}
        """,
        *("-j", "2", "--logical-time", "2026-01-01"),
        code=1,
    )
    project.write("ok", "")
    project.write("trace", "")
    project("run", "p.yaml", "--resume", "-j", "1", "--logical-time", "2026-01-01")
    assert project.lines() == ["a+", "a-", "b+", "b-"]
    assert len(project.runs()) == 1
    (project.root / "ok").unlink()
    project("run", "p.yaml", "--logical-time", "2026-01-02", code=1)
    got = project("run", "p.yaml", "--resume", "--logical-time", "2026-01-03", code=1)
    assert "another time" in got.stderr
    assert project.runs()[0]["logical_time"] == "2026-01-03T00:00:00+00:00"


def test_always_waits_for_what_was_running_when_the_run_was_stopped(project: Project) -> None:
    project.run(
        """
        timeout: 500ms
        tasks:
          a: {grace: 5s, shell: "trap 'sleep 0.3; echo a-over >> trace; exit 1' TERM; sleep 60 & wait"}
          b: {needs: a, shell: 'true'}
          z: {needs: b, trigger: always, shell: echo z >> trace}
        """,
        code=1,
    )
    assert project.lines() == ["a-over", "z"]


def test_a_time_limit_that_was_the_grace_is_told_as_such(project: Project) -> None:
    project.run(
        """
        timeout: 300ms
        tasks:
          a: {shell: exec sleep 60}
          z: {needs: a, trigger: always, timeout: 1h, grace: 400ms, shell: exec sleep 60}
        """,
        code=1,
    )
    assert "time limit of 0.4s" in project.error("z")


def test_a_failure_is_still_told_of_a_task_that_was_cancelled_before_its_next_attempt(project: Project) -> None:
    process = project.start_run("tasks: {a: {retries: {max: 3, delay: 60s}, shell: 'echo up >> trace; exit 3'}}")
    project.wait_for_line("up")
    wait_until(lambda: project.states()["a"] == "retrying")
    process.terminate()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "next attempt" not in told.partition("stopping")[2]
    assert project.error("a") == "exit code 3"


def test_allow_failure_holds_for_a_when_that_cannot_be_told(project: Project) -> None:
    project.run("tasks: {a: {shell: echo, allow_failure: true, when: '1 / 0 > 1'}, b: {needs: a, shell: echo}}")
    assert project.states() == {"a": "failed", "b": "success"}


def test_quit_ends_everything_at_once(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'echo $$ >> trace; exec sleep 60'}}")
    wait_until(project.lines)
    os.killpg(process.pid, signal.SIGQUIT)
    assert process.wait(30) == 128 + signal.SIGQUIT
    wait_until(lambda: not Path(f"/proc/{project.lines()[0]}").exists())
    assert project.runs()[0]["state"] == "cancelled"


def test_a_run_that_was_resumed_to_its_end_meanwhile_is_not_cancelled(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'echo up >> trace; test -e ok || exec sleep 60'}}")
    project.wait_for_line("up")
    process.kill()
    process.wait(30)
    wait_until(lambda: project.runs()[0]["state"] == "interrupted")
    store = Store.open(project.root / ".pipectl")
    seen = store.find("latest")
    project.write("ok", "")
    project("resume")
    from pipectl.cli.commands.cancel import _cancel_interrupted

    assert _cancel_interrupted(store, seen).state == "success"
    store.close()


def test_cancel_takes_the_run_that_goes_on_not_the_newest(project: Project) -> None:
    project.write("long.yaml", "tasks: {a: {shell: 'echo up >> trace; exec sleep 60'}}")
    process = project.start("run", "long.yaml")
    project.wait_for_line("up")
    project.run("tasks: {a: {shell: 'true'}}")
    assert "cancelled" in project("cancel").stdout
    assert process.wait(30) == 1


def test_a_copied_project_does_not_resume_in_the_folder_of_the_original(project: Project) -> None:
    project.write("one/p.yaml", "tasks: {a: {shell: 'echo here >> trace; test -e ok'}}")
    project("run", "one/p.yaml", code=1)
    shutil.copytree(project.root / "one", project.root / "two")
    got = project("resume", cwd=project.root / "two", code=2)
    assert "moved or copied" in got.stderr
    assert project.lines("one/trace") == ["here"]


def test_hints_find_the_state_from_where_the_user_stands(project: Project) -> None:
    project.write("one/p.yaml", "tasks: {a: {shell: 'echo up >> trace; exec sleep 60'}}")
    process = project.start("run", "one/p.yaml")
    wait_until(lambda: project.lines("one/trace"))
    got = project("resume", "--state", "one/.pipectl", code=3)
    command = got.stderr.rpartition("`pipectl cancel")[2].partition("`")[0]
    done = subprocess.run(f"{PIPECTL} cancel{command}", shell=True, cwd=project.root, env=project.env, check=False)
    assert done.returncode == 0
    assert process.wait(30) == 1


def test_a_line_that_has_no_end_yet_is_shown(project: Project) -> None:
    process = project.start_run(
        "tasks: {a: {shell: 'printf half; echo up >> trace; sleep 1.2; exec sleep 60'}, b: {shell: 'true'}}"
    )
    project.wait_for_line("up")
    wait_until(lambda: "half" in project("logs").stdout)
    process.terminate()
    process.wait(30)


def test_a_folder_with_other_things_in_it_is_not_hidden_from_git(project: Project) -> None:
    project.write("elsewhere/notes.txt", "mine")
    project.run("tasks: {a: {shell: 'true'}}", "--state", "elsewhere")
    assert not (project.root / "elsewhere" / ".gitignore").exists()


def test_an_empty_state_file_is_a_state_without_runs(project: Project) -> None:
    project.write(".pipectl/state.db", "")
    assert "no runs yet" in project("runs", code=2).stderr
    project.run("tasks: {a: {shell: 'true'}}")
    assert len(project.runs()) == 1


def test_the_duration_of_a_run_is_the_time_that_it_was_worked_at(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    connection = Store.open(project.root / ".pipectl")
    with connection._database.transaction() as database:
        database.execute("UPDATE runs SET started = started - 3600, ended = ended - 3600, taken = taken - 3600")
    connection.close()
    project("resume", "--from", "a")
    assert project.runs()[0]["duration"] < 600


def test_times_in_json_lines_are_times(project: Project) -> None:
    got = project.run("tasks: {a: {retries: {max: 1, delay: 10ms}, shell: 'exit 1'}}", "--output", "json", code=1)
    rows = [json.loads(line) for line in got.stdout.splitlines()]
    (retry_at,) = [row["retry_at"] for row in rows if "retry_at" in row]
    assert retry_at.startswith("20")
