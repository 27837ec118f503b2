"""The budget of a start: what the common commands must not import, since each would cost more than the work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import PIPECTL, Project

HEAVY = (
    "jsonschema",
    "yaml",
    "jinja2",
    "rich",
    "asyncio",
    "dotenv",
    "concurrent",
    "multiprocessing",
    "email",
    "ssl",
    "pydantic",
    "filelock",
)

OF_FEATURES = (
    "pipectl.engine.cache_key",
    "pipectl.engine.caches",
    "pipectl.engine.differences",
    "pipectl.engine.waits",
    "pipectl.machine",
    "pipectl.spec.load",
    "pipectl.store.hashes",
    "pipectl.store.pools",
)
"""Modules of features that most pipelines do without."""


def imported(project: Project, *args: str) -> set[str]:
    """The packages and modules that the installed command imports, the forked runner included."""
    got = subprocess.run(
        [sys.executable, "-X", "importtime", PIPECTL, *args],
        cwd=project.root,
        env=project.env,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    rows = [line.split("|") for line in got.stderr.splitlines() if line.startswith("import time:")]
    names = {row[2].strip() for row in rows if len(row) == 3}
    return {*names, *(name.partition(".")[0] for name in names)}


def test_help_and_version_import_next_to_nothing(project: Project) -> None:
    for option in ("--help", "--version"):
        names = imported(project, option)
        assert names.isdisjoint({*HEAVY, "sqlite3"})
        assert "typer" in names


def test_run_of_an_unchanged_file_imports_no_loader(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    names = imported(project, "run", "p.yaml", "--durability", "normal", "--output", "quiet")
    assert names.isdisjoint(HEAVY)
    assert names.isdisjoint(OF_FEATURES)
    assert "sqlite3" in names


def test_run_with_parameters_that_are_given_needs_no_loader_either(project: Project) -> None:
    project.run("params: {n: 1}\ntasks: {a: {shell: 'test $PARAM_N = 2'}}", "-p", "n=2")
    assert imported(project, "run", "p.yaml", "-p", "n=2", "--output", "quiet").isdisjoint({"yaml", "jinja2", "rich"})


@pytest.mark.parametrize("command", ["runs", "show"])
def test_json_of_reading_commands_imports_no_table(project: Project, command: str) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    assert imported(project, command, "--json").isdisjoint(HEAVY)


def test_logs_and_cancel_import_no_table(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    assert imported(project, "logs").isdisjoint(HEAVY)
    assert imported(project, "cancel").isdisjoint(HEAVY)
