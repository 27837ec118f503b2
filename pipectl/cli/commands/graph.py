"""`pipectl graph`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pipectl.cli.options import File

if TYPE_CHECKING:
    from pipectl.drawing.picture import Picture


class Format(StrEnum):
    """What a graph is drawn as."""

    TREE = "tree"
    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    JSON = "json"


def main(
    file: File,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="tree: for a terminal; mermaid: for Markdown; dot: for Graphviz; svg: for a browser; json.",
        ),
    ] = Format.TREE,
    depth: Annotated[
        int | None,
        typer.Option("--depth", min=0, metavar="N", help="So many levels of groups are unfolded [default: all]."),
    ] = None,
) -> None:
    """Draw how the tasks of a pipeline need each other.

    In the tree, what a task needs stands above it: follow the lines upwards. Of the line through a task, what is left
    of it leads to what it needs, and so do lines from above that end in an arrow; all else at its right leads to those
    that need it. A filled circle hangs on the line above it. Needs that follow from others are left out, but for json.
    """
    from pipectl.cli.definition import read_pipeline
    from pipectl.cli.outlook import tell
    from pipectl.drawing.picture import picture

    pipeline, warnings = read_pipeline(file)
    tell(warnings)
    drawn = picture(pipeline, depth)
    if form is Format.TREE:
        from pipectl.cli.tables.tree import print_tree

        print_tree(drawn)
    else:
        typer.echo(_writer(form)(drawn), nl=False)


def _writer(form: Format) -> Callable[[Picture], str]:
    from pipectl.drawing import formats, svg

    return {
        Format.MERMAID: formats.mermaid,
        Format.DOT: formats.dot,
        Format.JSON: formats.as_json,
        Format.SVG: svg.svg,
    }[form]
