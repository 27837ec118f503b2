"""What a run looks like while it goes on, and when it is over: listeners to its events, one file a kind."""

from __future__ import annotations

from pipectl.model import Pipeline
from pipectl.reports.base import Report
from pipectl.store.store import Run, Store


def report_for(mode: str, run: Run, pipeline: Pipeline, store: Store, resume_command: str) -> Report:
    """The report of a mode: plain (auto too), json or quiet. `resume_command` is what the hint of a failure shows."""
    if mode == "json":
        from pipectl.reports.json_lines import JsonReport

        return JsonReport(run, pipeline, store, resume_command)
    if mode == "quiet":
        from pipectl.reports.quiet import QuietReport

        return QuietReport(run, pipeline, store, resume_command)
    from pipectl.reports.plain import PlainReport

    return PlainReport(run, pipeline, store, resume_command)
