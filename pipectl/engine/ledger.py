"""What a run records: the events of a turn of its loop and what goes with them, together; then it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pipectl.engine.journal import Journal
from pipectl.engine.outputs import Outputs
from pipectl.events import Event
from pipectl.plan import Plan
from pipectl.store.cache import CacheRow
from pipectl.store.rows import Log, Run

Listener = Callable[[Event], None]


@dataclass(slots=True)
class Ledger:
    """The record of one run, of which `recorded` events are there. Listeners hear of events once they are recorded."""

    run: Run
    plan: Plan
    store: Journal
    outputs: Outputs
    recorded: int
    listeners: Iterable[Listener] = ()
    _events: list[Event] = field(default_factory=list)
    _outputs: list[tuple[str, str]] = field(default_factory=list)
    _logs: list[Log] = field(default_factory=list)
    _cache: list[CacheRow] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether something of this turn is not recorded yet."""
        return bool(self._events)

    def emit(self, event: Event) -> None:
        """Applies an event to the plan, and records it with this turn."""
        self._events.append(event)
        self.plan.apply(event)

    def give(self, instance: str, output: str | None) -> None:
        """Records an output, JSON text, with this turn."""
        if output is not None:
            self.outputs.fresh[instance] = output
            self._outputs.append((instance, output))

    def log(self, log: Log) -> None:
        """Records the log of an attempt with this turn."""
        self._logs.append(log)

    def keep(self, row: CacheRow) -> None:
        """Records with this turn by what a success is known again."""
        self._cache.append(row)

    def commit(self) -> None:
        """Records the turn. Raises StateError where it cannot be written: then nothing of it is told."""
        if not self._events:
            return
        events = self._events
        self.recorded = self.store.record(self.run, self.recorded, events, self._outputs, self._logs, self._cache)
        self.outputs.fresh.clear()
        self._events, self._outputs, self._logs, self._cache = [], [], [], []
        for event in events:
            for listener in self.listeners:
                listener(event)
