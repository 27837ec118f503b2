"""`pipectl logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from pipectl.cli.options import RunName, State
from pipectl.store.folder import nearest
from pipectl.store.store import Store


def main(
    run: RunName = "latest",
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="A task, a group or an instance [default: all].")
    ] = None,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, metavar="N", help="One attempt [default: the newest].")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as the run does, until it ends.")] = False,
    state: State = None,
) -> None:
    """Show what the tasks of a run printed, also while it runs."""
    from pipectl.cli.log_reader import LogReader

    store = Store.open_for_reading(nearest(state))
    reader = LogReader(store, store.find(run), task, attempt)
    if follow:
        reader.follow()
    else:
        reader.print_all()
