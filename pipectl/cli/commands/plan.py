"""`pipectl plan`."""

from __future__ import annotations

import json

import typer

from pipectl.cli.options import AsJson, File, From, Jobs, Only, Param, ParamsFile, Skip, State, Until, selected


def main(
    file: File,
    param: Param = None,
    params_file: ParamsFile = None,
    only: Only = None,
    from_: From = None,
    until: Until = None,
    skip: Skip = None,
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

    selection = selected(only=only, from_=from_, until=until, skip=skip)
    found = expected_run(look_ahead(file, param or [], params_file, jobs, state, selection))
    if as_json:
        typer.echo(json.dumps(plan_facts(found)))
        return
    from pipectl.cli.tables.plan import print_plan

    print_plan(found)
