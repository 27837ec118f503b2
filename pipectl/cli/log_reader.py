"""Reads logs where they lie: short ones in the state, long ones and those of running attempts in files."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pipectl.cli.instances import is_to_be_repeated, unknown
from pipectl.engine.recorded import pipeline_of
from pipectl.errors import UsageError
from pipectl.events import AttemptFinished, AttemptStarted
from pipectl.labels import file_label
from pipectl.model import RunState
from pipectl.outline import belongs
from pipectl.reports.stream import write_bytes
from pipectl.reports.text import clean
from pipectl.run_view import RunView
from pipectl.store.rows import Run
from pipectl.store.store import Store

_POLL = 0.2  # seconds
_PIECE = 1 << 20
_WIDEST_NAME = 30


@dataclass(slots=True)
class _Reading:
    """How far the log of one attempt has been read."""

    instance: str
    attempt: int
    offset: int = 0
    ended: bool = False
    done: bool = False
    partial: bytes = b""


class LogReader:
    """The logs of a run, or of a task, a group or an instance of it; `attempt` is a number, None the newest of each."""

    def __init__(self, store: Store, run: Run, task: str | None, attempt: int | None) -> None:
        self._store = store
        self._run = run
        self._task = task
        self._attempt = attempt
        self._readings: dict[tuple[str, int], _Reading] = {}
        self._seen = 0
        self._width = 0
        self._is_one = task is not None and self._check(task)

    def _check(self, task: str) -> bool:
        """Whether the name is of one instance. Raises UsageError where the run has nothing of that name."""
        tasks = pipeline_of(self._store, self._run).tasks
        view = RunView(tasks)
        for event in self._store.events(self._run):
            view.apply(event)
        if task in view.instances:
            return not is_to_be_repeated(task, tasks)
        if not any(belongs(name, task) for name in view.instances):
            raise unknown(self._run, task, [one.name for one in view.rows])
        return False

    def print_all(self) -> None:
        """Prints what there is."""
        self._look()
        chosen = {}
        for reading in self._readings.values():
            if self._attempt in {None, reading.attempt}:
                chosen[reading.instance] = reading
        for reading in chosen.values():
            self._print(reading)
            self._end_line(reading)
        if not chosen and self._attempt is not None:
            raise UsageError(f"there is no attempt {self._attempt}", f"`pipectl show {self._run.id}` has their numbers")

    def follow(self) -> None:
        """Prints every attempt as it goes on, until the run has ended."""
        while True:
            running = self._store.as_seen(self._store.run(self._run.id)).state is RunState.RUNNING
            self._look()
            for reading in self._readings.values():
                if not reading.done and self._attempt in {None, reading.attempt}:
                    self._print(reading)
                    reading.done = reading.ended
            if not running:
                for reading in self._readings.values():
                    self._end_line(reading)
                return
            time.sleep(_POLL)

    def _look(self) -> None:
        events = self._store.events(self._run, self._seen)
        self._seen += len(events)
        for event in events:
            if isinstance(event, AttemptStarted) and (self._task is None or belongs(event.instance, self._task)):
                key = (event.instance, event.attempt)
                self._readings[key] = _Reading(*key)
                self._width = min(_WIDEST_NAME, max(self._width, len(event.instance)))
            elif isinstance(event, AttemptFinished) and (event.instance, event.attempt) in self._readings:
                self._readings[event.instance, event.attempt].ended = True

    def _print(self, reading: _Reading) -> None:
        for piece in self._pieces(reading):
            self._write(reading, piece)
        if reading.ended:
            self._end_line(reading)

    def _end_line(self, reading: _Reading) -> None:
        if reading.partial:
            self._write(reading, b"\n")

    def _pieces(self, reading: _Reading) -> Iterator[bytes]:
        log = self._store.log(self._run, reading.instance, reading.attempt) if reading.ended else None
        if log is not None and log.file is None:
            yield log.text[reading.offset :]
            reading.offset = len(log.text)
            return
        name = log.file if log and log.file else f"{file_label(reading.instance, reading.attempt)}.log"
        try:
            with (self._store.folder_of("logs", self._run.id) / name).open("rb") as file:
                file.seek(reading.offset)
                while piece := file.read(_PIECE):
                    reading.offset += len(piece)
                    yield piece
        except FileNotFoundError:
            return

    def _write(self, reading: _Reading, data: bytes) -> None:
        """One instance's log as it is, several with a name before each line; a terminal gets only plain text."""
        terminal = sys.stdout.isatty()
        if self._is_one and not terminal:
            write_bytes(sys.stdout, data)
            return
        data = reading.partial + data
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) > _PIECE else 0)
        reading.partial = data[end:]
        if not end:
            return
        text = data[:end].decode(errors="replace")
        if terminal:
            text = clean(text)
        if not self._is_one:
            prefix = f"{reading.instance:<{self._width}} | "
            text = prefix + text.removesuffix("\n").replace("\n", f"\n{prefix}") + "\n"
        write_bytes(sys.stdout, text.encode(errors="replace"))
