"""From measurements as they were delivered to what is kept of them."""

import csv
import json
from pathlib import Path
from statistics import mean


def convert(source, target):
    """Write the days of a station with a measurement to `target`, in Fahrenheit, and return their number and mean."""
    with Path(source).open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["celsius"]]
    days = {row["day"]: round(float(row["celsius"]) * 1.8 + 32, 2) for row in rows}
    _write(target, json.dumps(days, indent=2))
    return {"station": Path(source).stem, "days": len(days), "mean": round(mean(days.values()), 2)}


def summarise(stations, target):
    """Write a line for each station to `target`."""
    lines = [f"{one['station']},{one['days']},{one['mean']}\n" for one in stations]
    _write(target, "station,days,mean\n" + "".join(lines))


def _write(target, text):
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
