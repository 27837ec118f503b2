"""Taking a run up anywhere, with something to be run again: it ends, nothing stays taken, and people see what is so."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from pipectl.engine.resume import take_up
from pipectl.events import RunStarted
from pipectl.graph import Container
from pipectl.model import ENDED, State, Task
from pipectl.plan import Plan
from pipectl.run_view import RunView
from tests.unit.test_plan import Story, graphs, replay, standing


def seen(graph: dict[str, Task], story: Story) -> RunView:
    view = RunView(graph)
    for event in story.events:
        view.apply(event)
    return view


def assert_seen_as_it_is(view: RunView, plan: Plan) -> None:
    for name, node in plan.nodes.items():
        if not isinstance(node, Container):
            one = view.instances[name]
            allowed = node.state is State.FAILED and any(around.allowed for around in (node, *node.ancestors()))
            assert (one.state, one.allowed, one.attempts) == (node.state, allowed, node.attempts), name
            assert all(span.ended is not None for span in one.spans)


def cut_story(graph: dict[str, Task], chance: random.Random, cut: int, stop_after: int | None) -> Story:
    story = Story(graph, chance)
    story.tell(RunStarted(0.0))
    story.run(stop_after)
    again = Story(graph, chance)
    for event in story.events[: max(1, cut)]:
        again.tell(event)
    return again


@settings(max_examples=200)
@given(graphs(), st.randoms(use_true_random=False), st.integers(0, 60), st.none() | st.integers(1, 10))
def test_whatever_is_run_again_from_wherever_the_run_was_cut_off_it_ends_and_gives_back_all_that_it_took(
    graph: dict[str, Task], chance: random.Random, cut: int, stop_after: int | None
) -> None:
    story = cut_story(graph, chance, cut, stop_after)
    name = chance.choice(sorted({*story.plan.nodes, *(node.path for node in story.plan.nodes.values())}))
    attempts = {one.name: one.attempts for one in story.plan.nodes.values()}
    for event in take_up(story.plan, 9.0, [name]):
        story.tell(event)
    story.run()
    assert all(node.state in ENDED for node in story.plan.nodes.values())
    assert not story.plan.running
    assert standing(replay(graph, story.events)) == standing(story.plan)
    for one, before in attempts.items():
        if one in story.plan.nodes:
            assert story.plan.nodes[one].attempts >= before


@settings(max_examples=200)
@given(graphs(), st.randoms(use_true_random=False), st.integers(0, 60), st.none() | st.integers(1, 10))
def test_people_see_every_instance_as_it_is(
    graph: dict[str, Task], chance: random.Random, cut: int, stop_after: int | None
) -> None:
    story = cut_story(graph, chance, cut, stop_after)
    again = [chance.choice(sorted(story.plan.nodes))] if chance.random() < 0.5 else []
    for event in take_up(story.plan, 9.0, again):
        story.tell(event)
    story.run()
    assert_seen_as_it_is(seen(graph, story), story.plan)
