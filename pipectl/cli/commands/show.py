"""`pipectl show`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pipectl.cli.options import AsJson, RunName, State
from pipectl.cli.state_option import state_option
from pipectl.model import RunState
from pipectl.run_view import RunView
from pipectl.spec.build import build
from pipectl.store.folder import nearest
from pipectl.store.store import Store


def main(
    run: RunName = "latest",
    every: Annotated[bool, typer.Option("--all", help="Every task, however many there are.")] = False,
    as_json: AsJson = False,
    state: State = None,
) -> None:
    """Show one run with its tasks."""
    store = Store.open_for_reading(nearest(state))
    found = store.find(run)
    tasks = build(store.definition(found.definition)).tasks
    view = RunView(tasks)
    for event in store.events(found):
        view.apply(event)
    if as_json:
        from pipectl.cli.facts import instance_facts, run_facts

        outputs = store.outputs(found)
        rows = [instance_facts(one, outputs.get(one.name)) for one in view.instances.values()]
        typer.echo(json.dumps({"run": run_facts(found), "instances": rows}))
        return
    from pipectl.cli.tables.run import print_run

    hint = ""
    if found.state in {RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED}:
        hint = f"hint: `pipectl resume {found.id}{state_option(store.folder)}` runs the rest"
    print_run(found, view, tasks, hint=hint, every=every)
