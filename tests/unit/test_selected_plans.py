"""Parts of random pipelines: what is selected runs to its end, and nothing else is there."""

from __future__ import annotations

import random
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from pipectl.errors import UsageError
from pipectl.events import RunStarted
from pipectl.model import ENDED, Pipeline, Task
from pipectl.selection import Selection, select
from pipectl.task_tree import every_task
from tests.unit.test_plan import Story, graphs, replay, standing

Way = Literal["only", "from_", "until", "skip"]


@settings(max_examples=150)
@given(graphs(), st.randoms(use_true_random=False), st.sampled_from(["only", "from_", "until", "skip"]))
def test_every_instance_of_a_part_ends_and_replaying_gives_the_same(
    graph: dict[str, Task], chance: random.Random, way: Way
) -> None:
    paths = [path for path, _ in every_task(graph)]
    try:
        part = select(Pipeline("p", "p.yaml", "/", graph), Selection(**{way: [chance.choice(paths)]})).pipeline.tasks
    except UsageError:
        return  # nothing was left
    assert {path for path, _ in every_task(part)} <= set(paths)
    story = Story(dict(part), chance)
    story.tell(RunStarted(0.0))
    story.run()
    assert all(node.state in ENDED for node in story.plan.nodes.values())
    assert standing(replay(dict(part), story.events)) == standing(story.plan)
