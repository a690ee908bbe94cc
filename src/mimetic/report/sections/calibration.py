"""Whether a prediction means what it says: clips that are scored alike, and their mean label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mimetic.panels import Panel, Section, Table
from mimetic.plots import Tenth, draw_calibration, number
from mimetic.report.material import Material
from mimetic.scores import ccc, mae, pearson

Floats = NDArray[np.float64]

TENTHS = 10
RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Calibration:
    """One target's: tenths of the clips by prediction, the line through all, and the scores before and after it."""

    tenths: tuple[Tenth, ...]
    intercept: float
    slope: float
    before: tuple[float, float, float]
    after: tuple[float, float, float]


def section(material: Material) -> Section | None:
    """Draw mean label against mean prediction by tenths, and say what a straight line would correct."""
    outcome = material.head.outcome
    found = {
        target: calibrated
        for column, target in enumerate(material.targets)
        if (calibrated := _calibrate(outcome.predicted[:, column], outcome.true[:, column]))
    }
    if not found:
        return None
    ends = [end for one in found.values() for t in one.tenths for end in (t.predicted, t.low, t.high)]
    margin = 0.04 * (max(ends) - min(ends))
    limits = (min(ends) - margin, max(ends) + margin)
    told = (
        f"{material.head.name} on validation, predictions averaged over the seeds, cut into tenths. Across: their mean"
        " prediction; up: their mean label with its 95 % interval. On the broken line a prediction means what it says;"
        " the grey one is the straight line through all clips."
    )
    line = (
        "Taking predictions along that line would change CCC and MAE as in the table, and Pearson not at all: it sees"
        " neither shift nor scale. The line is fitted on these very clips, so the gain is what could be had at most."
    )
    return Section(
        heading="Calibration",
        short="Calibration",
        told=[told, line],
        panels=[_panel(target, one, limits) for target, one in found.items()],
        numbers=_numbers(found),
        tables=[_scores(found)],
    )


def _calibrate(predicted: Floats, true: Floats) -> _Calibration | None:
    """Describe one target; ``None`` where either side is constant, or there are fewer clips than two a tenth."""
    known = ~np.isnan(true)
    predicted, true = predicted[known], true[known]
    if len(true) < 2 * TENTHS or not (predicted.std() > 0 and true.std() > 0):
        return None
    slope = float(np.cov(predicted, true, bias=True)[0, 1] / predicted.var())
    intercept = float(true.mean() - slope * predicted.mean())
    order = np.argsort(predicted, kind="stable")
    return _Calibration(
        tenths=tuple(_tenth(predicted[rows], true[rows]) for rows in np.array_split(order, TENTHS)),
        intercept=intercept,
        slope=slope,
        before=_judge(true, predicted),
        after=_judge(true, intercept + slope * predicted),
    )


def _tenth(predicted: Floats, true: Floats) -> Tenth:
    """Give the means of a tenth, and the label's percentile interval over resampled clips."""
    drawn = np.random.default_rng(0).integers(len(true), size=(RESAMPLES, len(true)))
    low, high = np.quantile(true[drawn].mean(axis=1), (0.025, 0.975))
    return Tenth(predicted=float(predicted.mean()), label=float(true.mean()), low=float(low), high=float(high))


def _judge(true: Floats, predicted: Floats) -> tuple[float, float, float]:
    return float(pearson(true, predicted)), float(ccc(true, predicted)), float(mae(true, predicted))


def _panel(target: str, found: _Calibration, limits: tuple[float, float]) -> Panel:
    facts = f"label ≈ {number(found.intercept, 2)} + {number(found.slope, 2)} of the prediction"
    means = "; ".join(f"{number(t.predicted)}: {number(t.label)}" for t in found.tenths)
    told = f"{target}, {facts}; mean label by mean prediction: {means}"
    figure = draw_calibration(
        found.tenths, (found.intercept, found.slope), limits, name=f"calibration {target}", told=told
    )
    return Panel(heading=target, facts=facts, figure=figure)


def _numbers(found: dict[str, _Calibration]) -> Table:
    return Table(
        name="calibration",
        caption="Mean label by tenths of the predictions",
        columns=["Tenth", "Mean prediction", "Mean label", "from", "to"],
        rows=[
            [f"{target}, {place}", number(t.predicted), number(t.label), number(t.low), number(t.high)]
            for target, one in found.items()
            for place, t in enumerate(one.tenths, 1)
        ],
    )


def _scores(found: dict[str, _Calibration]) -> Table:
    """Set the scores as they are beside those along the line."""
    names = ("Pearson", "CCC", "MAE")
    return Table(
        name="recalibration",
        caption="Scores as they are, and along the straight line",
        columns=["Emotion", "Intercept", "Slope", *(f"{name}{end}" for name in names for end in ("", ", along it"))],
        rows=[
            [
                target,
                number(one.intercept),
                number(one.slope),
                *(number(value) for pair in zip(one.before, one.after, strict=True) for value in pair),
            ]
            for target, one in found.items()
        ],
    )
