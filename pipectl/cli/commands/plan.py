"""`pipectl plan`."""

from __future__ import annotations

import json

import typer

from pipectl.cli.options import AsJson, File, Jobs, Param, ParamsFile, State


def main(
    file: File,
    param: Param = None,
    params_file: ParamsFile = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
    state: State = None,
) -> None:
    """Show what would run, in what order, why and for how long, if nothing fails.

    Expected durations are those of the newest runs. A condition over what only the run knows (outputs, secrets) is
    told as `if …`, and taken as true. Nothing is run or written.
    """
    from pipectl.cli.outlook import look_ahead
    from pipectl.cli.plan_facts import expected_run, plan_facts

    found = expected_run(look_ahead(file, param or [], params_file, jobs, state))
    if as_json:
        typer.echo(json.dumps(plan_facts(found)))
        return
    from pipectl.cli.tables.plan import print_plan

    print_plan(found)
