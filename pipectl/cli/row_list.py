"""Columns of text for lists that may be long: rich's own tables take a millisecond for each row, and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from pipectl.cli.tables import Screen

_GAP = 3
_LEAST_PROSE = 24
_RIGHT = frozenset({"starts", "takes", "took"})


def print_rows(screen: Screen, headings: Sequence[str], rows: Sequence[Sequence[Text]], *, prose: bool = False) -> None:
    """Prints the rows below their headings, with no word cut.

    With `prose` the last cell of each row is wrapped within its column, or stands below the others where there is no
    room for that.
    """
    widths = [max([cell_len(heading), *(cell_len(row[i].plain) for row in rows)]) for i, heading in enumerate(headings)]
    room = screen.width - sum(widths[:-1]) - _GAP * (len(widths) - 1)
    if prose and room < min(widths[-1], _LEAST_PROSE):
        lines = _stacked(screen, rows)
    else:
        if prose:
            widths[-1] = min(widths[-1], room)
        lines = _table(screen, headings, rows, widths)
    for line in lines:
        screen.print(line, no_wrap=True, overflow="ignore", crop=False)


def _table(
    screen: Screen, headings: Sequence[str], rows: Sequence[Sequence[Text]], widths: Sequence[int]
) -> Iterator[Text]:
    right = [heading in _RIGHT for heading in headings]
    yield _line([Text(heading, style="bold") for heading in headings], widths, right)
    yield Text(("-" if screen.options.ascii_only else "─") * (sum(widths) + _GAP * (len(widths) - 1)))
    indent = Text(" " * (sum(widths[:-1]) + _GAP * (len(widths) - 1)))
    for row in rows:
        first, *further = _wrapped(screen, row[-1], widths[-1])
        yield _line([*row[:-1], first], widths, right)
        yield from (indent + line for line in further)


def _line(cells: Sequence[Text], widths: Sequence[int], right: Sequence[bool]) -> Text:
    line = Text()
    for number, (cell, width, is_right) in enumerate(zip(cells, widths, right, strict=True)):
        padding = " " * (width - cell_len(cell.plain))
        line.append(padding if is_right else "").append_text(cell)
        if number < len(cells) - 1:
            line.append(("" if is_right else padding) + " " * _GAP)
    line.rstrip()
    return line


def _stacked(screen: Screen, rows: Sequence[Sequence[Text]]) -> Iterator[Text]:
    for row in rows:
        yield Text("  ").join(cell for cell in row[:-1] if cell.plain)
        for line in _wrapped(screen, row[-1], screen.width - 2):
            yield Text("  ") + line


def _wrapped(screen: Screen, text: Text, width: int) -> Sequence[Text]:
    if cell_len(text.plain) <= width and "\n" not in text.plain:
        return [text]
    return list(text.wrap(screen, max(1, width)))
