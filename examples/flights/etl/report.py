"""The report: what the tables say, in sentences, tables and a chart, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from etl.delays import Delays, read_delays
from etl.files import read_rows, replacing

BAR = 40  # characters of the longest bar


def write(
    tables: Mapping[str, str],
    totals: Mapping[str, Any],
    airlines: str,
    airports: Mapping[str, str],
    min_flights: int,
    late_after: int,
    target: str,
) -> dict[str, Any]:
    """Write the report to `target`, and return its path and headline findings.

    `tables` names the files of `delays.measure` by carrier, origin and hour; `totals` are the counts of all months
    together, `airlines` a file of names by code. Airlines with fewer than `min_flights` flights are listed, and not
    ranked.
    """
    names = {row["carrier"]: row["name"] for row in read_rows(Path(airlines))}
    carriers = [row._replace(group=names.get(row.group, row.group)) for row in read_delays(tables["carrier"])]
    origins = [row._replace(group=f"{airports[row.group]} ({row.group})") for row in read_delays(tables["origin"])]
    hours = [row._replace(group=f"{row.group}:00") for row in read_delays(tables["hour"])]
    ranked = sorted((row for row in carriers if row.flights >= min_flights), key=lambda row: row.mean)
    unranked = [row for row in carriers if row.flights < min_flights]
    findings = _findings(totals, ranked, origins, hours, late_after)
    sections = [
        f"# Departures from New York, {_period(totals['months'])}",
        "\n".join(f"- {finding}" for finding in findings),
        "## By airline, the most punctual first",
        _table("airline", ranked, late_after) if ranked else "",
        _few(unranked, min_flights),
        "## By airport",
        _table("airport", sorted(origins, key=lambda row: row.mean), late_after),
        "## By planned hour of departure",
        "Minutes late, on average:",
        _chart(hours),
        "## What was left out",
        _dropped(totals["months"]),
        "A cancelled flight never left; a diverted one did not arrive where it was going. Neither can be measured.",
    ]
    with replacing(Path(target)) as file:
        file.write("\n\n".join(section for section in sections if section) + "\n")
    return {"path": target, "findings": findings}


def _findings(
    totals: Mapping[str, Any],
    carriers: Sequence[Delays],
    origins: Sequence[Delays],
    hours: Sequence[Delays],
    late_after: int,
) -> list[str]:
    mean, arrival = _weighted(hours, lambda row: row.mean), _weighted(hours, lambda row: row.mean_arrival)
    late = _weighted(hours, lambda row: row.late_share)
    calmest, busiest = min(hours, key=lambda row: row.mean), max(hours, key=lambda row: row.mean)
    slowest = max(origins, key=lambda row: row.mean)
    findings = [
        f"{totals['kept']:,} of {totals['rows']:,} planned flights left and arrived; {totals['cancelled']:,} "
        f"({totals['cancelled'] / totals['rows']:.1%}) were cancelled, {totals['diverted']:,} diverted.",
        f"On average they left {mean:.1f} minutes late and arrived {arrival:.1f} minutes late; "
        f"{late:.1%} left more than {late_after} minutes late.",
    ]
    if len(carriers) > 1:
        best, worst = carriers[0], carriers[-1]
        findings.append(
            f"The most punctual airline was {best.group} ({_minutes(best.mean)} on average), "
            f"the least {worst.group} ({_minutes(worst.mean)})."
        )
    return [
        *findings,
        f"Flights from {slowest.group} left latest: {_minutes(slowest.mean)} on average.",
        f"The hour matters: {_minutes(calmest.mean)} at {calmest.group}, {_minutes(busiest.mean)} at {busiest.group}.",
    ]


def _weighted(rows: Sequence[Delays], figure: Callable[[Delays], float]) -> float:
    return sum(figure(row) * row.flights for row in rows) / sum(row.flights for row in rows)


def _minutes(delay: float) -> str:
    return f"{abs(delay):.1f} minutes {'late' if delay >= 0 else 'early'}"


def _period(months: Sequence[Mapping[str, Any]]) -> str:
    first, last = (date.fromisoformat(f"{month['month']}-01").strftime("%B %Y") for month in (months[0], months[-1]))
    return first if first == last else f"{first} to {last}"


def _table(of: str, rows: Iterable[Delays], late_after: int) -> str:
    lines = [
        f"| {of} | flights | mean | median | 9 of 10 within | over {late_after} min late |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.group} | {row.flights:,} | {row.mean:.1f} | {row.median:g} | {row.ninth_decile} "
        f"| {row.late_share:.1%} |"
        for row in rows
    ]
    return "\n".join(lines)


def _few(carriers: Sequence[Delays], min_flights: int) -> str:
    listed = ", ".join(f"{row.group} ({row.flights})" for row in carriers)
    return f"Not ranked, with fewer than {min_flights:,} flights: {listed}." if listed else ""


def _chart(hours: Sequence[Delays]) -> str:
    longest = max(1.0, *(row.mean for row in hours))
    bars = [f"{row.group} {row.mean:5.1f} {'█' * round(max(row.mean, 0) / longest * BAR)}".rstrip() for row in hours]
    return "\n".join(["```text", *bars, "```"])


def _dropped(months: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| month | planned | cancelled | diverted | measured |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {month['month']} | {month['rows']:,} | {month['cancelled']:,} | {month['diverted']:,} | {month['kept']:,} |"
        for month in months
    ]
    return "\n".join(lines)
