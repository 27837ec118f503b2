"""What a run looks like while it goes on, and when it is over: listeners to its events, one file a kind."""

from __future__ import annotations

import os

from pipectl.model import Pipeline
from pipectl.reports.base import Report
from pipectl.reports.text import can_repaint
from pipectl.store.rows import Run
from pipectl.store.store import Store


def report_for(mode: str, run: Run, pipeline: Pipeline, store: Store, state_option: str) -> Report:
    """The report of a mode: live (where standard error is a terminal that can show it), plain, json or quiet.

    `auto` is live, but in CI, whose logs keep what a terminal would repaint.

    `state_option` is what the commands in hints need to find the state: empty, or ` --state DIR`.
    """
    if mode == "json":
        from pipectl.reports.json_lines import JsonReport

        return JsonReport(run, pipeline, store, state_option)
    if mode == "quiet":
        from pipectl.reports.quiet import QuietReport

        return QuietReport(run, pipeline, store, state_option)
    if mode in {"live", "auto"} and can_repaint() and not (mode == "auto" and os.environ.get("CI")):
        from pipectl.reports.live import LiveReport

        return LiveReport(run, pipeline, store, state_option)
    from pipectl.reports.plain import PlainReport

    return PlainReport(run, pipeline, store, state_option)
