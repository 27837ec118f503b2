"""The picture of a graph in a terminal."""

from __future__ import annotations

from rich.console import OverflowMethod
from rich.text import Text

from pipectl.cli.tables import Screen
from pipectl.drawing.lanes import Row, as_ascii, draw
from pipectl.drawing.picture import Box, Picture, reduced
from pipectl.reports.text import clean

_WIDEST = 24  # more lanes than that nobody can follow


def print_tree(picture: Picture) -> None:
    """A line for each task, with lanes at its left that lead up to what it needs."""
    screen = Screen(highlight=False)
    needs = reduced(picture)
    rows = draw(needs, min(_WIDEST, screen.width // 3))
    width = max((len(row.lanes) for row in rows), default=0)
    overflow: OverflowMethod = (
        "ignore" if not screen.is_terminal else "crop" if screen.options.ascii_only else "ellipsis"
    )
    for row in rows:
        line = _line(row, picture.boxes[row.name] if row.name else None, width)
        if screen.options.ascii_only:
            line.plain = as_ascii(line.plain)
        screen.print(line, no_wrap=True, overflow=overflow, crop=False)
    implied = len(picture.edges) - sum(map(len, needs.values()))
    if implied:
        screen.print(Text(f"\nnot drawn: {implied} `needs` that follow from others", style="dim"))


def _line(row: Row, box: Box | None, width: int) -> Text:
    line = Text(row.lanes, style="cyan")
    if box is not None:
        line.append(f"{'':{width - len(row.lanes)}}  {box.name}", style="bold")
        line.append(clean(f"  {' · '.join((box.type, *box.notes))}"), style="not bold dim")
    if row.unseen:
        line.append(f"  ← {', '.join(row.unseen)}", style="yellow")
    return line
