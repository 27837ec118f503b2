"""From a wait or an approval to what is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipectl.model import Cause, Command, Outcome, Task
from pipectl.tasks import approve, wait
from pipectl.tasks.base import TaskFailed
from pipectl.template import Renderer, TemplateError


@dataclass
class Context:
    """An attempt in `/data`, of a pipeline in `/home/me/pipelines`."""

    folder: str = "/home/me/pipelines"
    cwd: str = "/data"
    env: Mapping[str, str] = field(default_factory=lambda: {"HOME": "/home/me", "PATH": "/bin"})
    timeout: float | None = None
    state_file: str = ""

    def render(self, value: Any) -> Any:
        return Renderer("/").render_tree(value, {"params": {"day": "2026-01-31", "pause": "1h", "n": 3}})


def prepared(kind: str, value: Any) -> Any:
    task = Task("w", "wait", {"kind": kind, kind: value, "expect": []})
    return task, wait.prepare(task, Context())  # type: ignore[arg-type]


def facts(kind: str, value: Any) -> dict[str, Any]:
    return dict(prepared(kind, value)[1].payload)


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("file", "in/{{ params.day }}/*.csv", {"path": "/data/in/2026-01-31/*.csv"}),
        ("file", "/x", {"path": "/x"}),
        ("file", "~/x", {"path": "/home/me/x"}),
        ("until", "{{ params.day }}", {"moment": 1769817600.0}),
        ("until", "2026-01-31T01:00+01:00", {"moment": 1769817600.0}),
        ("for", 90.0, {"seconds": 90.0}),
        ("for", "{{ params.pause }}", {"seconds": 3600.0}),
        ("for", "{{ params.n }}", {"seconds": 3.0}),
        ("run", {"pipeline": "other"}, {"pipeline": "other", "task": None, "logical_time": None}),
        (
            "run",
            {"pipeline": "../other.yaml", "task": "load", "logical_time": "{{ params.day }}"},
            {"pipeline": "/home/me/other.yaml", "task": "load", "logical_time": "2026-01-31T00:00:00+00:00"},
        ),
    ],
)
def test_facts_are_rendered_and_absolute(kind: str, value: object, told: dict[str, Any]) -> None:
    assert facts(kind, value) == told


@pytest.mark.parametrize(
    ("kind", "value", "error"),
    [
        ("until", "{{ params.pause }}", "`wait.until` must come to a time such as `2026-01-31T06:00`, not to `1h`"),
        ("until", "{{ params.n }}", "`wait.until` must come to a time such as `2026-01-31T06:00`, not to `3`"),
        ("for", "{{ params.day }}", "`wait.for`: `2026-01-31` is not a duration such as"),
        ("file", "{{ params.n }}", "`wait.file` must come to a path, not to `3`"),
        ("run", {"pipeline": "{{ params.n }}"}, "`wait.run.pipeline` must come to a name or a file, not to `3`"),
    ],
)
def test_values_that_do_not_fit_fail_the_attempt(kind: str, value: object, error: str) -> None:
    with pytest.raises(TaskFailed) as failed:
        facts(kind, value)
    assert str(failed.value).startswith(error)


def test_expression_that_cannot_be_computed_is_named_by_its_place() -> None:
    with pytest.raises(TemplateError, match=r"^`wait.file`: "):
        facts("file", "{{ params.nosuch }}")


def test_look_by_a_process_is_what_a_task_of_that_type_does() -> None:
    task, work = prepared("shell", {"argv": ["test", "-e", "{{ params.day }}"]})
    assert work == Command(("test", "-e", "2026-01-31"))
    assert wait.words(task, work) == "shell: test -e {{ params.day }}"
    outcome = Outcome("w", 1, Cause.EXITED, 0, output=b"n=1")
    assert wait.output(task, outcome) == {"n": "1"}


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (
            "run",
            {"pipeline": "a", "task": "t", "logical_time": "2026-01-31"},
            "task t in a run of a for 2026-01-31T00:00:00+00:00",
        ),
        ("for", 90.0, "for 1m 30s"),
        ("until", "2026-01-31", "until 2026-01-31T00:00:00+00:00"),
        ("file", "x", "file /data/x"),
    ],
)
def test_words_say_what_is_waited_for(kind: str, value: object, words: str) -> None:
    assert wait.words(*prepared(kind, value)) == words


def test_long_scripts_are_cut_to_a_line() -> None:
    task = Task("w", "wait", {"kind": "shell", "shell": {"script": "echo one\n" * 40}})
    assert wait.words(task, Command(())) == "shell: " + ("echo one " * 12)[:99] + "…"


def test_question_is_rendered() -> None:
    task = Task("a", "approve", {"question": "Deploy {{ params.n }}?"})
    assert approve.prepare(task, Context()).payload == {"question": "Deploy 3?"}  # type: ignore[arg-type]
