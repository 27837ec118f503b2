"""`pipectl resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipectl.cli.options import Durability, NoWait, Output, OutputMode, ParamsFile, State


def main(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="An id or a unique beginning of one [default: the newest unfinished]."),
    ] = None,
    again: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="TASK", help="Also run this task and all below it again; may be given again."),
    ] = None,
    updated: Annotated[
        bool, typer.Option("--updated", help="Go by the file as it is now, and run again what differs.")
    ] = False,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="Another value of a parameter; may be given again."),
    ] = None,
    params_file: ParamsFile = None,
    no_wait: NoWait = False,
    durability: Durability = None,
    output: Output = OutputMode.AUTO,
    state: State = None,
) -> int:
    """Run the rest of a run that is not a success, from the definition that it started with.

    With `--updated` or other parameters it says what differs, runs the tasks that do again and all below them, and
    keeps everything else. A task differs where its definition does, or where it names a value that does.
    """
    from pipectl.executors.guard import stand_guard

    guard = stand_guard()
    from pipectl.cli.take_up import Wanted, resume_run

    return resume_run(
        run,
        guard,
        again=again or [],
        wanted=Wanted(updated, param or [], params_file),
        no_wait=no_wait,
        state=state,
        output=output,
        durability=None if durability is None else durability.value,
    )
