"""A program's pipeline goes through the same checks as a file, and is told of at the program's own lines."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from pipectl import Pipeline, PipelineError
from pipectl.authoring.checks import load
from pipectl.errors import render_problem
from pipectl.spec.load import load_text

PLACES = {"file", "line", "column", "places"}


def line_of(text: str) -> int:
    """The line of this file that ends in a comment with the text."""
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {text}"))


def unplaced(value: Any) -> Any:
    """A document without what differs between a program and a file."""
    if isinstance(value, dict):
        return {key: unplaced(one) for key, one in value.items() if key not in PLACES}
    return [unplaced(one) for one in value] if isinstance(value, list) else value


def everything() -> Pipeline:
    p = Pipeline(
        "everything",
        params={"day": {"type": "string", "default": "2026-01-02"}, "n": 3},
        vars={"file": "data/{{ params.day }}.csv"},
        env={"V": 3.5, "ON": "on"},
        secrets=["TOKEN"],
        connections={"db": "sqlite:///x.db"},
        defaults={"retries": {"max": 2, "delay": "1s", "on": [75, "timeout"]}},
        max_parallel=4,
        **{"x-note": "ignored"},
    )
    fetch = p.shell("fetch", "set -e\necho '1e3'\n", output="json", env={"T": "{{ secrets.TOKEN }}"})
    with p.group("g", foreach=["eu", "us"]) as g:
        p.python("a", "m:f", with_={"x": fetch, "o": "{{ item }}", "text": "1e3"}) >> p.task("b")
    p.sql("c", "select {{ params.n }}", connection="db", expect=["output.rowcount == 1"])
    g >> p.shell("last", ["echo", 1.5, True, "yes"], trigger="all_done")
    return p


def test_yaml_read_back_is_the_same_pipeline() -> None:
    p = everything()
    text = p.to_yaml()
    assert unplaced(load(p.generated()).document) == unplaced(load_text(text, p.origin.folder, "x").document)


def test_problem_is_told_at_the_line_that_made_the_task() -> None:
    p = Pipeline("p", colour="red")  # the pipeline
    p.shell("a", "true", needs="b")  # task a
    with p.group("g", retries=-1):  # group g
        p.shell("c", "true", env={"A": "{{ params.x }}"})  # task c
    with pytest.raises(PipelineError) as error:
        p.validate()
    found = {problem.line: problem.message for problem in error.value.problems}
    assert list(found) == [line_of("the pipeline"), line_of("task a"), line_of("group g"), line_of("task c")]
    assert "`colour`" in found[line_of("the pipeline")]
    assert "needs `b`" in found[line_of("task a")]
    assert "{ # task c" not in render_problem(error.value.problems[-1])
    assert "# task c" in render_problem(error.value.problems[-1])
    assert {problem.file for problem in error.value.problems} == {str(Path(__file__)).removeprefix(f"{Path.cwd()}/")}


def test_hints_are_in_the_traceback() -> None:
    p = Pipeline("p")
    p.shell("a", "true", retris=1)
    with pytest.raises(PipelineError) as error:
        p.validate()
    assert any("did you mean `retries`?" in note for note in error.value.__notes__)


def test_warnings_are_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN", raising=False)
    warnings = [problem.message for problem in everything().validate()]
    assert warnings == ["secret `TOKEN` is not set: there is no variable `TOKEN`"]


def test_checks_leave_the_pipeline_as_it_is() -> None:
    p = Pipeline("p", colour="red")
    p.shell("a", "true", retris=1)
    before = p.to_yaml()
    with pytest.raises(PipelineError):
        p.validate()
    assert p.to_yaml() == before


def test_definition_is_another_where_other_data_is_made() -> None:
    one, two = everything(), everything()
    two.shell("more", "true")
    digests = [load(p.generated()).sources for p in (one, everything(), two)]
    assert digests[0] == digests[1]
    assert digests[0][0] != digests[2][0]
    assert Path(digests[0][1][0]) == Path(inspect.getfile(everything))


def test_paths_are_relative_to_where_the_program_is_imported_from(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    assert everything().generated().folder == str(root)
    assert Pipeline("p", folder=str(tmp_path)).generated().folder == str(tmp_path)
