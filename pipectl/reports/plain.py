"""Lines on standard error: who did what, and what each task printed, a line never split by another."""

from __future__ import annotations

from pipectl.events import AttemptFinished, AttemptStarted, Event, RunResumed, RunStopping, TaskClosed
from pipectl.model import Pipeline
from pipectl.reports.base import Report
from pipectl.reports.console import Console
from pipectl.reports.summary import outcome, summary
from pipectl.reports.text import COLOURS, clean, coloured
from pipectl.store.rows import Run
from pipectl.store.store import Store

_WIDEST_NAME = 30
_LONGEST_LINE = 64 << 10


class PlainReport(Report):
    """Everything, as lines that begin with the name of their task."""

    def __init__(self, run: Run, pipeline: Pipeline, store: Store, state_option: str) -> None:
        super().__init__(run, pipeline, store, state_option)
        self._console = Console()
        self._partial: dict[str, bytes] = {}
        self._width = min(_WIDEST_NAME, max((len(name) for name in pipeline.tasks), default=0))
        self._console.say([f"run {run.id} of {pipeline.name}"])

    def event(self, event: Event) -> None:
        """Tells starts, ends and stops."""
        super().event(event)
        match event:
            case AttemptStarted():
                again = f" again (attempt {event.attempt})" if event.attempt > 1 else ""
                self._line(event.instance, f"started{again}", "2")
            case AttemptFinished():
                self._flush(event.instance)
                self._ended(event.instance, event)
            case TaskClosed():
                self._ended(event.instance, event)
            case RunStopping():
                self._console.say([f"stopping{' at once' if event.at_once else ''}: {event.reason}"])
            case RunResumed():
                left = len(self.view.open)
                self._console.say([f"resuming: {left} of {len(self.view.instances)} tasks are left"])

    def _ended(self, name: str, event: AttemptFinished | TaskClosed) -> None:
        one = self.view.instances[name]
        self._line(name, outcome(one, event), COLOURS.get(one.state))

    def output(self, instance: str, attempt: int, data: bytes) -> None:
        """Tells whole lines; keeps what has no end yet."""
        if self._console.silent:
            return
        data = self._partial.pop(instance, b"") + data
        end = data.rfind(b"\n") + 1
        if len(data) - end > _LONGEST_LINE:
            end = len(data)
        if end < len(data):
            self._partial[instance] = data[end:]
        if end:
            self._told(instance, data[:end])

    def _flush(self, instance: str) -> None:
        if rest := self._partial.pop(instance, b""):
            self._told(instance, rest)

    def _told(self, instance: str, data: bytes) -> None:
        text = clean(data.decode(errors="replace")).removesuffix("\n")
        prefix = coloured(f"{instance:<{self._width}} | ", "2", self._console.colour)
        self._console.say([prefix + text.replace("\n", f"\n{prefix}")])

    def finish(self) -> None:
        """Tells the summary."""
        self._console.say(["", *summary(self, colour=self._console.colour)])

    def _line(self, instance: str, words: str, colour: str | None) -> None:
        self._console.say([f"{instance:<{self._width}}   {coloured(words, colour, self._console.colour)}"])
