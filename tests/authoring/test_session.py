"""`p.run()` and `p.simulate()`, from programs that are run as a user would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished, Project, wait_until

HEAD = "import json, sys\nfrom pipectl import Pipeline, PipectlError, PipelineError, task\n"


def program(project: Project, text: str, *args: str, code: int = 0, file: str = "gen.py", **options: Any) -> Finished:
    """Runs a Python program in the project."""
    path = project.write(file, HEAD)
    path.write_text(HEAD + project.write("body", text).read_text())
    command = [sys.executable, *(args or [file])]
    options = {"cwd": project.root, "env": project.env, "stdin": subprocess.DEVNULL, **options}
    got = subprocess.run(command, text=True, capture_output=True, timeout=60, check=False, **options)
    assert got.returncode == code, got.stdout + got.stderr
    return got


def told(got: Finished) -> Any:
    return json.loads(got.stdout.splitlines()[-1])


DOUBLE = """
    @task
    def double(n):
        print("doubling", n)
        return 2 * n

    with Pipeline("p", params={"n": {"type": "string"}}) as p:
        one = p.shell("one", ["echo", "{{ params.n }}"], output="json")
        double(one)

    if __name__ == "__main__":
"""


def test_run_gives_the_state_the_id_and_the_outputs(project: Project) -> None:
    got = program(
        project,
        DOUBLE
        + """
        result = p.run(params={"n": "21"}, output="plain", durability="normal")
        print(json.dumps([result.id, result.state, result.exit_code, result.outputs, result.output("nothing")]))
    """,
    )
    assert told(got) == [project.runs()[0]["id"], "success", 0, {"one": 21, "double": 42}, None]
    assert "doubling 21" in got.stderr


def test_failed_run_is_a_result_and_can_be_resumed(project: Project) -> None:
    text = """
        p = Pipeline("p")
        p.shell("a", "echo a >> trace") >> p.shell("b", "test -e ok")
        if __name__ == "__main__":
            result = p.run(output="quiet", resume=True, durability="normal")
            print(json.dumps([result.state, result.exit_code, result.id]))
            sys.exit(result.exit_code)
    """
    first = told(program(project, text, code=1))
    assert first[:2] == ["failed", 1]
    project.write("ok", "")
    assert told(program(project, text)) == ["success", 0, first[2]]
    assert project.lines() == ["a"]


def test_program_and_command_share_state_and_name(project: Project) -> None:
    text = 'p = Pipeline("p")\np.shell("a", "true")\nif __name__ == "__main__":\n    p.run(output="quiet")\n'
    program(project, text)
    project("run", "gen.py", "--output", "quiet")
    program(project, text)
    assert [run["pipeline"] for run in project.runs()] == ["p", "p", "p"]


def test_two_runs_at_once_each_know_their_own(project: Project) -> None:
    got = program(
        project,
        """
        from concurrent.futures import ThreadPoolExecutor
        p = Pipeline("p", params={"n": 0})
        p.shell("a", "echo $PARAM_N", output="json")
        if __name__ == "__main__":
            with ThreadPoolExecutor() as threads:
                run = lambda n: p.run(params={"n": n}, output="quiet", durability="normal").output("a")
                print(json.dumps(list(threads.map(run, range(4)))))
        """,
    )
    assert told(got) == [0, 1, 2, 3]


def test_invalid_pipeline_is_an_exception_and_nothing_runs(project: Project) -> None:
    got = program(
        project,
        """
        p = Pipeline("p")
        p.shell("a", "touch started", needs="b")
        try:
            p.run()
        except PipelineError as error:
            print(json.dumps([str(error), error.problems[0].line]))
        """,
    )
    assert told(got) == ["gen.py:4:1: task `a` needs `b`, which is not defined", 4]
    assert not (project.root / "started").exists()


@pytest.mark.parametrize(
    ("options", "told_of"),
    [
        ('params={"day": 1, "m": 2}', "`m`"),
        ('params={"day": 1}, params_file="x.yaml"', "parameters are given in two ways"),
        ("", "`day`"),
        ('params={"day": object()}', "no plain data"),
    ],
)
def test_parameters_are_checked_before_anything_starts(project: Project, options: str, told_of: str) -> None:
    got = program(
        project,
        f"""
        p = Pipeline("p", params={{"day": {{"type": "integer"}}}})
        p.shell("a", "true")
        try:
            p.run({options})
        except PipectlError as error:
            print(json.dumps(str(error)))
        """,
    )
    assert told_of in told(got)
    assert not (project.root / ".pipectl").exists()


def test_refusal_of_the_command_is_an_exception_of_its_kind(project: Project) -> None:
    got = program(
        project,
        """
        from pipectl.errors import UsageError
        p = Pipeline("p")
        p.shell("a", "true")
        try:
            p.run(no_such_option=3)
        except UsageError as error:
            print(json.dumps(str(error)))
        """,
    )
    assert "exit code 2" in told(got)
    assert "No such option" in got.stderr


def test_simulation_is_what_the_command_tells(project: Project) -> None:
    got = program(
        project,
        """
        p = Pipeline("p")
        a, b = p.shell("a", "touch started"), p.shell("b", "true")
        a >> b
        print(json.dumps(p.simulate(fail=b, duration={"a": "5s", "b": "1s"})))
        """,
    )
    assert told(got)["makespan"] == 6.0
    assert {one["name"]: one["state"] for one in told(got)["instances"]} == {"a": "success", "b": "failed"}
    assert not (project.root / "started").exists()


def test_interrupted_program_ends_its_run_and_leaves_nothing(project: Project) -> None:
    path = project.write(
        "gen.py",
        """
        from pipectl import Pipeline
        p = Pipeline("p")
        p.shell("a", "echo $$ > pid; sleep 60")
        if __name__ == "__main__":
            p.run(output="quiet", durability="normal")
        """,
    )
    caller = subprocess.Popen([sys.executable, path], cwd=project.root, env=project.env, stderr=subprocess.PIPE)
    wait_until(lambda: project.read("pid").strip())
    caller.send_signal(signal.SIGINT)
    _, printed = caller.communicate(timeout=30)
    assert b"KeyboardInterrupt" in printed
    assert project.runs()[0]["state"] == "cancelled"
    with pytest.raises(ProcessLookupError):
        os.kill(int(project.read("pid")), 0)


def test_module_of_a_package_is_run_from_where_it_is_imported(project: Project) -> None:
    project.write("app/__init__.py", "")
    got = program(project, DOUBLE + '        print(json.dumps(p.run(params={"n": "2"}, output="quiet").outputs))\n',
                  "-m", "app.gen", file="app/gen.py")  # fmt: skip
    assert told(got)["double"] == 4
    assert (project.root / ".pipectl").is_dir()


def test_interactive_session_runs_where_it_is_and_has_no_functions_to_name(project: Project) -> None:
    got = program(project, "", "-c", HEAD + "\n".join([
        'p = Pipeline("p")',
        'p.shell("a", "pwd", output="text")',
        'print(p.run(output="quiet").output("a"))',
        'def f(): ...',
        'p.python("b", f)',
        'try: p.to_yaml()',
        'except PipelineError as error: print(error.problems[0].message)',
    ]))  # fmt: skip
    where, why = got.stdout.splitlines()
    assert Path(where) == project.root.resolve()
    assert "interactive session cannot be imported" in why


def test_python_interface_costs_the_command_nothing(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    got = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pipectl", "run", "p.yaml", "--output", "quiet"],
        cwd=project.root, env=project.env, text=True, capture_output=True, check=True,
    )  # fmt: skip
    loaded = {line.split("|")[-1].strip() for line in got.stderr.splitlines()}
    assert not {name for name in loaded if name.startswith("pipectl.authoring.")}
