"""Waits and approvals that cannot end as they are written: nothing to wait for, no such time, no time to look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pipectl.durations import parse_duration
from pipectl.errors import Problem
from pipectl.spec.declaration import Declaration
from pipectl.spec.files import not_a_file
from pipectl.spec.param_declarations import declaration_problems
from pipectl.spec.scalars import as_text
from pipectl.spec.schema import definition
from pipectl.spec.source import Part
from pipectl.spec.waits import KINDS, OF_ATTEMPTS, TIMES, is_duration, kind_of, long_form

_OF_LOOKS = ("expect", "interval", "timeout", "on_timeout")
_CLOCK = re.compile(r"[0-2]?[0-9]:[0-5][0-9](:[0-5][0-9])?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?")
_DURATION = "write e.g. `30s`, `10m`, `1h30m`, or a number of seconds"


def waiting_problems(name: str, task: Part, declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with a task that waits, but for the type of task by which it looks."""
    kind = "wait" if "wait" in task.value else "approve"
    for key in task.value:
        if key in OF_ATTEMPTS:
            yield task[key].problem(*_without_effect(kind, key, task[key]), key=True)
    if kind == "approve":
        yield from _approve_problems(task["approve"], declaration)
    else:
        yield from _wait_problems(name, task["wait"], declaration)


def option_problems(kind: str, options: Part) -> Iterator[Problem]:
    """What is wrong with the times of a wait or an approval, or of the defaults of those."""
    timeout, interval = options.get("timeout"), options.get("interval")
    if timeout is not None and parse_duration(timeout.value) == 0:
        what = "the wait" if kind == "wait" else "the approval"
        yield timeout.problem(f"{what} has no time at all", "write e.g. `timeout: 1d`")
    if interval is not None and parse_duration(interval.value) == 0:
        yield interval.problem("there is no time between two looks", "write e.g. `interval: 10s`")


def _without_effect(kind: str, key: str, part: Part) -> tuple[str, str]:
    what = "a wait" if kind == "wait" else "an approval"
    if key == "timeout":
        return f"`timeout` is the limit of an attempt, and {what} has its own", (
            f"write `{kind}: {{…, timeout: {as_text(part.value)}}}`"
        )
    if kind == "wait" and key == "expect":
        return "in a wait `expect` is part of what it waits for", "write `wait: {…, expect: …}`"
    if kind == "wait" and key == "retries":
        return "a wait looks again until its time is over: it has no `retries`", "write `wait: {…, timeout: 1d}`"
    if key in ("pool", "resources", "priority"):
        return f"{what} takes no slot: `{key}` has no effect", f"remove `{key}`"
    return f"{what} has no `{key}`", f"remove `{key}`"


def _wait_problems(name: str, wait: Part, declaration: Declaration) -> Iterator[Problem]:
    if isinstance(wait.value, str) and (_DAY.fullmatch(wait.value) or _CLOCK.fullmatch(wait.value)):
        yield wait.problem(f"`{wait.value}` is a time, not a path", f'write `wait: {{until: "{_moment(wait.value)}"}}`')
        return
    wait = long_form(wait)
    given = [kind for kind in KINDS if kind in wait.value]
    if not given and not wait.taken:
        listed = ", ".join(f"`{kind}`" for kind in KINDS[:-1])
        yield wait.problem(f"task `{name}` waits for nothing", f"add {listed} or `{KINDS[-1]}` to its `wait`", key=True)
    for kind in given[1:]:
        yield wait[kind].problem(
            f"task `{name}` waits for both `{given[0]}` and `{kind}`", "make two tasks of it", key=True
        )
    yield from option_problems("wait", wait)
    if kind_of(wait.value) in TIMES:
        for key in _OF_LOOKS:
            if key in wait.value:
                yield wait[key].problem(f"a wait `{given[0]}` a time has no `{key}`", f"remove `{key}`", key=True)
    yield from _time_problems(wait)
    run = wait.get("run")
    if run is not None:
        yield from _run_problems(run, declaration)


def _time_problems(wait: Part) -> Iterator[Problem]:
    pause, until = wait.get("for"), wait.get("until")
    if pause is not None and not _is_rendered(pause) and not is_duration(pause.value):
        yield pause.problem(f"`for`: `{pause.value}` is not a duration", _DURATION)
    if until is None or _is_rendered(until):
        return
    if is_duration(until.value):
        yield until.problem(f"`until`: `{until.value}` is a duration, not a time", f"write `for: {until.value}`")
    elif not _is_time(until.value):
        hint = f'write `until: "{_moment(until.value)}"`'
        yield until.problem(f"`until`: `{until.value}` is not a time in ISO 8601", hint)


def _moment(text: str) -> str:
    """The time that a text means, as it is written; an example where it means none."""
    if _CLOCK.fullmatch(text):
        return f"{{{{ run.date }}}}T{text if text[2] == ':' else f'0{text}'}"
    return text if _is_time(text) else "2026-07-01T06:00:00+02:00"


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_rendered(part: Part) -> bool:
    return isinstance(part.value, str) and "{{" in part.value


def _run_problems(run: Part, declaration: Declaration) -> Iterator[Problem]:
    pipeline = run if isinstance(run.value, str) else run.get("pipeline")
    if pipeline is None or _is_rendered(pipeline):
        return
    if pipeline.value.endswith((".yaml", ".yml")):
        if problem := not_a_file(pipeline, Path(declaration.folder, pipeline.value)):
            yield problem
    elif not re.fullmatch(definition("name")["pattern"], pipeline.value):
        hint = "a script that looks is `shell: …`"
        yield pipeline.problem(f"`{pipeline.value}` is neither the name of a pipeline nor its file", hint)


def _approve_problems(approve: Part, declaration: Declaration) -> Iterator[Problem]:
    yield from option_problems("approve", approve)
    params = approve.get("params")
    if params is not None:
        yield from declaration_problems(dict(params.items()))
    on_timeout = approve.get("on_timeout")
    endless = "timeout" not in approve.value and declaration.default("approve", "timeout") is None
    if on_timeout is not None and endless and not approve.taken:
        message = "`on_timeout` has no effect without a `timeout`"
        yield on_timeout.problem(message, f"write `timeout: 1d, on_timeout: {on_timeout.value}`", key=True)
