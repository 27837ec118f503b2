"""From files as they were published to files that a database takes: typed, and without what is not used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from etl.files import read_rows, write_rows

COLUMNS = (
    *("month", "day", "weekday", "hour", "carrier", "flight", "tailnum", "origin", "dest", "distance"),
    *("status", "delay", "arrival_delay"),
)


@dataclass
class Counts:
    """What a month's rows are: each flight has flown, was cancelled or diverted."""

    flown: int = 0
    cancelled: int = 0  # never left
    diverted: int = 0  # left, and did not arrive where it was going
    outside_month: int = 0
    without_tailnum: int = 0


def clean_month(month: str, source: str) -> dict[str, Any]:
    """Write the flights of `source` to `MONTH.csv` beside it, and count what became of them.

    `month` is given as `2013-01`. Raises ValueError, with the line, for a value that is no number where one belongs.
    """
    target = Path(source).with_name(f"{month}.csv")
    counts = Counts()
    write_rows(target, COLUMNS, _flights(month, Path(source), counts))
    rows = counts.flown + counts.cancelled + counts.diverted
    return {
        "path": str(target),
        "rows": rows,
        "cancelled": counts.cancelled,
        "outside_month": counts.outside_month,
        "tailnum_missing": round(counts.without_tailnum / max(rows, 1), 4),
    }


def clean_table(source: str, columns: Sequence[str]) -> dict[str, Any]:
    """Write these columns of `source` beside it, with nothing where it says `NA`: to the database that is null."""
    target = Path(source).with_suffix(".clean.csv")
    rows = [["" if row[column] == "NA" else row[column] for column in columns] for row in read_rows(Path(source))]
    write_rows(target, columns, rows)
    return {"path": str(target), "rows": len(rows)}


def _flights(month: str, source: Path, counts: Counts) -> Iterator[Sequence[object]]:
    for line, row in enumerate(read_rows(source), start=2):
        try:
            yield _flight(month, row, counts)
        except ValueError as error:
            raise ValueError(f"{source.name}:{line}: {error}") from None


def _flight(month: str, row: Mapping[str, str], counts: Counts) -> Sequence[object]:
    day = date(int(row["year"]), int(row["month"]), int(row["day"]))
    status = _status(row)
    setattr(counts, status, getattr(counts, status) + 1)
    counts.outside_month += not day.isoformat().startswith(month)
    counts.without_tailnum += _missing(row["tailnum"])
    return (
        *(day.month, day.day, day.isoweekday(), int(row["hour"]), row["carrier"], int(row["flight"])),
        *("" if _missing(row["tailnum"]) else row["tailnum"], row["origin"], row["dest"], int(row["distance"])),
        *(status, _minutes(row["dep_delay"]), _minutes(row["arr_delay"])),
    )


def _status(row: Mapping[str, str]) -> str:
    if _missing(row["dep_time"]):
        return "cancelled"
    return "diverted" if _missing(row["arr_delay"]) else "flown"


def _minutes(value: str) -> int | str:
    return "" if _missing(value) else int(value)


def _missing(value: str) -> bool:
    return value in {"", "NA"}
