"""`pipectl simulate`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipectl.cli.options import AsJson, File, Jobs, Param, ParamsFile, State


def main(
    file: File,
    fail: Annotated[
        list[str] | None,
        typer.Option("--fail", metavar="TASK", help="Every attempt of this task fails; may be given again."),
    ] = None,
    duration: Annotated[
        list[str] | None,
        typer.Option(
            "--duration",
            metavar="TASK=TIME",
            help="How long an attempt of this task takes; may be given again [default: as it did so far, else 1s].",
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every task, however many there are.")] = False,
    param: Param = None,
    params_file: ParamsFile = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
    state: State = None,
) -> None:
    """Run a pipeline in simulated time, with failures and durations of your choice; nothing is run or written.

    Triggers, retries, time limits and slots count as in a run. Conditions over parameters and states are computed;
    those over outputs and secrets, `expect` too, are taken as true.
    """
    from pipectl.cli.outlook import look_ahead
    from pipectl.cli.simulation_facts import assumptions, simulation_facts
    from pipectl.engine.simulation import simulate

    outlook = look_ahead(file, param or [], params_file, jobs, state)
    assumed = assumptions(outlook, fail or [], duration or [])
    simulation = simulate(outlook.setting, assumed, capacity=outlook.capacity)
    if as_json:
        typer.echo(json.dumps(simulation_facts(simulation)))
        return
    from pipectl.cli.tables.simulation import print_simulation

    print_simulation(simulation, every=every)
