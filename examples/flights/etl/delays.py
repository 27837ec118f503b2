"""How late flights left, by one of their properties."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etl.files import read_rows, write_rows


class Delays(NamedTuple):
    """A row of a table of delays: minutes, negative where flights were early, and shares from 0 to 1."""

    group: str
    flights: int
    mean: float
    median: float
    ninth_decile: int  # nine flights of ten left at most this late
    late_share: float
    mean_arrival: float


def measure(by: str, sources: Sequence[str], late_after: int, target: str) -> dict[str, Any]:
    """Write a table of delays to `target`, with a row for each value of the column `by`, in their order.

    A flight that leaves more than `late_after` minutes after its time is late.
    """
    departures: dict[str, list[int]] = defaultdict(list)
    arrivals: dict[str, list[int]] = defaultdict(list)
    for source in sources:
        for row in read_rows(Path(source)):
            departures[row[by]].append(int(row["delay"]))
            arrivals[row[by]].append(int(row["arrival_delay"]))
    rows = [_delays(group, sorted(departures[group]), arrivals[group], late_after) for group in sorted(departures)]
    write_rows(Path(target), Delays._fields, rows)
    return {"path": target, "groups": len(rows), "flights": sum(row.flights for row in rows)}


def read_delays(source: str) -> list[Delays]:
    """The table that `measure` wrote."""
    return [
        Delays(
            group=row["group"],
            flights=int(row["flights"]),
            mean=float(row["mean"]),
            median=float(row["median"]),
            ninth_decile=int(row["ninth_decile"]),
            late_share=float(row["late_share"]),
            mean_arrival=float(row["mean_arrival"]),
        )
        for row in read_rows(Path(source))
    ]


def _delays(group: str, departures: Sequence[int], arrivals: Sequence[int], late_after: int) -> Delays:
    flights = len(departures)
    return Delays(
        group=group,
        flights=flights,
        mean=round(statistics.fmean(departures), 2),
        median=statistics.median(departures),
        ninth_decile=departures[(flights - 1) * 9 // 10],
        late_share=round(sum(delay > late_after for delay in departures) / flights, 4),
        mean_arrival=round(statistics.fmean(arrivals), 2),
    )
