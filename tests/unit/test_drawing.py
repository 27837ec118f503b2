"""Graphs for other tools, and as SVG: whole, quoted right, and no box over another."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.drawing import formats
from pipectl.drawing.layers import arrange
from pipectl.drawing.notes import copies
from pipectl.drawing.picture import Picture, picture
from pipectl.drawing.svg import svg
from pipectl.model import Foreach, Pipeline, Task, TriggerRule
from tests.unit.test_lanes import Needs, graphs

ODD = '<b>"{x}" & `y` #1; | \\n]'


def drawn(*tasks: Task) -> Picture:
    return picture(Pipeline("p", "p.yaml", "/", {task.name: task for task in tasks}))


def odd() -> Picture:
    return drawn(
        Task("end", "shell", {}),
        Task("sub-graph", "python", {}, ("end",), when=ODD, description=ODD),
        Task("class", None, {}, ("end", "sub-graph"), trigger=TriggerRule.ALL_DONE),
    )


def test_mermaid_numbers_the_nodes_since_names_may_be_words_of_its_own() -> None:
    text = formats.mermaid(odd())
    assert text.startswith("flowchart LR\n")
    assert '    t0["end"]\n' in text
    assert "    t0 --> t1\n" in text
    assert not re.search(r"^\s*(end|class)\b", text, re.M)


def test_mermaid_takes_no_text_for_its_own_language() -> None:
    line = next(line for line in formats.mermaid(odd()).splitlines() if "sub-graph" in line)
    label = re.fullmatch(r'    t1\(\["(.*)"\]\)', line)
    assert label is not None
    assert not set(label[1].replace("<br/>", "")) & set('<>"`{}|[]\\&')
    assert re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label[1]) == f"sub-graph<br/>when {ODD}"


def test_dot_quotes_names_and_labels() -> None:
    text = formats.dot(odd())
    assert '"end" -> "sub-graph"' in text
    assert 'label="sub-graph\\nwhen <b>\\"{x}\\" & `y` #1; | \\\\n]"' in text
    assert 'label="class\\nall_done"' in text


def test_json_has_every_need_and_the_pictures_only_those_that_do_not_follow() -> None:
    document = json.loads(formats.as_json(odd()))
    assert [node["name"] for node in document["nodes"]] == ["end", "sub-graph", "class"]
    assert {"from": "end", "to": "class"} in document["edges"]
    assert "t0 --> t2" not in formats.mermaid(odd())
    assert '"end" -> "class"' not in formats.dot(odd())


def test_svg_is_well_formed_and_needs_nothing_from_elsewhere() -> None:
    text = svg(odd())
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme:dark" in text
    assert "<script" not in text
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert any(ODD in (title.text or "") for title in root.iter("{http://www.w3.org/2000/svg}title"))


def test_svg_draws_each_task_and_each_need_once() -> None:
    root = ElementTree.fromstring(svg(odd()))
    classes = [element.get("class") or "" for element in root.iter()]
    assert classes.count("box") == 3
    assert classes.count("edge") == 2
    assert any("not drawn: 1" in (text.text or "") for text in root.iter("{http://www.w3.org/2000/svg}text"))


@given(graphs())
def test_layers_put_each_task_after_its_needs_and_no_two_in_one_place(needs: Needs) -> None:
    layers = arrange(needs, dict.fromkeys(needs, 40.0), gap=10)
    layer_of = {point.name: point.layer for layer in layers for point in layer if point.name}
    assert layer_of.keys() == needs.keys()
    assert all(layer_of[above] < layer_of[name] for name in needs for above in needs[name])
    for layer in layers:
        for above, below in pairwise(layer):
            assert below.y - above.y > (above.height + below.height) / 2 - 1e-6
    assert min(point.y - point.height / 2 for layer in layers for point in layer) >= -1e-6


@given(graphs())
def test_edges_over_several_layers_pass_each_of_them(needs: Needs) -> None:
    for layer in arrange(needs, dict.fromkeys(needs, 40.0), gap=10):
        for point in layer:
            assert all(follower.layer == point.layer + 1 for follower in point.after)
            assert point.name or (len(point.before), len(point.after)) == (1, 1)


def grouped() -> Picture:
    inner = {
        "extract": Task("region.extract", "shell", foreach=Foreach(items="{{ x }}")),
        "load": Task("region.load", "sql", needs=("region.extract", "prep")),
    }
    child = Pipeline("child", "/x/child.yaml", "/x", {"a": Task("a", "shell"), "b": Task("b", "shell", needs=("a",))})
    return drawn(
        Task("prep", "shell"),
        Task("region", "tasks", needs=("prep",), foreach=Foreach(items=["eu", "us"]), tasks=inner),
        Task("child", "pipeline", needs=("region",), pipeline=child),
        Task("report", "shell", needs=("child", "region", "prep")),
    )


def test_what_is_in_a_group_comes_after_it_and_needs_nothing_of_what_follows_from_the_group() -> None:
    picture = grouped()
    names = ["prep", "region", "region.extract", "region.load", "child", "child.a", "child.b", "report"]
    assert list(picture.boxes) == names
    assert picture.reduced["region.load"] == ("region.extract",)
    assert picture.reduced["report"] == ("child",)


def test_groups_are_subgraphs_and_clusters_with_one_edge_at_their_border() -> None:
    text = formats.mermaid(grouped())
    assert '    subgraph t1["region<br/>× 2"]\n        t2["extract<br/>× n"]\n' in text
    assert '    subgraph t4["child<br/>child.yaml"]' in text
    assert text.count("subgraph") == text.count("    end\n") == 2
    assert "    t0 --> t1\n" in text
    text = formats.dot(grouped())
    assert '    subgraph "cluster_region" {\n        label="region\\n× 2"\n' in text
    assert '    "prep" -> "region.extract" [lhead="cluster_region"]\n' in text
    assert '    "region.load" -> "child.a" [ltail="cluster_region", lhead="cluster_child"]\n' in text


def test_json_says_which_group_each_is_in_and_how_many_copies_there_are() -> None:
    nodes = {node["name"]: node for node in json.loads(formats.as_json(grouped()))["nodes"]}
    assert (nodes["region"]["type"], nodes["region"]["copies"], nodes["region"]["group"]) == ("tasks", 2, None)
    assert (nodes["region.extract"]["copies"], nodes["region.extract"]["group"]) == (None, "region")
    assert (nodes["child"]["type"], nodes["child"]["file"]) == ("pipeline", "child.yaml")


def test_svg_draws_what_is_in_a_group_within_its_box() -> None:
    root = ElementTree.fromstring(svg(grouped()))
    classes = [element.get("class") or "" for element in root.iter()]
    assert (classes.count("box"), classes.count("group"), classes.count("edge")) == (6, 2, 5)
    for inner, outer in within(root):
        x, y, width, height = inner
        assert min(x, y) >= 0
        assert x + width <= outer[0]
        assert y + height <= outer[1]


def within(root: ElementTree.Element) -> list[tuple[tuple[float, ...], tuple[float, float]]]:
    """Place and size of each box in a group, with the size of the group."""
    svg_ = "{http://www.w3.org/2000/svg}"
    found = []
    for group in root.iter(f"{svg_}g"):
        border = group.find(f"{svg_}rect[@class='group']")
        if border is None:
            continue
        level = group.find(f"{svg_}g")
        assert level is not None
        left, top = place(level)
        for box in level.findall(f"{svg_}g"):
            shape = box.find(f"{svg_}rect")
            assert shape is not None
            x, y = place(box)
            found.append(((left + x, top + y, *size(shape)), size(border)))
    assert found
    return found


def place(element: ElementTree.Element) -> tuple[float, float]:
    x, y = re.findall(r"-?[\d.]+", element.get("transform") or "")
    return float(x), float(y)


def size(element: ElementTree.Element) -> tuple[float, float]:
    return float(element.get("width") or 0), float(element.get("height") or 0)


GROUP = Pipeline(
    "p",
    "p.yaml",
    "/",
    {
        "g": Task("g", "tasks", tasks={"a": Task("g.a", "shell"), "b": Task("g.b", "shell", needs=("prep",))}),
        "prep": Task("prep", "shell"),
        "last": Task("last", "shell", needs=("g.a",)),
    },
)


@given(graphs(), st.integers(1, 6), st.sampled_from([None, 0, 1]))
def test_each_box_comes_after_all_that_it_needs_however_much_is_folded(
    needs: Needs, size: int, depth: int | None
) -> None:
    paths = {name: f"g{number // size}.{name}" if number // size % 2 else name for number, name in enumerate(needs)}
    tasks: dict[str, Task] = {}
    for name, path in paths.items():
        task = Task(path, "shell", needs=tuple(paths[need] for need in needs[name]))
        group, _, _ = path.rpartition(".")
        if group:
            tasks[group] = Task(group, "tasks", tasks={**(tasks[group].tasks if group in tasks else {}), name: task})
        else:
            tasks[name] = task
    drawn = picture(Pipeline("p", "p.yaml", "/", tasks), depth)
    seen: set[str] = set()
    for box in drawn.boxes.values():
        assert {*box.needs, *filter(None, [box.group])} <= seen
        seen.add(box.name)
        assert set(drawn.reduced[box.name]) <= set(box.needs)
    assert ElementTree.fromstring(svg(drawn)) is not None


def test_folded_group_stands_for_what_is_in_it() -> None:
    assert list(picture(GROUP).boxes) == ["prep", "g", "g.a", "g.b", "last"]
    folded = picture(GROUP, depth=0)
    assert list(folded.boxes) == ["prep", "g", "last"]
    assert folded.boxes["g"].notes == ("2 tasks",)
    assert folded.edges == [("prep", "g"), ("g", "last")]


@pytest.mark.parametrize(
    ("foreach", "count"),
    [
        (Foreach(items=[1, 2, 3]), 3),
        (Foreach(items="{{ x }}"), None),
        (Foreach(matrix={"a": [1, 2], "b": [1, 2, 3]}), 6),
        (Foreach(matrix={"a": [1, 2], "b": "{{ x }}"}), None),
        (Foreach(matrix={"a": [1, 2], "b": [1, 2]}, exclude=[{"a": 1}], include=[{"a": 9}, {"a": 2, "b": 1}]), 3),
        (Foreach(matrix={"a": [1, 2]}, exclude=[{"a": "{{ x }}"}]), None),
    ],
)
def test_copies_are_counted_where_the_file_says_how_many_there_are(foreach: Foreach, count: int | None) -> None:
    assert copies(foreach) == count


def test_characters_that_nobody_sees_are_shown_as_escapes() -> None:
    hidden = drawn(Task("a", "shell", {}, when="params.x == '\u202e\x07'", description="\x07\u202e\nnext"))
    for text in (formats.dot(hidden), formats.mermaid(hidden), svg(hidden)):
        assert not {"\u202e", "\x07"} & set(text)
        assert "u202e" in text
    ElementTree.fromstring(svg(hidden))
