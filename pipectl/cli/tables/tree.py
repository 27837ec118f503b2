"""The picture of a graph in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from pipectl.cli.tables.row_list import cut
from pipectl.cli.tables.screen import Screen
from pipectl.drawing.lanes import Row, as_ascii, draw
from pipectl.drawing.picture import Box, Picture
from pipectl.reports.text import clean

_WIDEST = 24  # more lanes than that nobody can follow


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the tree: lanes, the box that stands there, and the needs of it that no lane shows."""

    lanes: str
    box: Box | None = None
    unseen: tuple[str, ...] = ()


def print_tree(picture: Picture) -> None:
    """A line for each task, with lanes at its left that lead up to what it needs; those in a group stand below it."""
    screen = Screen()
    write = as_ascii if screen.options.ascii_only else str
    below = []
    for row in _level(picture, "", min(_WIDEST, screen.width // 3)):
        unseen = Text(f"← {', '.join(row.unseen)}" if row.unseen else "", style="yellow")
        line = _text(row, _words(row.box), unseen)
        if row.box and row.unseen and cell_len(line.plain) > screen.width:
            line = _text(row, Text(f"← {len(row.unseen)} (see below)", style="yellow"), _words(row.box))
            below.append(Text.assemble(f"\n{row.box.name} ", unseen))
        line.plain = write(line.plain)
        screen.print(cut(screen, line, screen.width), no_wrap=True, overflow="ignore", crop=False)
    for note in below:
        note.plain = write(note.plain)
        screen.print(note)
    implied = len(picture.edges) - sum(map(len, picture.reduced.values()))
    if implied:
        screen.print(Text(f"\nnot drawn: {implied} `needs` that follow from others", style="dim"))


def _level(picture: Picture, group: str, widest: int) -> Iterator[_Line]:
    """The lines of what is in a group, or in none: lanes join what stands beside each other."""
    names = {box.name for box in picture.inner[group]}
    needs = {name: [need for need in picture.reduced[name] if need in names] for name in names}
    rows = draw({box.name: needs[box.name] for box in picture.inner[group]}, widest)
    width = max((len(row.lanes) for row in rows), default=0) + 2
    inside = indent = ""
    for row in rows:
        if row.name is not None:
            yield from _indented(picture, inside, indent, widest) if inside else ()
            inside = row.name if row.name in picture.inner else ""
        indent = f"{row.below:<{width}}"
        yield _line(picture, row, width, names)
    yield from _indented(picture, inside, indent, widest) if inside else ()


def _indented(picture: Picture, group: str, indent: str, widest: int) -> Iterator[_Line]:
    for line in _level(picture, group, widest):
        yield _Line(indent + line.lanes, line.box, line.unseen)


def _line(picture: Picture, row: Row, width: int, beside: set[str]) -> _Line:
    if row.name is None:
        return _Line(row.lanes)
    elsewhere = (need for need in picture.reduced[row.name] if need not in beside)
    return _Line(f"{row.lanes:<{width}}", picture.boxes[row.name], (*row.unseen, *elsewhere))


def _text(row: _Line, *remarks: Text) -> Text:
    line = Text(row.lanes, style="cyan")
    if row.box is not None:
        line.append(row.box.label, style="bold")
        for remark in filter(None, remarks):
            line.append("  ").append_text(remark)
    return line


def _words(box: Box | None) -> Text:
    return Text(clean(" · ".join((box.kind, *box.notes))) if box else "", style="dim")
