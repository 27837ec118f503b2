"""`pipectl validate`: every error at once, for people and for programs, and nothing run."""

from __future__ import annotations

import json

from tests.conftest import Project

BAD = """
    tasks:
      a: {shell: touch started, needs: nope}
      b: {shell: 'true', retries: many}
      c: {shell: [echo, '{{ params.gone }}']}
"""


def test_valid_file_is_exit_0_and_said_to_be_valid(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {shell: touch started}, b: {needs: a}}")
    got = project("validate", "p.yaml")
    assert got.stdout == "p.yaml: valid, 2 tasks\n"
    assert got.stderr == ""


def test_nothing_is_run_and_no_state_is_written(project: Project) -> None:
    project.write("p.yaml", "secrets: {S: {command: [touch, secret]}}\ntasks: {a: {shell: touch started}}")
    project("validate", "p.yaml")
    assert [path.name for path in project.root.iterdir()] == ["p.yaml"]


def test_all_errors_come_at_once_in_the_order_of_the_file(project: Project) -> None:
    project.write("p.yaml", BAD)
    said = project("validate", "p.yaml", code=2).stdout
    places = [said.index(f"p.yaml:{line}:") for line in (2, 3, 4)]
    assert places == sorted(places)
    assert said.count("error:") == 3


def test_run_tells_the_same_errors_on_standard_error(project: Project) -> None:
    project.write("p.yaml", BAD)
    said = project("validate", "p.yaml", code=2).stdout
    got = project("run", "p.yaml", code=2)
    assert got.stdout == ""
    assert got.stderr.split() == said.split()


def test_json_is_one_document_with_place_message_and_hint(project: Project) -> None:
    project.write("p.yaml", BAD)
    document = json.loads(project("validate", "p.yaml", "--format", "json", code=2).stdout)
    errors = document["errors"]
    assert [error["line"] for error in errors] == [2, 3, 4]
    assert all(set(error) == {"file", "line", "column", "message", "hint"} for error in errors)
    assert {error["file"] for error in errors} == {"p.yaml"}


def test_json_of_valid_file_has_no_errors(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {shell: 'true'}}")
    assert json.loads(project("validate", "p.yaml", "--format", "json").stdout) == {"errors": [], "warnings": []}


def test_several_files_are_all_checked(project: Project) -> None:
    project.write("good.yaml", "tasks: {a: {shell: 'true'}}")
    project.write("bad.yaml", "tasks: {a: {shel: 'true'}}")
    got = project("validate", "bad.yaml", "good.yaml", "gone.yaml", code=2)
    assert all(word in got.stdout for word in ("bad.yaml:1", "good.yaml: valid, 1 task", "gone.yaml"))
    document = json.loads(project("validate", "bad.yaml", "good.yaml", "gone.yaml", "--format", "json", code=2).stdout)
    assert {error["file"] for error in document["errors"]} == {"bad.yaml", "gone.yaml"}


def test_standard_input_is_checked_too(project: Project) -> None:
    assert "valid" in project("validate", "-", input="tasks: {a: {shell: 'true'}}").stdout
    assert "nope" in project("validate", "-", input="tasks: {a: {needs: nope}}", code=2).stdout


def test_world_outside_gives_warnings_and_with_strict_errors(project: Project) -> None:
    project.write("p.yaml", "secrets: [TOKEN]\nenv_file: .env\ntasks: {a: {python: {script: gone.py}}}")
    got = project("validate", "p.yaml")
    assert got.stdout.count("warning:") == 3
    assert "valid" in got.stdout
    strict = project("validate", "p.yaml", "--strict", code=2).stdout
    assert strict.count("error:") == 3
    assert "valid" not in strict
    document = json.loads(project("validate", "p.yaml", "--format", "json").stdout)
    assert (len(document["errors"]), len(document["warnings"])) == (0, 3)
    document = json.loads(project("validate", "p.yaml", "--format", "json", "--strict", code=2).stdout)
    assert len(document["errors"]) == 3


def test_what_warns_in_validate_stops_a_run(project: Project) -> None:
    project.write("p.yaml", "tasks: {first: {shell: touch started}, a: {python: {script: gone.py}}}")
    assert "gone.py" in project("run", "p.yaml", code=2).stderr
    assert not (project.root / "started").exists()


def test_without_a_file_or_with_a_wrong_format_it_is_exit_2(project: Project) -> None:
    project("validate", code=2)
    project.write("p.yaml", "tasks: {a: {shell: 'true'}}")
    assert "--format" in project("validate", "p.yaml", "--format", "xml", code=2).stderr


def test_odd_files_are_explained_without_a_traceback(project: Project) -> None:
    odd = {
        "empty.yaml": b"",
        "blank.yaml": b"\n\n   \n",
        "comment.yaml": b"# nothing here\n",
        "null.yaml": b"tasks:\n",
        "none.yaml": b"tasks: {}\n",
        "list.yaml": b"tasks: []\n",
        "text.yaml": b"just text",
        "binary.yaml": bytes(range(256)),
        "latin1.yaml": "tasks: {a: {shell: 'echo é'}}".encode("latin-1"),
        "utf16.yaml": "tasks: {a: {shell: 'true'}}".encode("utf-16"),
        "nul.yaml": b"tasks: {a: {shell: 'echo \0'}}",
        "two.yaml": b"tasks: {a: {shell: 'true'}}\n---\ntasks: {}\n",
        "tab.yaml": b"tasks:\n\ta: {shell: 'true'}\n",
        "anchor.yaml": b"tasks: {a: *nowhere}\n",
        "deep.yaml": b"tasks: " + b"[" * 5000 + b"]" * 5000,
        "key.yaml": b"tasks: {a: {shell: 'true'}, ? [x, y] : {shell: 'true'}}\n",
        "number.yaml": b"tasks: {1: {shell: 'true'}, 2: {needs: 1, shell: 3}}\n",
    }
    for name, data in odd.items():
        (project.root / name).write_bytes(data)
    got = project("validate", *odd, "--format", "json", code=2)
    errors = json.loads(got.stdout)["errors"]
    assert {error["file"] for error in errors} == odd.keys() - {"utf16.yaml"} | {
        error["file"] for error in errors if error["file"] == "utf16.yaml"
    }
    assert "Traceback" not in got.stderr


def test_windows_line_ends_and_a_byte_order_mark_are_no_errors(project: Project) -> None:
    text = "tasks:\r\n  a:\r\n    shell: |\r\n      echo one\r\n      echo two\r\n"
    (project.root / "p.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    project("validate", "p.yaml")
    project("run", "p.yaml")
    assert project.log("a") == "one\ntwo\n"
