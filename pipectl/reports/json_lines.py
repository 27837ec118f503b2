"""Events on standard output, one JSON object a line, for programs."""

from __future__ import annotations

import json
import sys
from typing import Any

from pipectl.durations import iso_moment
from pipectl.events import AttemptFinished, Event, RunFinished, TaskOpened, encode
from pipectl.model import Pipeline, State
from pipectl.reports.base import Report
from pipectl.reports.stream import write_text
from pipectl.store.rows import Run
from pipectl.store.store import Store

VERSION = 1
"""Of the shape of the lines; the first line of a run names it."""

_MOST_ITEMS = 100


class JsonReport(Report):
    """Every event as it was recorded; a failed attempt comes with its log's end, the end of the run with its counts."""

    def __init__(self, run: Run, pipeline: Pipeline, store: Store, state_option: str) -> None:
        super().__init__(run, pipeline, store, state_option)
        self._silent = False
        self._write({"event": "run", "version": VERSION, "run": run.id, "pipeline": run.pipeline})

    def event(self, event: Event) -> None:
        """Writes the event."""
        super().event(event)
        row: dict[str, Any] = {
            "event": event.kind,
            "at": iso_moment(event.at),
            "run": self.run.id,
        }
        instance = getattr(event, "instance", None)
        if instance is not None:
            row["instance"] = instance
        row |= json.loads(encode(event))
        if isinstance(event, TaskOpened) and event.items is not None:
            row["count"] = len(event.items)
            if len(event.items) > _MOST_ITEMS:
                row = {key: value for key, value in row.items() if key not in {"items", "labels"}}
        if row.get("retry_at") is not None:
            row["retry_at"] = iso_moment(row["retry_at"])
        if isinstance(event, AttemptFinished) and event.state is State.FAILED:
            row["log"] = "\n".join(self.tail(self.view.instances[event.instance]))
        if isinstance(event, RunFinished):
            row["counts"] = self.view.counts()
        self._write(row)

    def _write(self, row: dict[str, Any]) -> None:
        if self._silent:
            return
        try:
            write_text(sys.stdout, json.dumps(row) + "\n")
        except (OSError, ValueError):
            self._silent = True
