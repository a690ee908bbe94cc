"""How every run learned: loss and score by epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mimetic.panels import Panel, Section, Table
from mimetic.plots import Curve, draw_curves, number
from mimetic.report.material import Material
from mimetic.report.systems import System
from mimetic.runs import Run


def section(material: Material) -> Section:
    """Draw how each system learned, a panel a system."""
    curves = [[_curve(run) for run in system.runs] for system in material.systems]
    scores = [score for seeds in curves for curve in seeds for score in curve.scores if np.isfinite(score)]
    low, high = min([0.0, *scores]), max([0.1, *scores])
    limits = (low, high + 0.08 * (high - low))
    rows = [
        [f"{system.name}, seed {run.seed}", str(len(c.losses)), str(c.best), number(c.kept), number(c.last)]
        for system, seeds in zip(material.systems, curves, strict=True)
        for run, c in zip(system.runs, seeds, strict=True)
    ]
    columns = ["Run", "Epochs", "Best epoch", "Mean Pearson there", "Last loss"]
    return Section(
        heading="Learning",
        short="Learning",
        told=["A line a seed; the dot is the epoch that was kept."],
        panels=[_panel(system, of, limits) for system, of in zip(material.systems, curves, strict=True)],
        numbers=Table(name="learning", caption="Epochs of every run", columns=columns, rows=rows),
    )


def _curve(run: Run) -> Curve:
    scores = [line["mean_pearson"] for line in run.history]
    return Curve(
        losses=tuple(float(line["loss"]) for line in run.history),
        scores=tuple(float("nan") if score is None else float(score) for score in scores),
        best=int(run.config["best_epoch"]),
    )


def _panel(system: System, curves: Sequence[Curve], limits: tuple[float, float]) -> Panel:
    facts = "best epoch " + ", ".join(str(curve.best) for curve in curves)
    told = "; ".join(
        f"seed {run.seed}: {len(curve.losses)} epochs, best {curve.best} with mean Pearson {number(curve.kept)}"
        for run, curve in zip(system.runs, curves, strict=True)
    )
    figure = draw_curves(curves, limits, name=f"learning {system.name}", told=f"{system.name}, {told}")
    return Panel(heading=system.name, facts=facts, figure=figure)
