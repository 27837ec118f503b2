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
from pipectl.events import Event, RunFinished, RunLeft, RunResumed, RunStarted, RunUpdated, decode, encode
from pipectl.model import Durability, RunState
from pipectl.store import cache as caching
from pipectl.store import definitions, names
from pipectl.store.cache import CacheRow
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

    @property
    def is_writable(self) -> bool:
        """Whether it was opened for writing too."""
        return self._database.is_writable

    def beside(self) -> Store:
        """The same state, for reading in another thread of this process: the one that calls this."""
        return Store(self._database.beside())

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

    def keep_definition(self, definition: Definition) -> str:
        """Keeps a definition for a run that goes over to it, and returns its key."""
        with self._database.transaction() as connection:
            return definitions.save(connection, definition)

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
            _insert_earlier(connection.executemany, number, new.earlier)
            _insert_events(connection.executemany, number, 0, [RunStarted(now)])

    def take(self, run: Run, patience: float = 0.0) -> Held:
        """Holds the lock of a run, as it then is, waiting up to `patience` seconds. Raises AlreadyRunning."""
        lock = self._lock(run.id)
        lock.acquire(patience)
        cancels = "SELECT coalesce(max(number), 0) FROM requests WHERE run = ? AND kind = 'cancel'"
        return Held(self.run(run.id), lock, self._one(cancels, run.number)[0])

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

    def newest_run(self, pipeline: str, but: Run, logical_time: datetime | None = None) -> Run | None:
        """The newest run of a pipeline, known by its name or its file, that is not `but`.

        With a `logical_time` only runs that stand for it count.
        """
        moment = None if logical_time is None else int(logical_time.timestamp())
        rows = self._all(
            f"SELECT {_COLUMNS} FROM runs"
            " WHERE pipeline = coalesce((SELECT name FROM pipelines WHERE file = ?), ?) AND number <> ?"
            " AND (? IS NULL OR CAST(strftime('%s', logical_time) AS INTEGER) = ?) ORDER BY number DESC LIMIT 1",
            *(pipeline, pipeline, but.number, moment, moment),
        )
        return _run(rows[0]) if rows else None

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
        cache: Iterable[CacheRow] = (),
    ) -> int:
        """Adds events and what goes with them in one transaction; returns the number of events so far.

        Outputs are (instance, JSON text), `cache` is what successes depended on and left.

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
            caching.save(connection, run.pipeline, run.number, cache)
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
        rows = self._all("SELECT instance, value FROM outputs WHERE run = ?", run.number)
        return {name: text for name, text in rows if not name.startswith(_EARLIER)}

    def outputs_within(self, run: Run, group: str) -> dict[str, str]:
        """The recorded outputs of all instances in a group, or of a `foreach`, as JSON text by instance."""
        return dict(
            self._all(f"SELECT instance, value FROM outputs WHERE run = ? AND {_WITHIN}", run.number, *_within(group))
        )

    def earlier(self, run: Run) -> dict[str, str]:
        """The outputs that a run has of tasks that are not in it, as JSON text by the names that they would have."""
        rows = self._all(
            "SELECT instance, value FROM outputs WHERE run = ? AND substr(instance, 1, 1) = ?", run.number, _EARLIER
        )
        return {name.removeprefix(_EARLIER): text for name, text in rows}

    def keep_earlier(self, run: Run, outputs: Mapping[str, str]) -> None:
        """Keeps such outputs with a run that was made before."""
        with self._database.transaction() as connection:
            _insert_earlier(connection.executemany, run.number, outputs)

    def runs_with_success(self, pipeline: str, task: str) -> list[str]:
        """The ids of the runs of a pipeline in which a task, or what is in it, succeeded, newest first."""
        from pipectl.store import history

        with self._database.reading() as connection:
            return history.runs_with_success(connection, pipeline, (task, *_within(task)))

    def durations(self, pipeline: str) -> dict[str, float]:
        """How many seconds instances and tasks of a pipeline took in its newest runs, by name; see `history`."""
        from pipectl.store import history  # what only those who look ahead use

        with self._database.reading() as connection:
            return history.durations(connection, pipeline)

    def items(self, pipeline: str) -> dict[str, tuple[list[Any], list[str]]]:
        """What the tasks of a pipeline with `foreach` were repeated for the last time; see `history`."""
        from pipectl.store import history  # what only those who look ahead use

        with self._database.reading() as connection:
            return history.items(connection, pipeline)

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

    # What was done before

    def cached(self, pipeline: str, instance: str, key: str) -> CacheRow | None:
        """The success of an instance by this very key; where there is none, its newest; None where it has none."""
        if self._database.version < 2:
            return None
        with self._database.reading() as connection:
            return caching.find(connection, pipeline, instance, key)

    def cached_of(self, run: Run) -> list[CacheRow]:
        """The successes of a run that later ones did not take the place of."""
        with self._database.reading() as connection:
            return caching.of_run(connection, run.number)

    # Requests

    def ask(self, run: Run, kind: str, now: float, data: Mapping[str, Any] | None = None) -> None:
        """Leaves a request to the run's runner, with whatever it needs to know besides."""
        with self._database.transaction() as connection:
            query = "INSERT INTO requests (run, at, kind, data) VALUES (?, ?, ?, ?)"
            connection.execute(query, (run.number, now, kind, _dump(data or {})))

    def requests(self, run: Run, after: int) -> list[tuple[int, str, dict[str, Any]]]:
        """The requests to a run past number `after`, oldest first, as (number, kind, data)."""
        query = "SELECT number, kind, data FROM requests WHERE run = ? AND number > ? ORDER BY number"
        return [(number, kind, json.loads(data)) for number, kind, data in self._all(query, run.number, after)]

    def rewrite_request(self, number: int, data: Mapping[str, Any]) -> None:
        """Puts this in place of what a request said."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE requests SET data = ? WHERE number = ?", (_dump(data), number))

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


_EARLIER = "/"  # what the names of tasks that are not in the run begin with in `outputs`, and no others do

_WITHIN = "(instance > ? AND instance < ? OR instance > ? AND instance < ?)"


def _within(group: str) -> tuple[str, str, str, str]:
    """The bounds of the names of what is in a group, `group.task`, and of the copies of a task, `task[item]`."""
    return f"{group}.", f"{group}/", f"{group}[", f"{group}\\"


def _insert_earlier(executemany: Any, run: int, outputs: Mapping[str, str]) -> None:
    executemany(
        "INSERT OR REPLACE INTO outputs (run, instance, value) VALUES (?, ?, ?)",
        [(run, _EARLIER + name, text) for name, text in outputs.items()],
    )


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
    elif isinstance(event, RunLeft):
        execute("UPDATE runs SET seconds = seconds + ? - taken WHERE number = ?", (event.at, run))
    elif isinstance(event, RunUpdated):
        values = (event.definition, _dump(event.params), _dump(event.vars), run)
        execute("UPDATE runs SET definition = ?, params = ?, vars = ? WHERE number = ?", values)
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
