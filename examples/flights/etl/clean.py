"""From a month as it was published to the flights that can be measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.files import read_rows, write_rows

COLUMNS = ("day", "hour", "carrier", "origin", "delay", "arrival_delay")


@dataclass
class Counts:
    """What became of a month's rows: each is kept, cancelled or diverted."""

    rows: int = 0
    kept: int = 0
    cancelled: int = 0  # never left
    diverted: int = 0  # left, and did not arrive where it was going
    outside_month: int = 0
    without_tailnum: int = 0


def clean_month(month: str, source: str) -> dict[str, Any]:
    """Write the flown flights of `source` to `MONTH.clean.csv` beside it, and count what was dropped.

    `month` is given as `2013-01`. Raises ValueError, with the line, for a value that is no number where one belongs.
    """
    target = Path(source).with_name(f"{month}.clean.csv")
    counts = Counts()
    write_rows(target, COLUMNS, _flown(month, Path(source), counts))
    return {
        "month": month,
        "path": str(target),
        "rows": counts.rows,
        "kept": counts.kept,
        "cancelled": counts.cancelled,
        "diverted": counts.diverted,
        "outside_month": counts.outside_month,
        "tailnum_missing": round(counts.without_tailnum / max(counts.rows, 1), 4),
    }


def _flown(month: str, source: Path, counts: Counts) -> Iterator[tuple[object, ...]]:
    for line, row in enumerate(read_rows(source), start=2):
        day = f"{row['year']}-{row['month']:>02}-{row['day']:>02}"
        counts.rows += 1
        counts.outside_month += not day.startswith(month)
        counts.without_tailnum += _missing(row["tailnum"])
        if _missing(row["dep_time"]):
            counts.cancelled += 1
        elif _missing(row["arr_delay"]):
            counts.diverted += 1
        else:
            counts.kept += 1
            yield _typed(day, row, f"{source.name}:{line}")


def _typed(day: str, row: Mapping[str, str], place: str) -> tuple[object, ...]:
    try:
        hour = f"{int(row['hour']):02}"
        return day, hour, row["carrier"], row["origin"], int(row["dep_delay"]), int(row["arr_delay"])
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _missing(value: str) -> bool:
    return value in {"", "NA"}
