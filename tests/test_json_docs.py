"""docs/json.md names every key that commands print for programs, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pipectl.events import Event
from tests.conftest import Project

TEXT = (Path(__file__).parents[1] / "docs" / "json.md").read_text(encoding="utf-8")
OPAQUE = {"params", "output", "counts"}  # their keys are the user's, or states

PIPELINE = """
secrets: [MISSING]
params: {n: 1}
tasks:
  a: {when: params.n > 0, shell: echo said; exit 1, allow_failure: true, retries: {max: 1, delay: 0}}
  b: {needs: a, shell: 'true'}
  each: {needs: b, foreach: '{{ tasks.b.output or [1] }}', shell: 'true'}
  join: {needs: b}
"""
UNWARNED = PIPELINE.replace("secrets: [MISSING]\n", "")


def section(command: str) -> str:
    (found,) = re.findall(rf"^## `pipectl {re.escape(command)}`\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    return str(found)


def documented(command: str) -> set[str]:
    rows = re.findall(r"^\| (`.*?) \|", section(command), re.M)
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def printed(value: Any, path: str = "") -> Iterator[str]:
    """The keys of a JSON value, with those of what they hold."""
    if isinstance(value, list):
        for one in value:
            yield from printed(one, f"{path}[]")
    elif isinstance(value, dict) and path.rpartition(".")[2] not in OPAQUE:
        for key, inner in value.items():
            yield f"{path}.{key}".removeprefix(".")
            yield from printed(inner, f"{path}.{key}".removeprefix("."))


def leaves(paths: set[str]) -> set[str]:
    """The keys without those that only hold others."""
    return {path for path in paths if not any(re.match(rf"{re.escape(path)}[.\[]", other) for other in paths)}


@pytest.mark.parametrize(
    "command",
    ["runs --json", "show --json", "plan --json", "simulate --json", "graph --format json", "doctor --json"],
)
def test_keys_of_a_command_are_all_documented_and_no_others(project: Project, command: str) -> None:
    project.run(UNWARNED)
    project.write("p.yaml", PIPELINE)
    name, *options = command.split()
    file = ["p.yaml"] if name in {"plan", "simulate", "graph", "doctor"} else []
    document = json.loads(project(name, *file, *options).stdout)
    assert leaves(documented(command)) == leaves(set(printed(document)))


def test_keys_of_validate_are_documented(project: Project) -> None:
    project.write("bad.yaml", "tasks: {a: {needs: b}}")
    project.write("p.yaml", PIPELINE)
    document = json.loads(project("validate", "bad.yaml", "p.yaml", "--format", "json", code=2).stdout)
    assert documented("validate --format json") == leaves(set(printed(document)))


def keys_by_event() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section("run --output json"), re.M)
    return {event: set(re.findall(r"`(\w+)`", text)) | {"event", "run", "at"} for event, text in rows}


@pytest.mark.parametrize("kind", Event.__subclasses__(), ids=lambda kind: kind.kind)
def test_events_are_documented_with_their_keys(kind: type[Event]) -> None:
    assert {field.name for field in fields(kind)} <= keys_by_event()[kind.kind]


def test_lines_of_a_run_have_the_keys_that_are_documented(project: Project) -> None:
    lines = [json.loads(line) for line in project.run(UNWARNED, "--output", "json").stdout.splitlines()]
    assert lines[0] == {"event": "run", "version": 1, "run": lines[0]["run"], "pipeline": "p"}
    for line in lines:
        assert set(line) <= keys_by_event()[line["event"]]
    assert {"log", "exit_code", "error"} <= set(next(one for one in lines if one["event"] == "attempt_finished"))


@pytest.mark.parametrize(
    ("command", "rows"), [("plan p.yaml --json", "tasks"), ("graph p.yaml --format json", "nodes")]
)
def test_join_has_no_type(project: Project, command: str, rows: str) -> None:
    project.write("p.yaml", PIPELINE)
    document = json.loads(project(*command.split()).stdout)
    assert {row["name"]: row["type"] for row in document[rows]} == {
        "a": "shell",
        "b": "shell",
        "each": "shell",
        "join": None,
    }


def test_readme_leads_to_it() -> None:
    assert "(docs/json.md)" in (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
