"""The page about Python is true: it quotes the example as it is, and what it shows is valid."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipectl import Pipeline
from pipectl.authoring.tasks import Scope
from tests.conftest import Project

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "generated.py"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_page_quotes_the_example_as_it_is() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == BLOCKS[0]


def test_example_runs_by_the_command_and_by_itself(project: Project) -> None:
    project.write("generated.py", BLOCKS[0])
    project("run", "generated.py")
    assert project.output("total") == {"texts": 3, "words": 16}
    got = subprocess.run(
        [sys.executable, "generated.py"], cwd=project.root, env=project.env, text=True, capture_output=True, check=True
    )
    assert got.stdout == "success {'texts': 2, 'words': 14}\n"


def test_what_the_page_shows_is_valid(project: Project) -> None:
    project.write("page.py", "\n".join(BLOCKS[1:]))
    project("validate", "--strict", "page.py")


def methods(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


@pytest.mark.parametrize("name", sorted(methods(Scope) - {"path", "root"}))
def test_page_names_what_makes_tasks(name: str) -> None:
    assert f"`{name}`" in PAGE or f"p.{name}(" in PAGE


@pytest.mark.parametrize("name", sorted(methods(Pipeline) - {"path", "root", "generated"}))
def test_page_names_what_a_pipeline_does(name: str) -> None:
    assert f"p.{name}(" in PAGE
