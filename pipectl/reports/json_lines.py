"""Events on standard output, one JSON object a line, for programs."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from pipectl.events import AttemptFinished, Event, RunFinished, encode
from pipectl.model import Pipeline, State
from pipectl.reports.base import Report
from pipectl.store.store import Run, Store

VERSION = 1
"""Of the shape of the lines; the first line of a run names it."""


class JsonReport(Report):
    """Every event as it was recorded; a failed attempt comes with its log's end, the end of the run with its counts."""

    def __init__(self, run: Run, pipeline: Pipeline, store: Store, resume_command: str) -> None:
        super().__init__(run, pipeline, store, resume_command)
        self._silent = False
        self._write({"event": "run", "version": VERSION, "run": run.id, "pipeline": run.pipeline})

    def event(self, event: Event) -> None:
        """Writes the event."""
        super().event(event)
        row: dict[str, Any] = {
            "event": event.kind,
            "at": datetime.fromtimestamp(event.at, UTC).isoformat(timespec="milliseconds"),
            "run": self.run.id,
        }
        instance = getattr(event, "instance", None)
        if instance is not None:
            row["instance"] = instance
        row |= json.loads(encode(event))
        if isinstance(event, AttemptFinished) and event.state is State.FAILED:
            row["log"] = self.tail(self.view.instances[event.instance])
        if isinstance(event, RunFinished):
            row["counts"] = self.view.counts()
        self._write(row)

    def _write(self, row: dict[str, Any]) -> None:
        if self._silent:
            return
        try:
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            self._silent = True
