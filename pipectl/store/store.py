"""Runs on disk: created, recorded event by event, read back.

One transaction a call. What a call wrote is durable when it returns.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pipectl.errors import StateError, UsageError
from pipectl.events import Event, RunFinished, RunResumed, RunStarted, decode, encode
from pipectl.model import Durability, RunState
from pipectl.store import definitions, names
from pipectl.store.database import Database
from pipectl.store.definitions import Definition
from pipectl.store.folder import unusable
from pipectl.store.locks import RunLock, is_held
from pipectl.store.rows import Held, Log, NewRun, Run

PATIENCE = 2.0
"""Seconds to wait for a run's lock: a runner whose guard died needs a moment to end its processes."""

_COLUMNS = (
    "number, id, pipeline, definition, params, vars, options, cause, logical_time, state,"
    " started, ended, taken, seconds"
)


def new_run_id() -> str:
    """An id that no other run has, in any state."""
    return os.urandom(6).hex()


class Store:
    """The runs of one state folder. Every method raises StateError where the state cannot be read or written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.folder: Path = database.folder

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Opens the state, and makes it where there is none."""
        return cls(Database.open(folder))

    @classmethod
    def open_for_reading(cls, folder: Path) -> Store:
        """Opens a state that is there, and changes nothing in it."""
        return cls(Database.open_for_reading(folder))

    def set_durability(self, durability: Durability) -> None:
        """From here on: whether what is recorded survives a power cut (`full`), or only the end of this process."""
        self._database.set_durability(durability)

    def close(self) -> None:
        """Closes the state."""
        self._database.close()

    # Definitions

    def definition(self, key: str) -> Mapping[str, Any]:
        """The document of the definition that a run started with."""
        document: Mapping[str, Any] = json.loads(self._one("SELECT document FROM definitions WHERE key = ?", key)[0])
        return document

    def compiled(self, path: str, version: str) -> Definition | None:
        """The checked definition of a file that has not changed since, if there is one."""
        with self._database.reading() as connection:
            return definitions.find(connection, path, version)

    # Runs

    def folder_of(self, kind: str, run_id: str) -> Path:
        """The folder of a run below the state: its `logs`, its own (`runs`), or its `tmp`."""
        return self.folder / kind / run_id

    def make_folder(self, kind: str, run_id: str) -> Path:
        """The same, made where it is not there yet. Raises StateError where it cannot be."""
        folder = self.folder_of(kind, run_id)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise unusable(folder, error) from error
        return folder

    def create(self, new: NewRun, now: float) -> Held:
        """Makes a run and holds its lock.

        Raises UsageError where the pipeline's name belongs to another file that is still there.
        """
        lock = self._lock(new.id)
        lock.acquire()
        try:
            self._insert(new, now)
        except BaseException:
            lock.discard()
            raise
        return Held(self.run(new.id), lock, 0)

    def _insert(self, new: NewRun, now: float) -> None:
        with self._database.transaction() as connection:
            names.claim(connection, new.pipeline, new.file)
            key = definitions.save(connection, new.definition)
            values = (
                *(new.id, new.pipeline, key, _dump(new.params), _dump(new.vars), _dump(new.options)),
                *(new.cause, new.logical_time.isoformat(), RunState.RUNNING, now, now),
            )
            number = connection.execute(
                f"INSERT INTO runs ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, 0)",
                values,
            ).lastrowid
            assert number is not None
            _insert_events(connection.executemany, number, 0, [RunStarted(now)])

    def take(self, run: Run, patience: float = 0.0) -> Held:
        """Holds the lock of a run, as it then is, waiting up to `patience` seconds. Raises AlreadyRunning."""
        lock = self._lock(run.id)
        lock.acquire(patience)
        heard = self._one("SELECT coalesce(max(number), 0) FROM requests WHERE run = ?", run.number)[0]
        return Held(self.run(run.id), lock, heard)

    def _lock(self, run_id: str) -> RunLock:
        return RunLock(self._lock_path(run_id), run_id)

    def run(self, run_id: str) -> Run:
        """The run of this very id, with its stored state."""
        return _run(self._one(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", run_id))

    def find(self, text: str = "latest") -> Run:
        """The run that an id, a unique beginning of one, or `latest` names. Raises UsageError where there is none."""
        if text == "latest":
            rows = self._all(f"SELECT {_COLUMNS} FROM runs ORDER BY number DESC LIMIT 1")
        else:
            query = f"SELECT {_COLUMNS} FROM runs WHERE substr(id, 1, ?) = ? ORDER BY number DESC LIMIT 10"
            rows = self._all(query, len(text), text) if text else []
        if not rows:
            known = "there are no runs yet" if text == "latest" else f"there is no run `{text}`"
            raise UsageError(f"{known} in `{self.folder}`", "`pipectl runs` lists them")
        if len(rows) > 1:
            ids = ", ".join(f"`{row[1]}`" for row in rows)
            raise UsageError(f"`{text}` is the beginning of several runs: {ids}", "give more of the id")
        return self.as_seen(_run(rows[0]))

    def runs(self, *, limit: int | None = None, pipeline: str | None = None, unfinished: bool = False) -> Iterator[Run]:
        """Runs as people see them, newest first: of one pipeline only, or only those that are not a success."""
        conditions = ["1"] + ["pipeline = ?"] * (pipeline is not None) + ["state <> 'success'"] * unfinished
        values = [] if pipeline is None else [pipeline]
        query = f"SELECT {_COLUMNS} FROM runs WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT ?"
        for row in self._all(query, *values, -1 if limit is None else limit):
            yield self.as_seen(_run(row))

    def as_seen(self, run: Run) -> Run:
        """The run, interrupted where it says running and nobody holds its lock."""
        if run.state is not RunState.RUNNING or is_held(self._lock_path(run.id)):
            return run
        state = RunState(self._one("SELECT state FROM runs WHERE number = ?", run.number)[0])  # it may have just ended
        shown = RunState.INTERRUPTED if state is RunState.RUNNING else state
        return replace(run, state=shown)

    def _lock_path(self, run_id: str) -> Path:
        return self.folder / "locks" / f"run-{run_id}.lock"

    # What happens in a run

    def record(
        self,
        run: Run,
        after: int,
        events: Sequence[Event],
        outputs: Iterable[tuple[str, str]] = (),
        logs: Iterable[Log] = (),
    ) -> int:
        """Adds events, outputs (instance, JSON text) and logs in one transaction; returns the number of events so far.

        `after` is that number before. Raises StateError where another runner has written to the run since.
        """
        with self._database.transaction() as connection:
            _insert_events(connection.executemany, run.number, after, events)
            connection.executemany(
                "INSERT OR REPLACE INTO outputs (run, instance, value) VALUES (?, ?, ?)",
                [(run.number, instance, value) for instance, value in outputs],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO logs (run, instance, attempt, size, file, text) VALUES (?, ?, ?, ?, ?, ?)",
                [(run.number, log.instance, log.attempt, log.size, log.file, log.text) for log in logs],
            )
            for event in events:
                _follow(connection.execute, run.number, event)
        return after + len(events)

    def events(self, run: Run, after: int = 0) -> list[Event]:
        """What happened in the run, in order, past the first `after` events."""
        rows = self._all(
            "SELECT kind, at, instance, data FROM events WHERE run = ? AND seq > ? ORDER BY seq", run.number, after
        )
        return [decode(*row) for row in rows]

    def output(self, run: Run, instance: str) -> str | None:
        """The recorded output of an instance as JSON text, None where it has none."""
        rows = self._all("SELECT value FROM outputs WHERE run = ? AND instance = ?", run.number, instance)
        return rows[0][0] if rows else None

    def outputs(self, run: Run) -> dict[str, str]:
        """All recorded outputs of a run, as JSON text by instance."""
        return dict(self._all("SELECT instance, value FROM outputs WHERE run = ?", run.number))

    def durations(self, pipeline: str) -> dict[str, float]:
        """How many seconds each instance of a pipeline took in its newest runs, by name; see `history`."""
        from pipectl.store import history  # what only those who look ahead use

        with self._database.reading() as connection:
            return history.durations(connection, pipeline)

    def check_name(self, name: str, file: str) -> None:
        """Raises UsageError where the pipeline's name belongs to another file that is still there."""
        with self._database.reading() as connection:
            names.check(connection, name, file)

    def faults(self) -> list[str]:
        """What SQLite finds wrong with the file, none where it is sound. Reads all of it."""
        broken = [row[0] for row in self._all("PRAGMA integrity_check(10)") if row[0] != "ok"]
        loose = [f"a row of `{row[0]}` refers to nothing" for row in self._all("PRAGMA foreign_key_check")]
        return broken + sorted(set(loose))

    def log(self, run: Run, instance: str, attempt: int) -> Log | None:
        """The log of an attempt that has ended; None while it has not, and where it printed nothing."""
        rows = self._all(
            "SELECT instance, attempt, size, file, text FROM logs WHERE run = ? AND instance = ? AND attempt = ?",
            *(run.number, instance, attempt),
        )
        return Log(*rows[0]) if rows else None

    # Requests

    def ask(self, run: Run, kind: str, now: float) -> None:
        """Leaves a request to the run's runner."""
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO requests (run, at, kind) VALUES (?, ?, ?)", (run.number, now, kind))

    def requests(self, run: Run, after: int) -> list[tuple[int, str]]:
        """The requests to a run past number `after`, oldest first, as (number, kind)."""
        return self._all("SELECT number, kind FROM requests WHERE run = ? AND number > ?", run.number, after)

    # Reading

    def _all(self, query: str, *values: object) -> list[Any]:
        with self._database.reading() as connection:
            return connection.execute(query, values).fetchall()

    def _one(self, query: str, *values: object) -> Any:
        rows = self._all(query, *values)
        if not rows:
            raise StateError(
                f"the state in `{self.folder}` lacks what it should hold", "it may have been edited by hand"
            )
        return rows[0]


def _insert_events(executemany: Any, run: int, after: int, events: Sequence[Event]) -> None:
    executemany(
        "INSERT INTO events (run, seq, at, kind, instance, data) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (run, seq, event.at, event.kind, getattr(event, "instance", None), encode(event))
            for seq, event in enumerate(events, after + 1)
        ],
    )


def _follow(execute: Any, run: int, event: Event) -> None:
    """Keeps `runs.state` in step with the events, and the outputs: what is opened again has none."""
    if isinstance(event, RunFinished):
        execute(
            "UPDATE runs SET state = ?, ended = ?, seconds = seconds + ? - taken WHERE number = ?",
            (event.state, event.at, event.at, run),
        )
    elif isinstance(event, RunResumed):
        execute("UPDATE runs SET state = 'running', ended = NULL, taken = ? WHERE number = ?", (event.at, run))
        for instance in event.reopened:
            execute("DELETE FROM outputs WHERE run = ? AND instance = ?", (run, instance))


def _run(row: Sequence[Any]) -> Run:
    number, run_id, pipeline, definition, params, variables, options, cause, logical_time, state, *times = row
    return Run(
        *(number, run_id, pipeline, definition, json.loads(params), json.loads(variables), json.loads(options)),
        *(cause, datetime.fromisoformat(logical_time), RunState(state), *times),
    )


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
