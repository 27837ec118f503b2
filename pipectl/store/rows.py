"""What the state holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipectl.model import RunState
from pipectl.store.definitions import Definition
from pipectl.store.locks import RunLock


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the state knows it. Times are seconds since the epoch; `number` counts the runs of this state.

    `taken` is when its newest runner took it up, `seconds` how long those that ended it worked at it.
    """

    number: int
    id: str
    pipeline: str
    definition: str
    params: Mapping[str, Any]
    vars: Mapping[str, Any]
    options: Mapping[str, Any]
    cause: str
    logical_time: datetime
    state: RunState
    started: float
    ended: float | None
    taken: float
    seconds: float


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a run is made of; `id` is one of `new_run_id`.

    `earlier` are outputs of tasks that are not in it, as JSON text by the names that they would have.
    """

    id: str
    pipeline: str
    file: str
    definition: Definition
    params: Mapping[str, Any]
    vars: Mapping[str, Any]
    options: Mapping[str, Any]
    cause: str
    logical_time: datetime
    earlier: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """A run whose lock this process holds.

    Requests up to number `heard`, that of the newest cancel, were to earlier runners. Answers that came since may have
    been heard or not.
    """

    run: Run
    lock: RunLock
    heard: int


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one attempt: whole in `text` where `file` is None, else in that file with its end in `text`."""

    instance: str
    attempt: int
    size: int
    file: str | None
    text: bytes
