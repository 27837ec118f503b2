"""`pipectl resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipectl.cli.options import Durability, Output, OutputMode, State


def main(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="An id or a unique beginning of one [default: the newest unfinished]."),
    ] = None,
    again: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="TASK", help="Also run this task and all below it again; may be given again."),
    ] = None,
    durability: Durability = None,
    output: Output = OutputMode.AUTO,
    state: State = None,
) -> int:
    """Run the rest of a run that is not a success, from the definition that it started with."""
    from pipectl.executors.guard import stand_guard

    guard = stand_guard()
    from pipectl.cli.take_up import resume_run

    return resume_run(
        run,
        guard,
        again=again or [],
        state=state,
        output=output,
        durability=None if durability is None else durability.value,
    )
