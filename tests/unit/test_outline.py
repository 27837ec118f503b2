"""Paths of tasks, names of instances, and what one is called beside the other."""

from __future__ import annotations

import pytest

from pipectl.model import Foreach, Pipeline, Task
from pipectl.outline import belongs, beside, outline, steps, task_at, task_path

EACH = Foreach(items=[1, 2])
CHILD = Pipeline("child", "child.yaml", "/", {"a": Task("a", "shell"), "b": Task("b", "shell", needs=("a",))})
TASKS = {
    "prep": Task("prep", "shell"),
    "region": Task(
        "region",
        "tasks",
        needs=("prep",),
        foreach=EACH,
        tasks={
            "extract": Task("region.extract", "shell"),
            "load": Task("region.load", "shell", needs=("region.extract", "prep")),
        },
    ),
    "child": Task("child", "pipeline", pipeline=CHILD),
}


def test_groups_stand_before_what_is_in_them() -> None:
    assert list(outline(TASKS)) == ["prep", "region", "region.extract", "region.load", "child", "child.a", "child.b"]


def test_needs_in_a_sub_pipeline_are_told_from_the_top() -> None:
    places = outline(TASKS)
    assert places["child.b"].needs == ("child.a",)
    assert places["region.load"].needs == ("region.extract", "prep")


def test_all_in_a_group_with_foreach_is_repeated() -> None:
    assert {path for path, place in outline(TASKS).items() if place.is_repeated} == {
        "region",
        "region.extract",
        "region.load",
    }


def test_groups_around_a_task_begin_with_the_innermost() -> None:
    assert [place.path for place in outline(TASKS)["region.load"].around()] == ["region"]


def test_labels_may_hold_what_separates_names() -> None:
    name = "compile[src/a.c].link[x=1.5,y=a.b]"
    assert steps(name) == ["compile[src/a.c]", "link[x=1.5,y=a.b]"]
    assert task_path(name) == "compile.link"


def test_task_is_found_by_its_path() -> None:
    assert task_at(TASKS, "child.b").needs == ("a",)
    with pytest.raises(KeyError):
        task_at(TASKS, "child.c")


@pytest.mark.parametrize(
    ("path", "name"),
    [("region.extract", "region[eu].extract"), ("prep", "prep"), ("region", "region"), ("child.a", "child.a")],
)
def test_upstream_is_that_of_the_same_copy(path: str, name: str) -> None:
    assert beside("region[eu].load", path) == name


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("region", True),
        ("region[eu]", True),
        ("region.load", True),
        ("region[eu].load", True),
        ("region[us]", False),
        ("region[e", False),
        ("regio", False),
        ("load", False),
        ("region[eu].loa", False),
    ],
)
def test_instance_belongs_to_its_task_its_groups_and_their_copies(name: str, holds: bool) -> None:
    assert belongs("region[eu].load", name) is holds


def test_instance_belongs_to_the_task_of_which_it_is_one_of_many() -> None:
    assert belongs("region[eu].part[1]", "region[eu].part")
    assert not belongs("region[eu].part[1]", "region[us].part")
