"""The table of `doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from pipectl.cli.doctor.check import Check, Status
from pipectl.cli.tables.row_list import print_rows
from pipectl.cli.tables.screen import Screen, number
from pipectl.reports.text import clean

_STYLES: dict[Status, str] = {"ok": "green", "warning": "yellow", "error": "red"}


def print_checks(checks: Sequence[Check]) -> None:
    """A line for each check with what to do about it, then how many of each kind there are."""
    screen = Screen()
    print_rows(screen, ("", "check", "found"), [_row(check) for check in checks], prose=True)
    counts = Counter(check.status for check in checks)
    screen.print()
    told = (f"{counts['ok']} ok", number(counts["warning"], "warning"), number(counts["error"], "error"))
    screen.print(Text(", ".join(text for text, status in zip(told, _STYLES, strict=True) if counts[status])))


def _row(check: Check) -> list[Text]:
    found = Text(clean(check.message))
    if check.hint:
        found.append(clean(f"\nhint: {check.hint}"), style="dim")
    return [Text(check.status, style=_STYLES[check.status]), Text(check.name), found]
