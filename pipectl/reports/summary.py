"""The end of a run in words: what failed first, with the end of its log, and the command that goes on from here."""

from __future__ import annotations

from collections.abc import Iterator

from pipectl.durations import format_duration
from pipectl.events import AttemptFinished, TaskClosed
from pipectl.model import RunState, State
from pipectl.reports.base import Report
from pipectl.reports.text import COLOURS, clean, coloured, counted, listed
from pipectl.run_view import InstanceView

_MOST_FAILURES = 10


def summary(report: Report, *, colour: bool) -> Iterator[str]:
    """The lines of the summary."""
    yield from failures(report, colour=colour)
    yield ending(report, colour=colour)
    if report.view.state is not RunState.SUCCESS:
        yield f"hint: `pipectl resume {report.run.id}{report.state_option}` runs the rest"


def failures(report: Report, *, colour: bool) -> Iterator[str]:
    """Each failed task with its error and the end of its log, the first to fail first; then what they blocked."""
    failed = report.view.failures
    for one in failed[:_MOST_FAILURES]:
        attempts = f" after {one.attempts} attempts" if one.attempts > 1 else ""
        yield coloured(f"failed: {one.name}{attempts}: {clean(one.error or '')}", COLOURS[State.FAILED], colour)
        for line in report.tail(one):
            yield f"    {line}"
    if len(failed) > _MOST_FAILURES:
        command = f"pipectl show {report.run.id}{report.state_option}"
        yield f"and {len(failed) - _MOST_FAILURES} more failed: `{command}` lists them"
    blocked = [one.name for one in report.view.instances.values() if one.state is State.UPSTREAM_FAILED]
    if blocked:
        yield f"not run because of that: {listed(blocked)}"


def ending(report: Report, *, colour: bool) -> str:
    """The last line: what became of the run, how long it took, the counts."""
    view = report.view
    words, code = _ENDINGS[view.state]
    reasons = {
        "cancel": " (by `pipectl cancel`)",
        "fail_fast": " (failed fast)",
        "timeout": " (its time limit ended it)",
    }
    reason = reasons.get(view.stopping or "", f" (by {view.stopping})" if view.stopping else "")
    took = format_duration((view.ended or 0.0) - (report.began or 0.0))
    return (
        f"run {report.run.id} {coloured(words, code, colour)}{reason} in {took}: {counted(view.counts(), view.allowed)}"
    )


_ENDINGS = {
    RunState.SUCCESS: ("succeeded", "32"),
    RunState.FAILED: ("failed", "31"),
    RunState.CANCELLED: ("was cancelled", "33"),
}


def closing(one: InstanceView) -> str:
    """How one instance ended or goes on, in words."""
    took = "" if one.duration is None else f" in {format_duration(one.duration)}"
    error = f": {clean(one.error)}" if one.error else ""
    match one.state:
        case State.RETRYING:
            return f"failed{error}"
        case State.FAILED if one.allowed:
            return f"failed{took}{error} (allowed)"
        case State.SKIPPED if one.closed_by:
            return f"skipped (by its {one.closed_by})"
        case _:
            return f"{one.state}{took}{error}"


def outcome(one: InstanceView, event: AttemptFinished | TaskClosed) -> str:
    """What an event that ended an attempt or an instance has come to, in words."""
    if isinstance(event, AttemptFinished) and event.state is None:
        return f"attempt {event.attempt} was {event.error}"
    words = closing(one)
    if one.retry_at is not None:
        words += f"; next attempt in {format_duration(max(0.0, one.retry_at - event.at))}"
    return words
