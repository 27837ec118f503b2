"""`pipectl run gen.py:pipeline`: the commands, on what a program makes."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Project

GENERATED = """
    from pipectl import Pipeline, task

    @task
    def double(n):
        return 2 * n

    with Pipeline("etl", params={"n": 2}) as pipeline:
        one = pipeline.shell("one", "echo $PARAM_N; pwd > where", output="json")
        double(one)

    def other():
        made = Pipeline("other")
        made.shell("a", "true")
        return made
"""


def test_program_is_run_like_a_file(project: Project) -> None:
    project.write("gen.py", GENERATED)
    project("run", "gen.py", "-p", "n=21")
    assert project.output("double") == 42
    assert project.read("where").strip() == str(project.root.resolve())
    assert project.runs()[0]["pipeline"] == "etl"


@pytest.mark.parametrize(("file", "name"), [("gen.py", "etl"), ("gen.py:pipeline", "etl"), ("gen.py:other", "other")])
def test_pipeline_is_named_or_the_one_called_pipeline(project: Project, file: str, name: str) -> None:
    project.write("gen.py", GENERATED)
    facts = json.loads(project("graph", file, "--format", "json").stdout)
    assert {"etl": "one", "other": "a"}[name] in json.dumps(facts)


def test_only_pipeline_of_a_program_needs_no_name(project: Project) -> None:
    project.write("gen.py", "from pipectl import Pipeline\np = q = Pipeline('p')\np.shell('a', 'true')\n")
    assert "valid, 1 task" in project("validate", "gen.py").stdout


@pytest.mark.parametrize("command", ["validate", "plan", "simulate", "graph"])
def test_commands_that_look_ahead_take_a_program(project: Project, command: str) -> None:
    project.write("gen.py", GENERATED)
    assert project(command, "gen.py").stdout


def test_run_from_elsewhere_finds_everything_beside_the_program(project: Project) -> None:
    project.write("sub/table.txt", "x\ny\n")
    project.write(
        "sub/gen.py",
        """
        from pathlib import Path
        from names import NAME
        from pipectl import Pipeline
        p = Pipeline(NAME)
        for line in Path("table.txt").read_text().split():
            p.shell(line, "ls table.txt")
        """,
    )
    project.write("sub/names.py", "NAME = 'beside'\n")
    project("run", "sub/gen.py")
    assert json.loads(project("show", "--json", cwd=project.root / "sub").stdout)["run"]["pipeline"] == "beside"


def test_resume_does_not_run_the_program_again(project: Project) -> None:
    project.write(
        "gen.py",
        """
        from pipectl import Pipeline
        with open("made", "a") as file:
            file.write("made\\n")
        p = Pipeline("p")
        p.shell("a", "echo a >> trace") >> p.shell("b", "test -e ok")
        """,
    )
    project("run", "gen.py", code=1)
    project.write("ok", "")
    project("resume")
    assert project.lines() == ["a"]
    assert project.lines("made") == ["made"]


def test_program_is_run_anew_each_time(project: Project) -> None:
    project.write(
        "gen.py",
        """
        import os
        from pipectl import Pipeline
        p = Pipeline("p")
        p.shell(os.environ["NAME"], "true")
        """,
    )
    for name in ("first", "second"):
        project("run", "gen.py", env={"NAME": name})
        assert list(project.states()) == [name]


def test_what_a_program_prints_is_no_result(project: Project) -> None:
    project.write("gen.py", "print('hello')\n" + "from pipectl import Pipeline\nPipeline('p').shell('a', 'true')\n")
    project.write("more.py", "from gen import *\np = Pipeline('p'); p.shell('a', 'true')\n")
    got = project("plan", "more.py", "--json")
    json.loads(got.stdout)
    assert "hello" in got.stderr


@pytest.mark.parametrize(
    ("text", "file", "told"),
    [
        ("x = 1\n", "gen.py", "gen.py: error: `gen.py` has no pipeline at its top level"),
        (GENERATED, "gen.py:pipelin", "hint: did you mean `pipeline`?"),
        (GENERATED, "gen.py:one", "`one` is of type `Task`, not a Pipeline"),
        ("from pipectl import Pipeline\na = Pipeline('a')\nb = Pipeline('b')\n", "gen.py", "`gen.py:a`, `gen.py:b`"),
        ("x = (\n", "gen.py", "gen.py:1:5: error: the program failed: SyntaxError: '(' was never closed"),
        ("def f():\n    return 1 / 0\nf()\n", "gen.py", "gen.py:2:1: error: the program failed: ZeroDivisionError"),
        ("import nothere\n", "gen.py", "the program failed: ModuleNotFoundError: No module named 'nothere'"),
        ("raise SystemExit('no')\n", "gen.py", "the program left before it made a pipeline: no"),
        ("import os\nos._exit(3)\n", "gen.py", "the program ended before it made a pipeline (exit code 3)"),
        ("from pipectl import Pipeline\np = Pipeline('p')\np.run()\n", "gen.py", 'under `if __name__ == "__main__":`'),
    ],
)
def test_program_without_a_pipeline_is_exit_2_and_says_why(project: Project, text: str, file: str, told: str) -> None:
    project.write("gen.py", text)
    assert told in project("validate", file, code=2).stdout
    assert not (project.root / ".pipectl").exists()


def test_traceback_is_of_the_program_only(project: Project) -> None:
    project.write("gen.py", "import helper\nhelper.go()\n")
    project.write("helper.py", "def go():\n    raise KeyError('k')\n")
    got = project("run", "gen.py", code=2)
    assert "helper.py" in got.stderr
    assert "importlib" not in got.stderr
    assert "authoring" not in got.stderr


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("json.py", "there is a module `json` already"),
        ("a.b.py", "cannot be imported by its name"),
        ("no.py", "no such"),
    ],
)
def test_program_that_tasks_could_not_import_is_refused(project: Project, file: str, told: str) -> None:
    if file != "no.py":
        project.write(file, GENERATED)
    assert told in project("validate", file, code=2).stdout


def test_modules_beside_the_program_do_not_stand_in_for_those_of_pipectl(project: Project) -> None:
    project.write("yaml.py", "raise SystemExit('not this one')\n")
    project.write("jinja2.py", "raise SystemExit('not this one')\n")
    project.write("gen.py", GENERATED)
    project("run", "gen.py")
    assert project.output("double") == 4
