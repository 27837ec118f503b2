"""What every report is."""

from __future__ import annotations

from collections.abc import Mapping

from pipectl.events import Event
from pipectl.model import Pipeline, State, Task
from pipectl.outline import task_at, task_path
from pipectl.reports.folding import states_of
from pipectl.reports.text import clean
from pipectl.run_view import InstanceView, RunView
from pipectl.store.rows import Run
from pipectl.store.store import Store

TAIL_LINES = 20
_LONGEST_LINE = 500


class Report:
    """Tells of a run. Told events after they are recorded; a report whose reader is gone goes silent."""

    def __init__(self, run: Run, pipeline: Pipeline, store: Store, state_option: str) -> None:
        self.run = run
        self.pipeline = pipeline
        self.view = RunView(pipeline.tasks)
        self.state_option = state_option
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

    def say(self, line: str) -> None:
        """Tells a line that is no event's, where people read what is told."""

    def tick(self) -> None:
        """Told after each turn of the loop, and at least every half second: for what shows how time goes by."""

    def close(self) -> None:
        """Leaves the terminal as it was; called before `finish`, and where that is never called."""

    def finish(self) -> None:
        """Tells what the run has come to."""

    def task_of(self, one: InstanceView) -> Task:
        """The task that it is an instance of."""
        return task_at(self.pipeline.tasks, one.task)

    def many(self, instance: str, most: int) -> Mapping[State, int]:
        """Where the instances of its task stand, if they are more than `most`; else empty.

        Of a group: those of the first task in it.
        """
        if "[" not in instance:
            return {}
        path = task_path(instance)
        task = task_at(self.pipeline.tasks, path)
        while task.is_group:
            name, task = next(iter(task.children.items()))
            path = f"{path}.{name}"
        states = states_of(self.view, path)
        return states if sum(states.values()) > most else {}

    def tail(self, one: InstanceView) -> list[str]:
        """The last lines that the newest attempt of an instance printed, as plain text; what is very long is cut."""
        log = self._store.log(self.run, one.name, one.attempts)
        if log is None:
            return []
        text = clean(log.text.decode(errors="replace")).rstrip("\n")
        lines = text.split("\n") if text else []
        return [f"{line[:_LONGEST_LINE]}…" if len(line) > _LONGEST_LINE else line for line in lines[-TAIL_LINES:]]
