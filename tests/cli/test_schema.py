"""`pipectl schema`."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Project

SCHEMA = Path(__file__).parents[2] / "schemas" / "pipeline.schema.json"


def test_schema_is_printed_as_it_is(project: Project) -> None:
    assert project("schema").stdout == SCHEMA.read_text(encoding="utf-8")
