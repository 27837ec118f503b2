"""What an attempt came to: from the facts that an executor tells to a state, an output or an error."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipectl.masking import Masker
from pipectl.model import OUTPUT_LIMIT, Cause, Outcome, Retry, State, Task
from pipectl.plain_json import check_characters, check_depth
from pipectl.tasks import find
from pipectl.tasks.base import TaskFailed, raised
from pipectl.template import bare

Holds = Callable[[str | bool, Any], bool]
"""Whether an expectation of the task holds for an output."""

_MAY_SKIP = {Cause.TIMEOUT: "on_timeout", Cause.REJECTED: "on_reject"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt ended. `output` is JSON text, masked; `kinds` and `retry_after` are those of `TaskFailed`."""

    state: State
    output: str | None = None
    error: str | None = None
    kinds: tuple[int | str, ...] = ()
    retry_after: float = 0.0


def judge(task: Task, outcome: Outcome, masker: Masker, holds: Holds) -> Verdict:
    """The verdict on an attempt, its expectations included."""
    if outcome.cause is Cause.CANCELLED:
        return Verdict(State.CANCELLED)
    if outcome.exit_code is not None and outcome.exit_code == task.body.get("skip_exit_code"):
        return Verdict(State.SKIPPED)
    if task.body.get(_MAY_SKIP.get(outcome.cause, "")) == "skip":
        return Verdict(State.SKIPPED, error=shown(masker, outcome.error))
    failure = _failure(outcome)
    if failure is not None:
        return _failed(masker, failure)
    try:
        value = find(task.type).output(task, outcome)
        check_depth(value)
        value = masker.mask_value(value)
        text = _as_json(value)
        for expectation in task.expect:
            if not holds(expectation, value):
                raise TaskFailed(f"expected `{bare(expectation)}`, which is not true of the output {_short(text)}")
    except TaskFailed as error:
        return _failed(masker, error)
    except ValueError as error:
        return Verdict(State.FAILED, error=shown(masker, f"the output is no plain data: {error}"))
    return Verdict(State.SUCCESS, output=None if value is None else text)


def shown(masker: Masker, error: object) -> str:
    """An error as it may be recorded and shown: masked, and whole characters only."""
    hint = getattr(error, "hint", "")
    text = f"{error} ({hint})" if hint else str(error)
    return masker.mask(text).encode(errors="backslashreplace").decode()


def may_retry(retry: Retry, verdict: Verdict, outcome: Outcome, tries: int) -> bool:
    """Whether a failed attempt, one of so many `tries`, is of a kind that is tried again."""
    if tries > retry.max:
        return False
    kinds = {*verdict.kinds}
    if outcome.exit_code is not None:
        kinds.add(outcome.exit_code)
    if outcome.cause is Cause.TIMEOUT:
        kinds.add("timeout")
    return not retry.on or not kinds.isdisjoint(retry.on)


def delay(retry: Retry, tries: int, chance: float, asked: float = 0.0) -> float:
    """Seconds before the next attempt, after so many `tries`, never over `max_delay`.

    `chance` from 0 to 1 spreads it by `jitter`; so many seconds as were `asked` for are waited in any case.
    """
    try:
        plain = retry.delay * retry.backoff ** (tries - 1)
    except OverflowError:
        return retry.max_delay
    return min(retry.max_delay, max(asked, plain * (1 + retry.jitter * (2 * chance - 1))))


def _failed(masker: Masker, failure: TaskFailed) -> Verdict:
    return Verdict(State.FAILED, None, shown(masker, failure), failure.kinds, failure.retry_after)


def _failure(outcome: Outcome) -> TaskFailed | None:
    if outcome.cause is Cause.UNSTARTABLE:
        return TaskFailed(outcome.error or "it could not be started")
    if outcome.cause is Cause.TIMEOUT:
        return TaskFailed(outcome.error or "it ran longer than its time limit")
    if outcome.cause is Cause.MEMORY:
        return TaskFailed(outcome.error or "it used more memory than its limit")
    if outcome.signal is not None:
        return TaskFailed(_killed(outcome))
    if outcome.exit_code:
        return raised(outcome) or TaskFailed(f"exit code {outcome.exit_code}{_HINTS.get(outcome.exit_code, '')}")
    return TaskFailed(outcome.error) if outcome.error else None


_HINTS = {
    126: " (a program was found that cannot be executed)",
    127: " (a command was not found)",
    137: " (a process of it was killed by SIGKILL; it may be that memory ran out)",
}


def _killed(outcome: Outcome) -> str:
    assert outcome.signal is not None
    name = signal.Signals(outcome.signal).name if outcome.signal in list(signal.Signals) else f"signal {outcome.signal}"
    if outcome.signal != signal.SIGKILL:
        return f"it was killed by {name}"
    peak = f", of which it used up to {outcome.max_rss / 2**30:.1f} GiB" if outcome.max_rss else ""
    return f"it was killed by {name}: it may be that memory ran out{peak}"


def _as_json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    check_characters(text)
    if len(text.encode()) > OUTPUT_LIMIT:
        raise TaskFailed("the output is over 1 MiB as JSON: write a file, and give its path as the output")
    return text


def _short(text: str, longest: int = 200) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
