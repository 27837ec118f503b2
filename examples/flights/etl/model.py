"""A model of which flights leave late, by what is known before they leave."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from etl.files import replacing

CATEGORIES = ("carrier", "origin")
NUMBERS = ("weekday", "hour", "distance", "seats", "age", "temp", "humid", "wind_speed", "precip", "visib")
SEED = 2013


def train(features: str, target: str, settings: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Fit a model to the flights that are not held back, and write it to `target`."""
    columns, late, _ = read(features, held_back=False)
    model = build(settings).fit(columns, late)
    with replacing(Path(target)) as part:
        joblib.dump(model, part)
    return {"path": target, "flights": len(late), "late_share": float(late.mean())}


def evaluate(features: str, model: str) -> dict[str, Any]:
    """Judge a model by the flights that were held back.

    `auc` is the chance that of a late and a punctual flight the model takes the late one for the likelier to be late:
    0.5 is guessing. `hour_auc` is that of a rule of thumb, the later in the day the later. `calibration` has, for ten
    groups of flights by what was predicted, the mean prediction and the share that was late; `importance` what `auc`
    loses when a column is shuffled.
    """
    fitted: Pipeline = joblib.load(model)
    columns, late, _ = read(features, held_back=True)
    predicted = fitted.predict_proba(columns)[:, 1]
    hours = columns[:, len(CATEGORIES) + NUMBERS.index("hour")].astype(float)
    return {
        "flights": len(late),
        "auc": round(float(roc_auc_score(late, predicted)), 4),
        "hour_auc": round(float(roc_auc_score(late, hours)), 4),
        "calibration": [
            {"predicted": round(float(predicted[part].mean()), 4), "late": round(float(late[part].mean()), 4)}
            for part in np.array_split(np.argsort(predicted), 10)
        ],
        "importance": _importance(fitted, columns, late),
    }


def build(settings: Mapping[str, float] | None = None) -> Pipeline:
    """A model that is not fitted yet; `settings` are some of HistGradientBoostingClassifier's, in place of our own."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    places = list(range(len(CATEGORIES)))
    chosen = {"learning_rate": 0.1, "max_iter": 60, "min_samples_leaf": 100, **(settings or {})}
    boosting = HistGradientBoostingClassifier(categorical_features=places, random_state=SEED, **chosen)
    return make_pipeline(make_column_transformer((codes, places), remainder="passthrough"), boosting)


def _importance(model: Pipeline, columns: np.ndarray, late: np.ndarray) -> dict[str, float]:
    found = permutation_importance(
        model, columns, late, scoring="roc_auc", n_repeats=2, max_samples=4000, random_state=SEED
    )
    ranked = sorted(zip(found.importances_mean, CATEGORIES + NUMBERS, strict=True), reverse=True)
    return {name: round(float(loss), 4) for loss, name in ranked}


def read(features: str, *, held_back: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns, the categories first, whether each flight was late, and its day. An unknown number is NaN."""
    with Path(features).open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["held_back"] == "1") is held_back]
    columns = np.empty((len(rows), len(CATEGORIES) + len(NUMBERS)), dtype=object)
    for place, name in enumerate(CATEGORIES + NUMBERS):
        columns[:, place] = [row[name] if name in CATEGORIES else float(row[name] or "nan") for row in rows]
    late, days = (np.array([int(row[name]) for row in rows]) for name in ("late", "day"))
    return columns, late, days
