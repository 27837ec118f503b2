"""Columns of text for lists that may be long: rich's own tables take a millisecond for each row, and more."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rich.cells import cell_len
from rich.console import OverflowMethod
from rich.text import Text

from pipectl.cli.tables.screen import Screen

_LEAST = 8  # columns that are left of a column that gives way
_LEAST_PROSE = 24
_RIGHT = frozenset({"attempts", "starts", "takes", "took"})

Rows = Sequence[Sequence[Text]]


def print_rows(
    screen: Screen, headings: Sequence[str], rows: Rows, *, elastic: Collection[str] = (), prose: bool = False
) -> None:
    """Prints the rows below their headings.

    Where they are wider than the screen, the columns named in `elastic` give way, one after the other: what they hold
    is cut. With `prose` the last cell of each row is wrapped within its column, or stands below the others where there
    is no room for that; a further line of it that holds something to type, in backticks, is never broken.
    """
    widths = [max([cell_len(heading), *(_width(row[i]) for row in rows)]) for i, heading in enumerate(headings)]
    gaps = screen.gap * (len(widths) - 1)
    room = screen.width - sum(widths[:-1]) - gaps
    if prose and room < min(widths[-1], _LEAST_PROSE):
        lines = _stacked(screen, rows)
    else:
        if prose:
            widths[-1] = min(widths[-1], room)
        for heading in elastic:
            column = headings.index(heading)
            widths[column] -= max(0, min(widths[column] - _LEAST, sum(widths) + gaps - screen.width))
        lines = _table(screen, headings, rows, widths, prose=prose)
    for line in lines:
        screen.print(line, no_wrap=True, overflow="ignore", crop=False)


def _width(cell: Text) -> int:
    return cell_len(cell.plain.partition("\n")[0])


def _table(
    screen: Screen, headings: Sequence[str], rows: Rows, widths: Sequence[int], *, prose: bool
) -> Iterator[Text]:
    right = [heading in _RIGHT for heading in headings]
    yield _line(screen, [Text(heading, style="bold") for heading in headings], widths, right)
    yield Text(("-" if screen.options.ascii_only else "─") * (sum(widths) + screen.gap * (len(widths) - 1)))
    indent = Text(" " * (sum(widths[:-1]) + screen.gap * (len(widths) - 1)))
    for row in rows:
        first, *further = _wrapped(screen, row[-1], widths[-1]) if prose else [row[-1]]
        yield _line(screen, [*row[:-1], first], widths, right)
        yield from (indent + line for line in further)


def _line(screen: Screen, cells: Sequence[Text], widths: Sequence[int], right: Sequence[bool]) -> Text:
    line = Text()
    for number, (cell, width, is_right) in enumerate(zip(cells, widths, right, strict=True)):
        shown = cut(screen, cell, width)
        padding = " " * (width - cell_len(shown.plain))
        line.append(padding if is_right else "").append_text(shown)
        if number < len(cells) - 1:
            line.append(("" if is_right else padding) + " " * screen.gap)
    line.rstrip()
    return line


def cut(screen: Screen, text: Text, width: int) -> Text:
    """The text within so many columns."""
    if cell_len(text.plain) <= width:
        return text
    overflow: OverflowMethod = "crop" if screen.options.ascii_only else "ellipsis"
    shown = text.copy()
    shown.truncate(width, overflow=overflow)
    return shown


def _stacked(screen: Screen, rows: Rows) -> Iterator[Text]:
    for row in rows:
        yield cut(screen, Text("  ").join(cell for cell in row[:-1] if cell.plain), screen.width)
        for line in _wrapped(screen, row[-1], screen.width - 2):
            yield Text("  ") + line


def _wrapped(screen: Screen, text: Text, width: int) -> Sequence[Text]:
    """The lines of the text, wrapped; but for further ones with something to type, which are whole."""
    found: list[Text] = []
    for number, line in enumerate(text.split("\n")):
        whole = cell_len(line.plain) <= width or (number > 0 and "`" in line.plain)
        found += [line] if whole else line.wrap(screen, max(1, width))
    for line in found:
        line.rstrip()
    return found
