"""What every report is."""

from __future__ import annotations

from pipectl.events import Event
from pipectl.model import Pipeline
from pipectl.run_view import InstanceView, RunView
from pipectl.store.store import Run, Store

TAIL_LINES = 20


class Report:
    """Tells of a run. Told events after they are recorded; a report whose reader is gone goes silent."""

    def __init__(self, run: Run, pipeline: Pipeline, store: Store, resume_command: str) -> None:
        self.run = run
        self.pipeline = pipeline
        self.view = RunView(pipeline.tasks)
        self.resume_command = resume_command
        self.began: float | None = None
        self._store = store

    def recall(self, event: Event) -> None:
        """Takes in an event of an earlier session, without telling it."""
        self.view.apply(event)

    def event(self, event: Event) -> None:
        """Takes in and tells what happened."""
        if self.began is None:
            self.began = event.at
        self.view.apply(event)

    def output(self, instance: str, attempt: int, data: bytes) -> None:
        """Tells what an attempt printed, masked, as it comes: pieces may end anywhere."""

    def finish(self) -> None:
        """Tells what the run has come to."""

    def tail(self, one: InstanceView) -> str:
        """The last lines that the newest attempt of an instance printed."""
        log = self._store.log(self.run, one.name, one.attempts)
        if log is None:
            return ""
        lines = log.text.decode(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])
