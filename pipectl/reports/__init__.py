"""What a run looks like while it goes on, and when it is over: listeners to its events, one file a kind."""

from __future__ import annotations

from pipectl.model import Pipeline
from pipectl.reports.base import Report
from pipectl.store.rows import Run
from pipectl.store.store import Store


def report_for(mode: str, run: Run, pipeline: Pipeline, store: Store, state_option: str) -> Report:
    """The report of a mode: plain (auto too), json or quiet.

    `state_option` is what the commands in hints need to find the state: empty, or ` --state DIR`.
    """
    if mode == "json":
        from pipectl.reports.json_lines import JsonReport

        return JsonReport(run, pipeline, store, state_option)
    if mode == "quiet":
        from pipectl.reports.quiet import QuietReport

        return QuietReport(run, pipeline, store, state_option)
    from pipectl.reports.plain import PlainReport

    return PlainReport(run, pipeline, store, state_option)
