"""Everything that can happen to a run. A run is its events, in order; these names and fields are a file format.

`at` is seconds since the epoch. Outputs and logs are no part of an event: they lie beside it and are read when asked
for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from pipectl.model import RunState, State


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a moment."""

    kind: ClassVar[str]

    at: float


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The run exists."""

    kind: ClassVar[str] = "run_started"


@dataclass(frozen=True, slots=True)
class RunResumed(Event):
    """Another runner took the run up; `reopened` are the instances that had ended and are to run again."""

    kind: ClassVar[str] = "run_resumed"

    reopened: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunUpdated(Event):
    """From here on the run goes by another definition, known by its key, or by other parameters."""

    kind: ClassVar[str] = "run_updated"

    definition: str
    params: dict[str, Any]
    vars: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunStopping(Event):
    """From here on nothing starts but `always` tasks, and with `at_once` not even those.

    `reason` is cancel, timeout, fail_fast, or the name of a signal.
    """

    kind: ClassVar[str] = "run_stopping"

    reason: str
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class RunLeft(Event):
    """Its runner left, since nothing goes on before somebody answers."""

    kind: ClassVar[str] = "run_left"


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """Every instance has ended."""

    kind: ClassVar[str] = "run_finished"

    state: RunState


@dataclass(frozen=True, slots=True)
class TaskOpened(Event):
    """The instance may start: its `when` was true, and all that its shape depends on is known.

    `items` are those of its `foreach`, `labels` what its `key` makes of them. `params` and `vars` are those of a
    sub-pipeline.
    """

    kind: ClassVar[str] = "task_opened"

    instance: str
    items: list[Any] | None = None
    labels: list[str] | None = None
    params: dict[str, Any] | None = None
    vars: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TaskClosed(Event):
    """The instance ended without an attempt, or a group with all in it.

    `by`: trigger, when, foreach, params (of a sub-pipeline), stop (of the run), fail_fast (of its group), join (it has
    nothing to do), cache, or tasks (of a group whose failure is allowed or not by more than theirs). `error` says why
    where that could not be told; `allowed` as of an attempt.
    """

    kind: ClassVar[str] = "task_closed"

    instance: str
    state: State
    by: str
    error: str | None = None
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class AttemptStarted(Event):
    """The attempt is about to exist: recorded before its process does. Attempts count from 1."""

    kind: ClassVar[str] = "attempt_started"

    instance: str
    attempt: int


@dataclass(frozen=True, slots=True)
class AttemptHandle(Event):
    """The attempt's work lives elsewhere and is found again by `handle`."""

    kind: ClassVar[str] = "attempt_handle"

    instance: str
    attempt: int
    handle: str


@dataclass(frozen=True, slots=True)
class AttemptWaiting(Event):
    """The attempt waits from here on, for what `on` says in words."""

    kind: ClassVar[str] = "attempt_waiting"

    instance: str
    attempt: int
    on: str


@dataclass(frozen=True, slots=True)
class ApprovalAnswered(Event):
    """Somebody answered the question of an instance: `approve` or `reject`. `by` is who, as far as that is known."""

    kind: ClassVar[str] = "approval_answered"

    instance: str
    answer: str
    by: str
    comment: str = ""
    params: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AttemptFinished(Event):
    """The attempt is over. `state` is success, failed, skipped or cancelled; or None where it was lost with its runner.

    `retry_at` is when the next attempt may start, None where there is none. `allowed`: its failure does not fail the
    run.
    """

    kind: ClassVar[str] = "attempt_finished"

    instance: str
    attempt: int
    state: State | None
    exit_code: int | None = None
    error: str | None = None
    retry_at: float | None = None
    allowed: bool = False


_KINDS: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (
        RunStarted,
        RunResumed,
        RunUpdated,
        RunStopping,
        RunLeft,
        RunFinished,
        TaskOpened,
        TaskClosed,
        AttemptStarted,
        AttemptHandle,
        AttemptWaiting,
        ApprovalAnswered,
        AttemptFinished,
    )
}
_OWN_COLUMNS = frozenset({"at", "instance"})
_DATA = {cls: tuple((f.name, f.default) for f in fields(cls) if f.name not in _OWN_COLUMNS) for cls in _KINDS.values()}


def encode(event: Event) -> str:
    """The event's fields but for `at` and `instance`, as JSON text; fields at their default are left out."""
    data = {name: value for name, default in _DATA[type(event)] if (value := getattr(event, name)) != default}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")) if data else "{}"


def decode(kind: str, at: float, instance: str | None, data: str) -> Event:
    """The event that `encode` wrote. Raises KeyError for a kind that this version does not know."""
    cls = _KINDS[kind]
    values: dict[str, Any] = json.loads(data)
    if values.get("state") is not None:
        values["state"] = (RunState if cls is RunFinished else State)(values["state"])
    if "reopened" in values:
        values["reopened"] = tuple(values["reopened"])
    if instance is not None:
        values["instance"] = instance
    return cls(at=at, **values)
