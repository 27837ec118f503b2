"""The words of pipectl as immutable values: what a file declares, and what goes to and comes from an executor.

The names are those of the file language. Nothing here does anything; durations are seconds, paths absolute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class State(StrEnum):
    """Where an instance stands."""

    PENDING = "pending"  # waits for its upstreams
    QUEUED = "queued"  # may start when a slot is free
    RUNNING = "running"
    RETRYING = "retrying"  # failed, and waits for its next attempt
    WAITING = "waiting"  # for a condition or an answer, without a slot
    SUCCESS = "success"
    CACHED = "cached"
    FAILED = "failed"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    CANCELLED = "cancelled"


ENDED = frozenset(
    {State.SUCCESS, State.CACHED, State.FAILED, State.SKIPPED, State.UPSTREAM_FAILED, State.CANCELLED},
)


class RunState(StrEnum):
    """Where a run stands. `interrupted` is never stored: such a run says running, and nobody holds its lock."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class TriggerRule(StrEnum):
    """When upstreams allow a task to run; the meanings are Airflow's, `always` is ours."""

    ALL_SUCCESS = "all_success"
    ALL_DONE = "all_done"
    ALL_FAILED = "all_failed"
    ALL_SKIPPED = "all_skipped"
    ALL_DONE_MIN_ONE_SUCCESS = "all_done_min_one_success"
    ONE_SUCCESS = "one_success"
    ONE_FAILED = "one_failed"
    ONE_DONE = "one_done"
    NONE_FAILED = "none_failed"
    NONE_FAILED_MIN_ONE_SUCCESS = "none_failed_min_one_success"
    NONE_SKIPPED = "none_skipped"
    ALWAYS = "always"


Durability = Literal["full", "normal"]


@dataclass(frozen=True, slots=True)
class Retry:
    """When a failed attempt is followed by another; see `retries` in the file language."""

    max: int = 0
    delay: float = 1.0
    backoff: float = 2.0
    max_delay: float = 300.0
    jitter: float = 0.2
    max_elapsed: float | None = None
    on: tuple[int | str, ...] = ()  # exit codes, "timeout", names of Python exceptions; empty: every failure


NO_RETRY = Retry()


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret's value comes from: a variable, a file, or the output of a command."""

    name: str
    source: Literal["env", "file", "command"]
    value: str | tuple[str, ...]
    line: int = 0
    column: int = 0
    file: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a database or a web service is and how one gets in, as the file declares it: see `connections.render`.

    `url` and what `headers` and `auth` hold may be expressions; `verify` is whether the server's certificate is
    checked, or the file of the authorities by which it is.
    """

    name: str
    url: str
    headers: Mapping[str, Any] = field(default_factory=dict)
    auth: Mapping[str, Any] | None = None
    verify: bool | str = True
    file: str = ""
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """Slots shared by all runs of a state (0: as many as wanted), and so many starts in so many seconds by `rate`."""

    slots: int
    rate: tuple[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What a task needs of the machine to start: slots of the run, bytes (a limit, too), and whole devices."""

    cpu: int = 1
    memory: int | None = None
    gpu: int = 0


@dataclass(frozen=True, slots=True)
class Foreach:
    """What a task is repeated for, as written: texts in it may be expressions.

    `items` is a list, or an expression that gives one; or `matrix` maps names to lists, whose product is taken, without
    the combinations that `exclude` matches and with those of `include`. `key` labels the instances.
    """

    items: Sequence[Any] | str | None = None
    matrix: Mapping[str, Any] | None = None
    exclude: Sequence[Mapping[str, Any]] = ()
    include: Sequence[Mapping[str, Any]] = ()
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Cache:
    """By what a task is known to have been done; `key` stands for all parameters and outputs. `ttl` in seconds."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    key: str | None = None
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A node of the pipeline. Strings that may hold an expression are kept as written; see `template`.

    `name` and `needs` are paths in the pipeline that declares it: `group.task` for a task in a group. `type` is None
    for a join, `tasks` for a group, `pipeline` for another file as one task. `body` is the long form of the type,
    `defaults` taken in. `tasks` are those of a group, by their names in it; `pipeline` is the other file. `places` are
    line and column of paths that the task itself says, by their keys. `left_out` are tasks that it needs and that are
    not in the run: they count as a success, with the output that they had.
    """

    name: str
    type: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    trigger: TriggerRule = TriggerRule.ALL_SUCCESS
    when: str | bool | None = None
    retries: Retry = NO_RETRY
    timeout: float | None = None
    grace: float = 10.0
    stop_signal: str = "SIGTERM"
    env: Mapping[str, Any] = field(default_factory=dict)
    cwd: str | None = None
    expect: tuple[str | bool, ...] = ()
    allow_failure: str | bool = False
    priority: int = 0
    foreach: Foreach | None = None
    max_parallel: int | None = None
    fail_fast: bool = False
    tasks: Mapping[str, Task] = field(default_factory=dict)
    pipeline: Pipeline | None = None
    pool: Mapping[str, int] = field(default_factory=dict)
    resources: Resources = Resources()
    cache: Cache | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    file: str = ""
    line: int = 0
    column: int = 0
    places: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def is_group(self) -> bool:
        """Whether it holds tasks: its own, or those of another file."""
        return self.type in {"tasks", "pipeline"}

    @property
    def children(self) -> Mapping[str, Task]:
        """The tasks that it holds, by their names in it."""
        return self.tasks if self.pipeline is None else self.pipeline.tasks

    @property
    def holds_slot(self) -> bool:
        """Whether an attempt takes one of the run's slots: what only waits does not."""
        return self.type not in {"wait", "approve"}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What one file declares, includes and defaults taken in."""

    name: str
    file: str
    folder: str
    tasks: Mapping[str, Task]
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, Any] = field(default_factory=dict)
    env_file: str | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    connections: Mapping[str, Connection] = field(default_factory=dict)
    pools: Mapping[str, Pool] = field(default_factory=dict)
    gpus: int | None = None
    max_parallel: int | None = None
    fail_fast: bool = False
    timeout: float | None = None
    durability: Durability = "full"


@dataclass(frozen=True, slots=True)
class Command:
    """A program to spawn.

    `script` goes to a file whose path is appended to `argv`. With `capture`, standard output comes back in
    `Outcome.stdout`, besides going to the log.
    """

    argv: tuple[str, ...]
    script: str | None = None
    capture: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """Python to run in a worker. `payload` is plain JSON, and is the worker's to read (`tasks/worker.py`)."""

    interpreter: str
    folder: str  # first on sys.path
    preload: tuple[str, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """An attempt as it is sent to an executor.

    `env` is the whole environment but for `PIPECTL_OUTPUT` and `PIPECTL_INPUTS`, which the executor adds, since it
    knows where they lie; `inputs` is the JSON text of the upstream outputs, or None. `background` spares what the
    attempt leaves running. `memory` is the most bytes that all its processes may use together.
    """

    instance: str
    attempt: int
    work: Command | Call
    env: Mapping[str, str]
    cwd: str
    timeout: float | None = None
    grace: float = 10.0
    stop_signal: str = "SIGTERM"
    background: bool = False
    inputs: str | None = None
    memory: int | None = None


class Cause(StrEnum):
    """Why an attempt is over."""

    EXITED = "exited"  # by itself, with an exit code or by a signal
    TIMEOUT = "timeout"  # its time limit ended it
    MEMORY = "memory"  # it used more than its limit of memory, and was killed
    CANCELLED = "cancelled"  # we were asked to end it
    UNSTARTABLE = "unstartable"  # it never ran: no such program, no such folder
    REJECTED = "rejected"  # a person said no


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, as an executor tells it: facts, no verdict.

    `exit_code` is None where a signal ended it or it never ran. `error` says what kept it from running or ended it,
    or kept its output from being read. `stdout` is what a captured command printed, `output`
    what was written to `$PIPECTL_OUTPUT`, `result` the worker's JSON text; each at most one byte over OUTPUT_LIMIT,
    raw, not yet masked. `log` is the masked log where it is short; else `log_file` names it, relative to the folder of
    logs, and `log` holds its last lines. `max_rss` is the largest resident memory of one of its processes, in bytes.
    """

    instance: str
    attempt: int
    cause: Cause
    exit_code: int | None = None
    signal: int | None = None
    error: str | None = None
    stdout: bytes | None = None
    output: bytes | None = None
    result: bytes | None = None
    log: bytes = b""
    log_file: str | None = None
    log_size: int = 0
    max_rss: int | None = None


OUTPUT_LIMIT = 1 << 20
"""An output is at most this many bytes as JSON; larger data goes by file."""
