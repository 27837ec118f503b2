"""Graphs for other tools, and as SVG: whole, quoted right, and no box over another."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given

from pipectl.drawing import formats
from pipectl.drawing.layers import arrange
from pipectl.drawing.picture import Picture, picture
from pipectl.drawing.svg import svg
from pipectl.model import Pipeline, Task, TriggerRule
from tests.unit.test_lanes import Needs, graphs

ODD = '<b>"{x}" & `y` #1; | \\n]'


def drawn(*tasks: Task) -> Picture:
    return picture(Pipeline("p", "p.yaml", "/", {task.name: task for task in tasks}))


def odd() -> Picture:
    return drawn(
        Task("end", "shell", {}),
        Task("sub-graph", "python", {}, ("end",), when=ODD, description=ODD),
        Task("class", None, {}, ("end", "sub-graph"), TriggerRule.ALL_DONE),
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
    layers = arrange(needs, box=40, gap=10)
    layer_of = {point.name: point.layer for layer in layers for point in layer if point.name}
    assert layer_of.keys() == needs.keys()
    assert all(layer_of[above] < layer_of[name] for name in needs for above in needs[name])
    for layer in layers:
        for above, below in pairwise(layer):
            assert below.y - above.y > (above.height + below.height) / 2 - 1e-6
    assert min(point.y - point.height / 2 for layer in layers for point in layer) >= -1e-6


@given(graphs())
def test_edges_over_several_layers_pass_each_of_them(needs: Needs) -> None:
    for layer in arrange(needs, box=40, gap=10):
        for point in layer:
            assert all(follower.layer == point.layer + 1 for follower in point.after)
            assert point.name or (len(point.before), len(point.after)) == (1, 1)


def test_characters_that_nobody_sees_are_shown_as_escapes() -> None:
    hidden = drawn(Task("a", "shell", {}, when="params.x == '\u202e\x07'", description="\x07\u202e\nnext"))
    for text in (formats.dot(hidden), formats.mermaid(hidden), svg(hidden)):
        assert not {"\u202e", "\x07"} & set(text)
        assert "u202e" in text
    ElementTree.fromstring(svg(hidden))
