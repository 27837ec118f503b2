"""A graph as text for tools: Mermaid and Graphviz's dot, without needs that follow from others, and JSON with all."""

from __future__ import annotations

import json

from pipectl.drawing.picture import Box, Picture, reduced

_MERMAID_SHAPES = {"join": ("((", "))"), "python": ("([", "])"), "sql": ("[(", ")]"), "http": ("[/", "/]")}
_DOT_SHAPES = {"join": "circle", "python": "box, style=rounded", "sql": "cylinder", "http": "parallelogram"}


def mermaid(picture: Picture) -> str:
    """A Mermaid flowchart. Nodes are numbered, since names may be words of Mermaid's own, such as `end`."""
    numbers = {name: f"t{number}" for number, name in enumerate(picture.boxes)}
    lines = ["flowchart LR"]
    for box in picture.boxes.values():
        opened, closed = _MERMAID_SHAPES.get(box.kind, ("[", "]"))
        label = "<br/>".join(_mermaid_text(text) for text in (box.name, *box.notes))
        lines.append(f'    {numbers[box.name]}{opened}"{label}"{closed}')
    lines += [
        f"    {numbers[above]} --> {numbers[name]}" for name, needs in reduced(picture).items() for above in needs
    ]
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    """The text with all that Mermaid or its Markdown would take for more than text as entities."""
    return "".join(c if c.isalnum() or c in " -_.,:/=()'" else f"#{ord(c)};" for c in text)


def dot(picture: Picture) -> str:
    """A directed graph in Graphviz's language."""
    lines = [f"digraph {_quoted(picture.title)} {{", "    rankdir=LR", "    node [shape=box, fontname=sans]"]
    for box in picture.boxes.values():
        label = "\\n".join(_escaped(text) for text in (box.name, *box.notes))
        shape = f", shape={_DOT_SHAPES[box.kind]}" if box.kind in _DOT_SHAPES else ""
        lines.append(f'    {_quoted(box.name)} [label="{label}"{shape}]')
    lines += [f"    {_quoted(above)} -> {_quoted(name)}" for name, needs in reduced(picture).items() for above in needs]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def as_json(picture: Picture) -> str:
    """`{"pipeline": …, "nodes": [{name, type, notes, description}], "edges": [{from, to}]}` on one line."""
    edges = [{"from": above, "to": below} for above, below in picture.edges]
    nodes = [_node(box) for box in picture.boxes.values()]
    return json.dumps({"pipeline": picture.title, "nodes": nodes, "edges": edges}) + "\n"


def _node(box: Box) -> dict[str, object]:
    return {"name": box.name, "type": box.type, "notes": box.notes, "description": box.description}
