"""`pipectl schema`."""

from __future__ import annotations

from importlib.resources import files

import typer


def main() -> None:
    """Print the JSON Schema of pipeline files.

    Editors complete and check by it: `# yaml-language-server: $schema=FILE` at the top of a pipeline names it.
    """
    typer.echo(files("pipectl.schemas").joinpath("pipeline.schema.json").read_text(encoding="utf-8"), nl=False)
