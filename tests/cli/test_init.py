"""`pipectl init`: a first pipeline that runs."""

from __future__ import annotations

import pytest

from pipectl.cli.commands.init import TEMPLATES
from tests.conftest import Project


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_is_valid_and_runs(project: Project, template: str) -> None:
    got = project("init", template)
    assert "pipectl run pipeline.yaml" in got.stdout
    project("validate", "--strict", "pipeline.yaml")
    project("run", "pipeline.yaml")
    assert set(project.states().values()) == {"success"}


def test_init_without_a_word_writes_the_shortest(project: Project) -> None:
    project("init")
    assert "name: hello" in project.read("pipeline.yaml")


def test_file_option_names_another_file(project: Project) -> None:
    got = project("init", "etl", "--file", "other file.yaml")
    assert "pipectl run 'other file.yaml'" in got.stdout
    assert "pipeline.yaml" not in project.read("other file.yaml")


def test_file_that_is_there_is_never_overwritten(project: Project) -> None:
    project.write("pipeline.yaml", "mine")
    got = project("init", code=2)
    assert "--file" in got.stderr
    assert project.read("pipeline.yaml") == "mine"


def test_unknown_template_is_exit_2_and_names_those_there_are(project: Project) -> None:
    got = project("init", "nope", code=2)
    assert all(name in got.stderr for name in TEMPLATES)
    assert list(project.root.iterdir()) == []


def test_folder_that_is_not_there_is_exit_2(project: Project) -> None:
    assert "cannot be written" in project("init", "-f", "no/where.yaml", code=2).stderr
