"""`pipectl simulate`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipectl.cli.options import AsJson, File, From, Jobs, Only, Param, ParamsFile, Skip, State, Until, selected


def main(
    file: File,
    fail: Annotated[
        list[str] | None,
        typer.Option(
            "--fail", metavar="TASK", help="Every attempt of this task, group or instance fails; may be given again."
        ),
    ] = None,
    duration: Annotated[
        list[str] | None,
        typer.Option(
            "--duration",
            metavar="TASK=TIME",
            help="How long an attempt of this task takes; may be given again [default: as it did so far, else 1s].",
        ),
    ] = None,
    items: Annotated[
        list[str] | None,
        typer.Option(
            "--items",
            metavar="TASK=NUMBER",
            help="How many items its foreach has; may be given again [default: as it says, else as in its last run,"
            " else 3].",
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every task, however many there are.")] = False,
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
    """Run a pipeline in simulated time, with failures and durations of your choice; nothing is run or written.

    Triggers, retries, time limits, slots, pools and their rates count as in a run. Conditions over parameters and
    states are computed; those over outputs and secrets, `expect` too, are taken as true. Approvals are given, or
    refused where they are to fail; nothing is taken from a cache.
    """
    from pipectl.cli.outlook import look_ahead
    from pipectl.cli.simulation_facts import assumptions, check_instances, simulation_facts
    from pipectl.engine.simulation import simulate

    selection = selected(only=only, from_=from_, until=until, skip=skip)
    outlook = look_ahead(file, param or [], params_file, jobs, state, selection)
    assumed = assumptions(
        outlook.setting.pipeline, outlook.assumptions, fail=fail or [], durations=duration or [], items=items or []
    )
    simulation = simulate(outlook.setting, assumed, capacity=outlook.capacity, earlier=outlook.earlier)
    check_instances(simulation, assumed)
    if as_json:
        typer.echo(json.dumps(simulation_facts(simulation)))
        return
    from pipectl.cli.tables.simulation import print_simulation

    print_simulation(simulation, every=every)
