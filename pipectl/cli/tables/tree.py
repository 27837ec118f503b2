"""The picture of a graph in a terminal."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from pipectl.cli.tables.row_list import cut
from pipectl.cli.tables.screen import Screen
from pipectl.drawing.lanes import Row, as_ascii, draw
from pipectl.drawing.picture import Box, Picture, reduced
from pipectl.reports.text import clean

_WIDEST = 24  # more lanes than that nobody can follow


def print_tree(picture: Picture) -> None:
    """A line for each task, with lanes at its left that lead up to what it needs."""
    screen = Screen()
    needs = reduced(picture)
    rows = draw(needs, min(_WIDEST, screen.width // 3))
    width = max((len(row.lanes) for row in rows), default=0)
    write = as_ascii if screen.options.ascii_only else str
    below = []
    for row in rows:
        box = picture.boxes[row.name] if row.name else None
        unseen = Text(f"← {', '.join(row.unseen)}" if row.unseen else "", style="yellow")
        line = _line(row, width, box, _words(box), unseen)
        if row.unseen and cell_len(line.plain) > screen.width:
            line = _line(row, width, box, Text(f"← {len(row.unseen)} (see below)", style="yellow"), _words(box))
            below.append(Text.assemble(f"\n{row.name} ", unseen))
        line.plain = write(line.plain)
        screen.print(cut(screen, line, screen.width), no_wrap=True, overflow="ignore", crop=False)
    for note in below:
        note.plain = write(note.plain)
        screen.print(note)
    implied = len(picture.edges) - sum(map(len, needs.values()))
    if implied:
        screen.print(Text(f"\nnot drawn: {implied} `needs` that follow from others", style="dim"))


def _line(row: Row, width: int, box: Box | None, *remarks: Text) -> Text:
    line = Text(row.lanes, style="cyan")
    if box is not None:
        line.append(f"{'':{width - len(row.lanes)}}  {box.name}", style="bold")
        for remark in filter(None, remarks):
            line.append("  ").append_text(remark)
    return line


def _words(box: Box | None) -> Text:
    return Text(clean(" · ".join((box.kind, *box.notes))) if box else "", style="dim")
