"""`pipectl doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipectl.cli.options import AsJson, State


def main(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Also look at what this pipeline needs [default: none].")
    ] = None,
    as_json: AsJson = False,
    state: State = None,
) -> None:
    """Check this machine, a state, and what a pipeline needs. Nothing is changed."""
    from pipectl.cli.doctor import machine, pipeline
    from pipectl.cli.doctor import state as states

    checks = [*machine.checks(), *states.checks(file, state), *pipeline.checks(file, state)]
    if as_json:
        typer.echo(json.dumps({"checks": [asdict(check) for check in checks]}))
        return
    from pipectl.cli.doctor.table import print_checks

    print_checks(checks)
