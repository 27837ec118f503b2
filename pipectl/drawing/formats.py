"""A graph as text for tools: Mermaid and Graphviz's dot, without needs that follow from others, and JSON with all."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pipectl.drawing.picture import Box, Picture

_MERMAID_SHAPES = {"join": ("((", "))"), "python": ("([", "])"), "sql": ("[(", ")]"), "http": ("[/", "/]")}
_DOT_SHAPES = {"join": "circle", "python": "box, style=rounded", "sql": "cylinder", "http": "parallelogram"}
for _waits in ("wait", "approve"):
    _MERMAID_SHAPES[_waits], _DOT_SHAPES[_waits] = ("{{", "}}"), "hexagon"


def mermaid(picture: Picture) -> str:
    """A Mermaid flowchart. Nodes are numbered, since names may be words of Mermaid's own, such as `end`."""
    numbers = {name: f"t{number}" for number, name in enumerate(picture.boxes)}
    lines = ["flowchart LR", *_mermaid_level(picture, "", numbers, "    ")]
    lines += [f"    {numbers[above]} --> {numbers[name]}" for name, needs in picture.reduced.items() for above in needs]
    return "\n".join(lines) + "\n"


def _mermaid_level(picture: Picture, group: str, numbers: dict[str, str], indent: str) -> Iterator[str]:
    for box in picture.inner[group]:
        label = "<br/>".join(_mermaid_text(text) for text in (box.label, *box.notes))
        if box.name in picture.inner:
            yield f'{indent}subgraph {numbers[box.name]}["{label}"]'
            yield from _mermaid_level(picture, box.name, numbers, f"{indent}    ")
            yield f"{indent}end"
        else:
            opened, closed = _MERMAID_SHAPES.get(box.kind, ("[", "]"))
            yield f'{indent}{numbers[box.name]}{opened}"{label}"{closed}'


def _mermaid_text(text: str) -> str:
    """The text with all that Mermaid or its Markdown would take for more than text as entities."""
    return "".join(c if c.isalnum() or c in " -_.,:/=()'×" else f"#{ord(c)};" for c in text)


def dot(picture: Picture) -> str:
    """A directed graph in Graphviz's language. Edges of a group lead to its border, by way of a task in it."""
    lines = [f"digraph {_quoted(picture.title)} {{", "    rankdir=LR", "    node [shape=box, fontname=sans]"]
    if len(picture.inner) > 1:
        lines.append("    compound=true")
    lines += _dot_level(picture, "", "    ")
    lines += [_dot_edge(picture, above, name) for name, needs in picture.reduced.items() for above in needs]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_level(picture: Picture, group: str, indent: str) -> Iterator[str]:
    for box in picture.inner[group]:
        label = "\\n".join(_escaped(text) for text in (box.label, *box.notes))
        if box.name in picture.inner:
            yield f"{indent}subgraph {_cluster(box.name)} {{"
            yield f'{indent}    label="{label}"'
            yield from _dot_level(picture, box.name, f"{indent}    ")
            yield f"{indent}}}"
        else:
            shape = f", shape={_DOT_SHAPES[box.kind]}" if box.kind in _DOT_SHAPES else ""
            yield f'{indent}{_quoted(box.name)} [label="{label}"{shape}]'


def _dot_edge(picture: Picture, above: str, name: str) -> str:
    borders = {"ltail": above, "lhead": name}
    told = [f"{end}={_cluster(group)}" for end, group in borders.items() if group in picture.inner]
    attributes = f" [{', '.join(told)}]" if told else ""
    return f"    {_quoted(_inmost(picture, above, -1))} -> {_quoted(_inmost(picture, name, 0))}{attributes}"


def _inmost(picture: Picture, name: str, which: int) -> str:
    """A task that stands for a group: Graphviz draws no edges between clusters themselves."""
    while name in picture.inner:
        name = picture.inner[name][which].name
    return name


def _cluster(name: str) -> str:
    return _quoted(f"cluster_{name}")


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def as_json(picture: Picture) -> str:
    """`{"pipeline": …, "nodes": [{name, type, group, …}], "edges": [{from, to}]}` on one line."""
    edges = [{"from": above, "to": below} for above, below in picture.edges]
    nodes = [_node(box) for box in picture.boxes.values()]
    return json.dumps({"pipeline": picture.title, "nodes": nodes, "edges": edges}) + "\n"


def _node(box: Box) -> dict[str, object]:
    return {
        "name": box.name,
        "type": box.type,
        "group": box.group or None,
        "copies": box.copies,
        "file": box.file,
        "notes": box.notes,
        "description": box.description,
    }
