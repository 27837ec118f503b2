"""`pipectl runs`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipectl.cli.options import AsJson, State
from pipectl.store.folder import nearest
from pipectl.store.store import Store


def main(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="So many at most.")] = 20,
    as_json: AsJson = False,
    state: State = None,
) -> None:
    """List the runs, newest first."""
    from pipectl.cli.facts import run_facts

    runs = list(Store.open_for_reading(nearest(state)).runs(limit=limit))
    if as_json:
        typer.echo(json.dumps({"runs": [run_facts(run) for run in runs]}))
        return
    from pipectl.cli.tables.runs import print_runs

    print_runs(runs)
