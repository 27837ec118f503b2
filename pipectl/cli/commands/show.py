"""`pipectl show`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipectl.cli.options import AsJson, RunName, State
from pipectl.cli.state_option import state_option
from pipectl.engine.recorded import pipeline_of
from pipectl.outline import belongs, outline
from pipectl.run_view import RunView
from pipectl.store.folder import nearest
from pipectl.store.store import Store


def main(
    run: RunName = "latest",
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="[TASK]", help="A task, a group or an instance, each instance by itself [default: all]."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every instance, however many there are.")] = False,
    as_json: AsJson = False,
    state: State = None,
) -> None:
    """Show one run with its tasks. Many instances of one task take one line, unless the task is named."""
    store = Store.open_for_reading(nearest(state))
    found = store.find(run)
    tasks = pipeline_of(store, found).tasks
    view = RunView(tasks)
    for event in store.events(found):
        view.apply(event)
    rows = view.rows
    if task is not None:
        rows = [one for one in rows if belongs(one.name, task)]
        if not rows:
            from pipectl.cli.instances import unknown

            raise unknown(found, task, [one.name for one in view.rows])
    if as_json:
        from pipectl.cli.facts import instance_facts, run_facts

        outputs = store.outputs(found)
        facts = [instance_facts(one, outputs.get(one.name)) for one in rows]
        typer.echo(json.dumps({"run": run_facts(found), "instances": facts}))
        return
    from pipectl.cli.tables.run import RunTable

    table = RunTable(found, view, outline(tasks), option=state_option(store.folder))
    table.print(rows, unfold=every or task is not None, every=every)
