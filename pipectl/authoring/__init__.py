"""Pipelines made by Python programs: the same model through the same checks, and the same command that runs them.

`from pipectl import Pipeline, task` is the way in. What a worker imports along with a task's function stays light, so
the modules that check, write and run are imported when they are asked for.
"""

from __future__ import annotations

CHANNEL = "PIPECTL_GENERATED"
"""The variable with the descriptor by which a program leaves its pipeline to a command, in place of FILE."""
