"""The end of a run in words: what failed first, with the end of its log, and the command that goes on from here."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pipectl.durations import format_duration
from pipectl.events import ApprovalAnswered, AttemptFinished, TaskClosed
from pipectl.model import RunState, State
from pipectl.reports.base import Report
from pipectl.reports.folding import Failures, failures, names
from pipectl.reports.text import COLOURS, clean, coloured, counted
from pipectl.run_view import InstanceView

NO_ITEMS = "skipped (by its foreach)"
"""What has become of a task with `foreach` that has no items."""

_MOST_FAILURES = 10


def summary(report: Report, *, colour: bool) -> Iterator[str]:
    """The lines of the summary."""
    view = report.view
    yield from _failed(report, colour=colour)
    if view.state is RunState.RUNNING:
        yield from _waiting(report)
    yield ending(report, colour=colour)
    if view.state is not RunState.SUCCESS:
        goes_on = "goes on after that" if view.state is RunState.RUNNING else "runs the rest"
        yield f"hint: `pipectl resume {report.run.id}{report.state_option}` {goes_on}"


def _failed(report: Report, *, colour: bool) -> Iterator[str]:
    """Each failed task with its error and the end of its log, the first to fail first; then what they blocked.

    Of a task of which many instances failed there are their reasons, and an example of each.
    """
    left, untold = _MOST_FAILURES, 0
    for failed in failures(report.view, report.view.failures):
        told = (failed.examples if failed.is_folded else failed.instances)[:left]
        left -= len(told)
        more = len(failed.instances) - len(told)
        if failed.is_folded and told:
            yield coloured(f"failed: {failed.task}: {failed.words}", COLOURS[State.FAILED], colour)
        for one in told:
            yield from _example(report, one, failed, colour=colour)
        if failed.is_folded and told:
            yield f"  and {more:,} more: `pipectl show {report.run.id} {failed.task}{report.state_option}` lists them"
        else:
            untold += more
    if untold:
        yield f"and {untold:,} more failed: `pipectl show {report.run.id}{report.state_option}` lists them"
    blocked = report.view.by_state[State.UPSTREAM_FAILED].values()
    if blocked:
        yield f"not run because of that: {names(sorted(blocked, key=lambda one: one.order))}"


def _example(report: Report, one: InstanceView, failed: Failures, *, colour: bool) -> Iterator[str]:
    attempts = f" after {one.attempts} attempts" if one.attempts > 1 and one.waits_for is None else ""
    told = f"{one.name}{attempts}: {clean(one.error or '')}"
    yield f"  {told}" if failed.is_folded else coloured(f"failed: {told}", COLOURS[State.FAILED], colour)
    for line in report.tail(one):
        yield f"    {line}"


def _waiting(report: Report) -> Iterator[str]:
    """What is left to wait for, and how a question is answered."""
    for one in report.view.by_state[State.WAITING].values():
        yield f"{one.name} {waiting(one.waits_for or '')}"
        if report.task_of(one).type == "approve":
            yield answer_hint(report, one)


def answer_hint(report: Report, one: InstanceView) -> str:
    """The command that answers a question."""
    return f"hint: `pipectl approve {report.run.id} {shlex.quote(one.name)}{report.state_option}` answers, or `reject`"


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
    took = format_duration((view.ended or view.heard) - (report.began or 0.0))
    return (
        f"run {report.run.id} {coloured(words, code, colour)}{reason} in {took}: {counted(view.counts(), view.allowed)}"
    )


_ENDINGS = {
    RunState.SUCCESS: ("succeeded", "32"),
    RunState.FAILED: ("failed", "31"),
    RunState.CANCELLED: ("was cancelled", "33"),
    RunState.RUNNING: ("was left waiting", "33"),
}


def waiting(on: str) -> str:
    """That something waits, in words: `until …` and `for …` say it by themselves."""
    return f"waits {clean(on)}" if on.startswith(("until ", "for ")) else f"waits for {clean(on)}"


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


def closed(event: AttemptFinished | TaskClosed) -> str:
    """What has become of a group, or of a task with `foreach`, with all in it; empty where those tell it themselves."""
    if not isinstance(event, TaskClosed):
        return ""
    if event.by == "tasks":
        return "failed (allowed)" if event.allowed else ""
    return closing(InstanceView(event.instance, event.instance, state=event.state, closed_by=event.by))


def answered(event: ApprovalAnswered) -> str:
    """The answer to a question: who gave it, and why."""
    done = "approved" if event.answer == "approve" else "rejected"
    return clean(f"{done} by {event.by}" + (f": {event.comment}" if event.comment else ""))
