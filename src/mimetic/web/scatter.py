"""True beside predicted: rows of the table in, a panel of points a target out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mimetic.plots import tick_label
from mimetic.scores import pearson
from mimetic.web.library import Row

MOST = 600
"""Points a panel; of more clips, some are drawn by lot, the same for every panel."""


def panels(rows: Sequence[Row], targets: Sequence[str], part: str) -> dict[str, Any]:
    """Give the panels of a part's clips, and what is told beside them; none where no clip has label and score."""
    both = [row for row in rows if row.part == part and row.true and row.predicted]
    lot = np.sort(np.random.default_rng(0).permutation(len(both))[:MOST])
    shown = [both[i] for i in lot]
    ends = [value for row in both for value in (*_values(row.true), *_values(row.predicted))]
    low, high = min([0.0, *ends]), max([1.0, *ends])
    plots = [_panel(target, both, shown, low, high) for target in targets] if both else []
    ticks = [{"at": (value - low) / (high - low), "text": tick_label(value)} for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return {"plots": plots, "ticks": ticks, "shown": len(shown), "clips": len(both)}


def _values(told: dict[str, float] | None) -> list[float]:
    return list((told or {}).values())


def _panel(target: str, rows: Sequence[Row], shown: Sequence[Row], low: float, high: float) -> dict[str, Any]:
    pairs = np.array([_pair(row, target) for row in rows])
    known = pairs[np.isfinite(pairs).all(axis=1)]
    points = []
    for row in shown:
        true, predicted = _pair(row, target)
        if np.isfinite(true + predicted):
            x, y = ((value - low) / (high - low) for value in (true, predicted))
            points.append({"clip": row.id, "true": true, "predicted": predicted, "x": x, "y": y})
    score = float(pearson(known[:, 0], known[:, 1])) if len(known) > 1 else None
    return {"target": target, "pearson": score, "points": points}


def _pair(row: Row, target: str) -> tuple[float, float]:
    return (row.true or {}).get(target, np.nan), (row.predicted or {}).get(target, np.nan)
