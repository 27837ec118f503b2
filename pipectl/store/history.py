"""What past runs tell about the next one: how long its tasks take, and what they are repeated for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from pipectl.labels import item_labels
from pipectl.outline import task_path

_RUNS = 10
_MANY = 400_000  # events; of runs that have more, fewer are looked at

# The newest runs of a pipeline, as far as they have not too many events; the newest one in any case.
_NEWEST = """
SELECT number FROM (
    SELECT number, sum(size) OVER (ORDER BY number DESC) - size AS newer FROM (
        SELECT number, (SELECT coalesce(max(seq), 0) FROM events WHERE run = number) AS size
        FROM runs WHERE pipeline = ? ORDER BY number DESC LIMIT ?
    )
) WHERE newer < ?
"""

# The last start and the last success of an instance in a run are of one attempt, unless it was made to run again and
# did not succeed: then the start is the later one.
_SECONDS = f"""
SELECT instance,
       max(at) FILTER (WHERE kind = 'attempt_finished' AND json_extract(data, '$.state') = 'success')
           - max(at) FILTER (WHERE kind = 'attempt_started') AS seconds
FROM events
WHERE run IN ({_NEWEST}) AND instance IS NOT NULL
GROUP BY run, instance
HAVING seconds >= 0
"""

_OPENED = f"""
SELECT instance, data FROM events
WHERE run IN ({_NEWEST}) AND kind = 'task_opened' AND json_type(data, '$.items') = 'array'
ORDER BY run DESC, seq DESC
"""

_SUCCEEDED = """
SELECT id FROM runs WHERE pipeline = ? AND EXISTS (
    SELECT 1 FROM events
    WHERE run = runs.number AND (instance = ? OR instance > ? AND instance < ? OR instance > ? AND instance < ?)
        AND kind IN ('attempt_finished', 'task_closed') AND json_extract(data, '$.state') IN ('success', 'cached')
)
ORDER BY number DESC
"""


def durations(connection: sqlite3.Connection, pipeline: str) -> dict[str, float]:
    """The median seconds of the successful attempts of each instance in the newest runs of the pipeline.

    Of a task with many instances it is known by the task's path, too. Instances that have not succeeded in one of these
    runs are left out.
    """
    seconds: dict[str, list[float]] = {}
    for instance, took in connection.execute(_SECONDS, (pipeline, _RUNS, _MANY)):
        for name in {instance, task_path(instance)}:
            seconds.setdefault(name, []).append(took)
    return {name: sorted(taken)[len(taken) // 2] for name, taken in seconds.items()}


def items(connection: sqlite3.Connection, pipeline: str) -> dict[str, tuple[list[Any], list[str]]]:
    """What each task with `foreach` was repeated for in the newest of these runs that came to it: items and labels.

    They are known by the name of the instance, and by the task's path.
    """
    found: dict[str, tuple[list[Any], list[str]]] = {}
    for instance, data in connection.execute(_OPENED, (pipeline, _RUNS, _MANY)):
        if instance in found:
            continue
        opened = json.loads(data)
        made = (opened["items"], opened.get("labels") or item_labels(opened["items"]))
        for name in (instance, task_path(instance)):
            found.setdefault(name, made)
    return found


def runs_with_success(connection: sqlite3.Connection, pipeline: str, names: Sequence[str]) -> list[str]:
    """The ids of the runs in which something succeeded, newest first: of that name, or between those bounds."""
    return [row[0] for row in connection.execute(_SUCCEEDED, (pipeline, *names))]
