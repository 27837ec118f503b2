"""What past runs tell about the next one: how long its instances take."""

from __future__ import annotations

import sqlite3

_RUNS = 10

# The last start and the last success of an instance in a run are of one attempt, unless it was made to run again and
# did not succeed: then the start is the later one.
_SECONDS = """
SELECT instance,
       max(at) FILTER (WHERE kind = 'attempt_finished' AND json_extract(data, '$.state') = 'success')
           - max(at) FILTER (WHERE kind = 'attempt_started') AS seconds
FROM events
WHERE run IN (SELECT number FROM runs WHERE pipeline = ? ORDER BY number DESC LIMIT ?) AND instance IS NOT NULL
GROUP BY run, instance
HAVING seconds >= 0
"""


def durations(connection: sqlite3.Connection, pipeline: str) -> dict[str, float]:
    """The median seconds of the successful attempts of each instance in the newest runs of the pipeline.

    Instances that have not succeeded in one of these are left out.
    """
    seconds: dict[str, list[float]] = {}
    for instance, took in connection.execute(_SECONDS, (pipeline, _RUNS)):
        seconds.setdefault(instance, []).append(took)
    return {instance: sorted(taken)[len(taken) // 2] for instance, taken in seconds.items()}
