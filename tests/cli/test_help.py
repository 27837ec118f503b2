"""Help, usage errors and shell completion: every command and option explains itself."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest
import typer

from pipectl import __version__
from pipectl.cli.main import COMMANDS, app
from tests.conftest import Project

OPTIONS = {
    "run": "-p --params-file --only --from --until --skip -j --fail-fast --force --no-wait --resume --logical-time --durability --state --output",
    "resume": "--from --updated -p --params-file --no-wait --durability --state --output",
    "validate": "--format --strict",
    "plan": "-p --params-file --only --from --until --skip -j --json --state",
    "simulate": "--fail --duration --items -p --params-file --only --from --until --skip -j --json --state --all",
    "graph": "--format --depth",
    "schema": "",
    "doctor": "--json --state",
    "runs": "--limit --json --state",
    "show": "--all --json --state",
    "logs": "--follow --attempt --state",
    "cancel": "--state",
    "approve": "-p --comment --state",
    "reject": "--comment --state",
    "init": "--file",
}


def test_help_lists_every_command_with_its_line(project: Project) -> None:
    for option in ("--help", "-h"):
        said = project(option).stdout
        for name, line in COMMANDS.items():
            assert re.search(rf"^  {name} +{re.escape(line)}$", said, re.MULTILINE), name


def test_lines_of_help_agree_with_the_commands_themselves() -> None:
    for name, line in COMMANDS.items():
        doc = import_module(f"pipectl.cli.commands.{name}").main.__doc__
        assert doc.startswith(line.removesuffix(".")), (name, doc)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_the_options_of_the_design(project: Project, command: str) -> None:
    said = project(command, "--help", env={"COLUMNS": "200"}).stdout
    assert f"Usage: pipectl {command} " in said
    for option in OPTIONS[command].split():
        assert re.search(rf"(^|\s|, ){re.escape(option)}\b", said), option
    named = set(re.findall(r"(?<!\w)(--[\w-]+)", said[said.index("Options:") :]))
    declared = {word for word in OPTIONS[command].split() if word.startswith("--")}
    assert named <= declared | {"--param", "--jobs", "--help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_argument_has_help(command: str) -> None:
    group: Any = typer.main.get_command(app)
    for parameter in group.get_command(None, command).params:
        assert parameter.help, parameter.name


def test_version_is_told(project: Project) -> None:
    assert project("--version").stdout == f"pipectl {__version__}\n"


def test_pipectl_alone_shows_help(project: Project) -> None:
    got = project(code=2)
    assert "Commands:" in got.stdout + got.stderr


@pytest.mark.parametrize(
    "args",
    [["nope"], ["--nope"], ["run"], ["run", "--nope", "p.yaml"], ["run", "a.yaml", "b.yaml"], ["show", "--limit"]],
)
def test_wrong_usage_is_exit_2_without_a_traceback(project: Project, args: list[str]) -> None:
    got = project(*args, code=2)
    assert got.stdout == ""
    assert "Traceback" not in got.stderr
    assert "Usage:" in got.stderr or "error:" in got.stderr


def test_mistyped_command_is_told_the_near_one(project: Project) -> None:
    assert "resume" in project("resum", code=2).stderr


def complete(project: Project, words: str) -> list[str]:
    """What bash would offer for the last of the words."""
    got = project(
        code=None,
        env={
            "_PIPECTL_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
    )
    assert got.returncode == 0, got.stderr
    return got.stdout.split()


def test_completion_offers_commands_and_options(project: Project) -> None:
    assert set(complete(project, "pipectl ")) >= set(COMMANDS)
    assert complete(project, "pipectl resu") == ["resume"]
    assert "--params-file" in complete(project, "pipectl run --par")
    assert set(complete(project, "pipectl run --output ")) == {"auto", "live", "plain", "json", "quiet"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_shown_for_the_shells(project: Project, shell: str) -> None:
    got = project(code=None, env={"_PIPECTL_COMPLETE": f"source_{shell}"})
    assert "_PIPECTL_COMPLETE" in got.stdout, got.stderr


def test_module_is_the_command_too(project: Project) -> None:
    got = subprocess.run([sys.executable, "-m", "pipectl", "--version"], capture_output=True, text=True, check=True)
    assert got.stdout == f"pipectl {__version__}\n"
