"""`pipectl init`."""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from pipectl.errors import UsageError

TEMPLATES = {"hello": "the shortest pipeline that shows the idea", "etl": "extract, check, transform, report"}


def main(
    template: Annotated[
        str, typer.Argument(help="; ".join(f"{name}: {what}" for name, what in TEMPLATES.items()))
    ] = "hello",
    file: Annotated[Path, typer.Option("--file", "-f", help="Where to write it.")] = Path("pipeline.yaml"),
) -> None:
    """Write a first pipeline to start from."""
    if template not in TEMPLATES:
        raise UsageError(f"there is no template `{template}`", f"there are {', '.join(f'`{n}`' for n in TEMPLATES)}")
    text = files("pipectl.cli").joinpath("templates", f"{template}.yaml").read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(text.replace("pipeline.yaml", shlex.quote(file.name)))
    except FileExistsError as error:
        raise UsageError(f"`{file}` is there already", "name another: `--file OTHER.yaml`") from error
    except OSError as error:
        raise UsageError(f"`{file}` cannot be written: {error.strerror}") from error
    typer.echo(f"wrote {file}; run it: pipectl run {shlex.quote(str(file))}")
