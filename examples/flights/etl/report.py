"""The report: what the figures say, in sentences, tables and charts, as one HTML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from etl import charts
from etl.files import replacing

STYLE = Path(__file__).with_name("page.css")
MONTHS = ("", "January", "February", "March")
FEATURES = {
    "hour": "hour of departure",
    "carrier": "airline",
    "humid": "humidity",
    "origin": "airport",
    "wind_speed": "wind speed",
    "weekday": "day of the week",
    "seats": "seats",
    "distance": "distance",
    "temp": "temperature",
    "visib": "visibility",
    "precip": "rain and snow",
    "age": "age of the plane",
}


class Delays(NamedTuple):
    """A row of `sql/delays.sql`: minutes, negative where flights were early, and shares from 0 to 1."""

    name: str
    flights: int
    mean: float
    median: float
    ninth_decile: int
    late_share: float
    mean_arrival: float


def write(
    delays: Mapping[str, Sequence[Mapping[str, Any]]],
    months: Sequence[Mapping[str, Any]],
    evaluation: Mapping[str, Any],
    airports: Mapping[str, str],
    min_flights: int,
    late_after: int,
    target: str,
) -> dict[str, Any]:
    """Write the report to `target`, and return its path and headline findings.

    `delays` has the rows of `sql/delays.sql` by airline, origin and hour, `months` those of `sql/months.sql`,
    `evaluation` is what `model.evaluate` returned. Airlines with fewer than `min_flights` flights are not ranked.
    """
    airlines, origins, hours = ([Delays(**row) for row in delays[by]] for by in ("airline", "origin", "hour"))
    origins = sorted((row._replace(name=f"{airports[row.name]} ({row.name})") for row in origins), key=_mean)
    hours = [row._replace(name=f"{row.name:02}:00") for row in hours]
    ranked = sorted((row for row in airlines if row.flights >= min_flights), key=_mean)
    unranked = [row for row in airlines if row.flights < min_flights]
    findings = [*_findings(months, ranked, origins, hours, late_after), _verdict(evaluation)]
    title = f"Departures from New York, {_period(months)}"
    sections = [
        _list(findings),
        "<h2>By planned hour of departure</h2><p>Minutes late, on average.</p>",
        charts.columns([(row.name[:2], row.mean) for row in hours], "Mean delay by hour"),
        "<h2>By airline, the most punctual first</h2><p>Minutes late, on average.</p>" if ranked else "",
        charts.rows([(row.name, row.mean) for row in ranked], "Mean delay by airline") if ranked else "",
        _table("airline", ranked, late_after) if ranked else "",
        _few(unranked, min_flights),
        "<h2>By airport</h2>",
        _table("airport", origins, late_after),
        *_model(evaluation, late_after),
        "<h2>What was left out</h2>",
        _dropped(months),
        "<p>A cancelled flight never left; a diverted one did not arrive where it was going. Neither is measured.</p>",
    ]
    with replacing(Path(target)) as part:
        part.write_text(_page(title, "\n".join(section for section in sections if section)), encoding="utf-8")
    return {"path": target, "findings": findings}


def _findings(
    months: Sequence[Mapping[str, Any]],
    airlines: Sequence[Delays],
    origins: Sequence[Delays],
    hours: Sequence[Delays],
    late_after: int,
) -> list[str]:
    planned, flown, cancelled = (sum(month[count] for month in months) for count in ("planned", "flown", "cancelled"))
    mean, arrival, late = (
        sum(getattr(row, figure) * row.flights for row in hours) / flown
        for figure in ("mean", "mean_arrival", "late_share")
    )
    calmest, busiest = min(hours, key=_mean), max(hours, key=_mean)
    findings = [
        f"{flown:,} of {planned:,} planned flights left and arrived; {cancelled:,} ({cancelled / planned:.1%}) were "
        f"cancelled, {planned - flown - cancelled:,} diverted.",
        f"On average they left {mean:.1f} minutes late and arrived {arrival:.1f} minutes late; {late:.1%} left more "
        f"than {late_after} minutes late.",
    ]
    if len(airlines) > 1:
        best, worst = airlines[0], airlines[-1]
        findings.append(
            f"The most punctual airline was {best.name} ({_minutes(best.mean)} on average), the least {worst.name} "
            f"({_minutes(worst.mean)})."
        )
    return [
        *findings,
        f"Flights from {origins[-1].name} left latest: {_minutes(origins[-1].mean)} on average.",
        f"The hour matters: {_minutes(calmest.mean)} at {calmest.name}, {_minutes(busiest.mean)} at {busiest.name}.",
    ]


def _verdict(evaluation: Mapping[str, Any]) -> str:
    return (
        "Of a late and a punctual flight on days it has not seen, the model tells which is which "
        f"{evaluation['auc']:.0%} of the time; the hour alone, {evaluation['hour_auc']:.0%}."
    )


def _model(evaluation: Mapping[str, Any], late_after: int) -> list[str]:
    loss = [(FEATURES[name], value) for name, value in evaluation["importance"].items() if value >= 0.001]
    return [
        "<h2>What can be known before</h2>",
        f"<p>How likely a flight is to leave more than {late_after} minutes late, as the model said and as it came: "
        f"{evaluation['flights']:,} flights that were held back, in ten groups.</p>",
        charts.calibration([(part["predicted"], part["late"]) for part in evaluation["calibration"]], "Calibration"),
        "<p>What the model relies on: how much it loses (AUC) when that column is shuffled.</p>",
        charts.rows(loss, "Importance of columns", ".3f"),
    ]


def _mean(row: Delays) -> float:
    return row.mean


def _minutes(delay: float) -> str:
    return f"{abs(delay):.1f} minutes {'late' if delay >= 0 else 'early'}"


def _period(months: Sequence[Mapping[str, Any]]) -> str:
    names = [MONTHS[month["month"]] for month in months]
    return f"{names[0]} 2013" if len(names) == 1 else f"{names[0]} to {names[-1]} 2013"


def _table(of: str, rows: Iterable[Delays], late_after: int) -> str:
    head = (of, "flights", "mean", "median", "9 of 10 within", f"over {late_after} min late")
    body = [
        (
            *(row.name, f"{row.flights:,}", f"{row.mean:.1f}", f"{row.median:g}", str(row.ninth_decile)),
            f"{row.late_share:.1%}",
        )
        for row in rows
    ]
    return _cells(head, body)


def _dropped(months: Iterable[Mapping[str, Any]]) -> str:
    counts = ("planned", "cancelled", "diverted", "flown")
    body = [(MONTHS[month["month"]], *(f"{month[count]:,}" for count in counts)) for month in months]
    return _cells(("month", *counts), body)


def _few(airlines: Sequence[Delays], min_flights: int) -> str:
    listed = ", ".join(f"{row.name} ({row.flights})" for row in airlines)
    return f'<p class="quiet">Not ranked, with fewer than {min_flights:,}: {escape(listed)}.</p>' if listed else ""


def _cells(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in body]
    headings = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return f"<table><tr>{headings}</tr>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _page(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )
