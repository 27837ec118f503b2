"""`pipectl run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipectl.cli.options import Durability, From, Jobs, NoWait, Only, Output, OutputMode, Skip, State, Until, selected


def main(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The pipeline file; - for standard input.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; may be given again.")
    ] = None,
    params_file: Annotated[
        Path | None, typer.Option("--params-file", metavar="FILE", help="Parameters as YAML or JSON.")
    ] = None,
    only: Only = None,
    from_: From = None,
    until: Until = None,
    skip: Skip = None,
    jobs: Jobs = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="After a failure, start nothing more and end what runs.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run every task, those too that `cache` finds unchanged.")
    ] = False,
    no_wait: NoWait = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the newest such run that is not a success, if there is one.")
    ] = False,
    logical_time: Annotated[
        str | None, typer.Option("--logical-time", metavar="TIME", help="The moment the run stands for (ISO 8601).")
    ] = None,
    durability: Durability = None,
    output: Output = OutputMode.AUTO,
    state: State = None,
) -> int:
    """Run a pipeline."""
    from pipectl.executors.guard import stand_guard

    guard = stand_guard()
    from pipectl.cli.start import Request, start

    return start(
        Request(
            file=file,
            params=param or [],
            params_file=params_file,
            selection=selected(only=only, from_=from_, until=until, skip=skip),
            jobs=jobs,
            fail_fast=fail_fast,
            force=force,
            no_wait=no_wait,
            resume=resume,
            logical_time=logical_time,
            durability=None if durability is None else durability.value,
            output=output,
            state=state,
        ),
        guard,
    )
