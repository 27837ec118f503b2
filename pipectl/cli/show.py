"""`pipectl show`."""

from __future__ import annotations

import json

import typer

from pipectl.cli.options import AsJson, RunName, State
from pipectl.run_view import RunView
from pipectl.spec.build import build
from pipectl.store.folder import nearest
from pipectl.store.store import Store


def main(run: RunName = "latest", as_json: AsJson = False, state: State = None) -> None:
    """Show one run with its tasks."""
    store = Store.open_for_reading(nearest(state))
    found = store.find(run)
    view = RunView(build(store.definition(found.definition)).tasks)
    for event in store.events(found):
        view.apply(event)
    if as_json:
        from pipectl.cli.facts import instance_facts, run_facts

        outputs = store.outputs(found)
        rows = [instance_facts(one, outputs.get(one.name)) for one in view.instances.values()]
        typer.echo(json.dumps({"run": run_facts(found), "instances": rows}))
        return
    from pipectl.cli.tables import print_run

    print_run(found, view)
