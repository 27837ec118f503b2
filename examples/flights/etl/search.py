"""The search for the settings of a model: each is judged by days that it has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import joblib
from sklearn.metrics import roc_auc_score

from etl import model
from etl.files import replacing


def split(features: str, fold: int, target: str) -> dict[str, Any]:
    """Write the flights to learn from and those of every fifth day, from `fold` on, to judge by."""
    columns, late, days = model.read(features, held_back=False)
    judged = days % 5 == fold
    with replacing(Path(target)) as part:
        joblib.dump(((columns[~judged], late[~judged]), (columns[judged], late[judged])), part)
    return {"path": target, "flights": int(judged.sum())}


def score(fold: str, settings: Mapping[str, float]) -> dict[str, Any]:
    """How well a model with these settings tells late flights from punctual ones, by the days of a fold."""
    seen, unseen = joblib.load(fold)
    fitted = model.build(settings).fit(*seen)
    columns, late = unseen
    return {"settings": settings, "auc": round(float(roc_auc_score(late, fitted.predict_proba(columns)[:, 1])), 4)}


def best(folds: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings with the best mean over all folds; `folds` has the outputs of `split` and `score` of each."""
    scores = defaultdict(list)
    for fold in folds:
        for one in fold["score"]:
            scores[tuple(one["settings"].items())].append(one["auc"])
    ranked = sorted(((mean(found), settings) for settings, found in scores.items()), reverse=True)
    for auc, settings in ranked:
        print(f"{auc:.4f}  " + "  ".join(f"{name} {value}" for name, value in settings))
    return {"settings": dict(ranked[0][1]), "auc": round(ranked[0][0], 4), "tried": len(ranked)}
