"""The documentation is true: what it shows is what happens, and what there is, it names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipectl.cli.main import COMMANDS
from pipectl.model import Pipeline, Task, TriggerRule

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "schemas" / "pipeline.schema.json").read_text(encoding="utf-8"))
BIN = Path(sys.executable).parent


def run(command: str, folder: Path) -> str:
    """What a line of the README prints, on both streams, in a terminal 100 columns wide without colour."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PIPECTL", "PARAM_"))}
    env |= {"PATH": f"{BIN}:{env['PATH']}", "NO_COLOR": "1", "COLUMNS": "100"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


def as_shape(text: str) -> list[str]:
    """The lines without what differs from run to run: ids, times, and how wide a table's columns are."""
    text = re.sub(r"\b[0-9a-f]{12}\b", "RUN", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:+]+|\b\d\d:\d\d\b", "TIME", re.sub("[━╌✗]+", "", text))
    text = re.sub(r"\b\d+(\.\d+)?(ms|s)\b( +\d+(\.\d+)?(ms|s)\b)*", "TOOK", text)
    return sorted(" ".join(re.sub("─+", "─", line).split()) for line in text.splitlines() if line.strip())


def test_readme_shows_what_its_commands_print(tmp_path: Path) -> None:
    for name, body in re.findall(r"`(\w+\.yaml)`[^`]*?```yaml\n(.*?)```", README, re.S):
        (tmp_path / name).write_text(body, encoding="utf-8")
    blocks = [block for block in re.findall(r"```console\n(.*?)```", README, re.S) if "make demo" not in block]
    assert len(blocks) >= 4
    for block in blocks:
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n?)*)", block, re.M):
            assert as_shape(run(command, tmp_path)) == as_shape(shown), command


def test_readme_files_at_a_glance_are_valid(tmp_path: Path) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common/base.yaml").write_text("vars: {}")
    (tmp_path / "publish.yaml").write_text("params: {model: ''}\ntasks: {publish: {}}")
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", README, re.S) if "connections:" in block]
    assert len(blocks) == 2
    for block in blocks:
        (tmp_path / "p.yaml").write_text(block, encoding="utf-8")
        assert "p.yaml: valid" in run("TOKEN=secret pipectl validate p.yaml", tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_names_every_command(command: str) -> None:
    assert f"`pipectl {command}" in README


@pytest.mark.parametrize("rule", TriggerRule)
def test_readme_names_every_trigger_rule(rule: TriggerRule) -> None:
    assert f"`{rule}`" in README


def keys_of_a_task() -> set[str]:
    return set(Task.__slots__) - {"name", "type", "body", "left_out", "file", "line", "column", "places"}


@pytest.mark.parametrize("key", sorted(keys_of_a_task() | set(Pipeline.__slots__) - {"file", "folder"}))
def test_readme_names_every_key(key: str) -> None:
    assert re.search(rf"`{key}`|^ *{key}:", README, re.M)


def described(fragment: object, path: str = "") -> list[str]:
    """The properties below a fragment of the schema that lack a description."""
    if isinstance(fragment, list):
        return [fault for one in fragment for fault in described(one, path)]
    if not isinstance(fragment, dict):
        return []
    faults = [
        f"{path}.{name}"
        for name, one in fragment.get("properties", {}).items()
        if isinstance(one, dict) and "description" not in one and "$ref" not in one
    ]
    return faults + [fault for name, one in fragment.items() for fault in described(one, f"{path}.{name}")]


def test_every_key_of_the_schema_has_a_description() -> None:
    assert described(SCHEMA) == []
