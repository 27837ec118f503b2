"""The pipeline of a recorded run: the definition that it goes by, or the part of that which was selected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipectl.model import Pipeline
from pipectl.spec.build import build
from pipectl.store.rows import Run
from pipectl.store.store import Store


def pipeline_of(store: Store, run: Run) -> Pipeline:
    """What the run carries out."""
    return part_of(build(store.definition(run.definition)), run.options)


def part_of(pipeline: Pipeline, options: Mapping[str, Any]) -> Pipeline:
    """What a run with these options carries out of a pipeline. Raises UsageError where it has no such part."""
    chosen = options.get("selection")
    if not chosen:
        return pipeline
    from pipectl.selection import Selection, select  # what most runs have none of

    return select(pipeline, Selection(**chosen)).pipeline
