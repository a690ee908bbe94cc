"""What runs say becomes the report's small figures, and beside each set of them a table with the same numbers.

In: evaluations, outcomes, histories. Out: Panels (a heading and a figure) and Tables (cells as they are printed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mimetic.evaluation import Evaluation
from mimetic.evidence.intervals import Interval
from mimetic.plots import Curve, Dot, Group, draw_curves, draw_dots, draw_groups, draw_histograms, number, percent
from mimetic.runs import Outcome, Run

BINS = 10
"""Of a label's histogram."""

RANGES = 4
"""That the labels other than zero are cut into, where predictions are set against them."""

WORST = 10
"""Clips in the table of the worst."""

LEVELS = (5, 25, 50, 75, 95)
"""Percentiles of the predictions in a group."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One of several small figures: what stands over it, and the figure."""

    heading: str
    facts: str
    figure: Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Numbers as they are printed; the first cell of a row is its heading, and the columns ``words`` are no numbers."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[str] = ()


Figures = tuple[list[Panel], Table]


def spread(score: Interval) -> str:
    """Write a value with its interval."""
    return f"{number(score.value)} ({number(score.low)} to {number(score.high)})"


def axis_of(intervals: Sequence[Interval]) -> tuple[float, float]:
    """Give the ends of an axis that all of these fit on, zero included."""
    ends = [0.0, *(end for i in intervals for end in (i.low, i.high, i.value) if np.isfinite(end))]
    low, high = min(ends), max(ends)
    margin = 0.04 * (high - low or 1.0)
    return low - margin, high + margin


# ---------------------------------------------------------------------------------------------- scores


def beside(names: Sequence[str], systems: Sequence[Evaluation]) -> Figures:
    """Set systems beside one another, a panel a target; the last of them is the one the page is about."""
    targets = list(systems[-1].targets)
    limits = axis_of([system.targets[target].pearson for system in systems for target in targets])
    panels = []
    for target in targets:
        scores = [system.targets[target].pearson for system in systems]
        told = f"{target}, Pearson: " + "; ".join(map("{} {}".format, names, map(spread, scores)))
        dots = [
            Dot(label=name, value=score.value, low=score.low, high=score.high, strong=system is systems[-1])
            for name, score, system in zip(names, scores, systems, strict=True)
        ]
        figure = draw_dots(dots, limits, name=f"beside {target}", told=told)
        panels.append(Panel(heading=target, facts="", figure=figure))
    rows = [[target, *(spread(system.targets[target].pearson) for system in systems)] for target in targets]
    return panels, Table(caption="Pearson with its 95 % interval", columns=["Emotion", *names], rows=rows)


# ---------------------------------------------------------------------------------------------- labels


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Labels:
    """One target's labels in one part: how many, the share at zero, the mean, the shares of the rest by bin."""

    clips: int
    zero: float
    mean: float
    shares: NDArray[np.float64]


def labels(run: Run) -> Figures:
    """Set the labels of training beside those of validation, a panel a target."""
    parts = [run.outcome.part(part).true for part in ("train", "valid")]
    edges = _edges(np.concatenate(parts), BINS)
    by_target = {
        target: [_describe(values[:, column], edges) for values in parts] for column, target in enumerate(run.targets)
    }
    top = 1.05 * max(float(d.shares.max()) for pair in by_target.values() for d in pair)
    panels = [_label_panel(target, pair, edges, top or 1.0) for target, pair in by_target.items()]
    bins = [f"to {number(edge, 2)}" for edge in edges[1:]]
    rows = [
        [f"{target}, {part}", f"{d.clips:,}", percent(d.zero), number(d.mean), *map(percent, d.shares)]
        for target, pair in by_target.items()
        for part, d in zip(("training", "validation"), pair, strict=True)
    ]
    caption = "Labelled clips, share at zero, mean, and the share in each bin of the rest"
    return panels, Table(caption=caption, columns=["Labels", "Clips", "At zero", "Mean", *bins], rows=rows)


def _label_panel(target: str, pair: Sequence[_Labels], edges: NDArray[np.float64], top: float) -> Panel:
    zero = f"at zero {percent(pair[0].zero)} | {percent(pair[1].zero)}"
    means = f"mean {number(pair[0].mean)} | {number(pair[1].mean)}"
    figure = draw_histograms(
        edges,
        [d.shares for d in pair],
        [d.mean for d in pair],
        top,
        name=f"labels {target}",
        told=f"{target}, labels of training | validation: {zero}; {means}",
    )
    return Panel(heading=target, facts=f"{zero}, {means}", figure=figure)


def _edges(values: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Cut the range of all labels, zero included, into equal bins."""
    known = values[~np.isnan(values)]
    low, high = min(0.0, float(known.min())), max(0.0, float(known.max()))
    return np.linspace(low, high if high > low else low + 1.0, bins + 1)


def _bin(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    """Tell each value's bin. Fractions fall on edges: an edge belongs to the bin below it."""
    return np.searchsorted(edges[1:-1] + 1e-9 * (edges[-1] - edges[0]), values, side="left")


def _describe(values: NDArray[np.float64], edges: NDArray[np.float64]) -> _Labels:
    known = values[~np.isnan(values)]
    if not len(known):
        return _Labels(clips=0, zero=float("nan"), mean=float("nan"), shares=np.zeros(len(edges) - 1))
    rest = np.bincount(_bin(known[known != 0], edges), minlength=len(edges) - 1)
    zero, mean = float((known == 0).mean()), float(known.mean())
    return _Labels(clips=len(known), zero=zero, mean=mean, shares=rest / len(known))


# --------------------------------------------------------------------------------------------- truth


def truth(outcome: Outcome, scores: Evaluation) -> Figures:
    """Set what was predicted against what was said, a panel a target; clips of like label are one group."""
    grouped = {
        target: _groups(outcome.true[:, column], outcome.predicted[:, column])
        for column, target in enumerate(scores.targets)
    }
    ends = [level for groups in grouped.values() for group in groups for level in group.levels]
    up = (min(0.0, *ends), 1.04 * max(ends))
    edges = _edges(outcome.true, RANGES)
    margin = 0.06 * float(edges[-1] - edges[0])
    across = (float(edges[0]) - margin, float(edges[-1]) + margin)
    panels = [_truth_panel(target, groups, scores, across, up) for target, groups in grouped.items()]
    rows = [
        [f"{target}, {group.label}", f"{group.clips:,}", number(group.true), *map(number, group.levels)]
        for target, groups in grouped.items()
        for group in groups
    ]
    columns = ["Label", "Clips", "Mean label", *(f"{level} %" for level in LEVELS)]
    return panels, Table(caption="Percentiles of the predictions by label", columns=columns, rows=rows)


def _truth_panel(
    target: str, groups: Sequence[Group], scores: Evaluation, across: tuple[float, float], up: tuple[float, float]
) -> Panel:
    score = scores.targets[target]
    facts = f"r {spread(score.pearson)}, CCC {number(score.ccc)}, MAE {number(score.mae)}"
    medians = "; ".join(f"{group.label}: {number(group.levels[2])}" for group in groups)
    told = f"{target}, {facts}; median prediction by label: {medians}"
    figure = draw_groups(groups, across, up, name=f"truth {target}", told=told)
    return Panel(heading=target, facts=facts, figure=figure)


def _groups(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> list[Group]:
    """Put clips of like label together: those at zero, and equal ranges of the rest."""
    known = ~np.isnan(true)
    true, predicted = true[known], predicted[known]
    if not len(true):
        return []
    edges = _edges(true, RANGES)
    place = np.where(true == 0, -1, _bin(true, edges))
    return [
        Group(
            label="0" if index < 0 else f"to {number(edges[index + 1], 2)}",
            true=float(true[place == index].mean()),
            clips=int((place == index).sum()),
            levels=tuple(np.percentile(predicted[place == index], LEVELS).tolist()),
        )
        for index in np.unique(place)
    ]


# -------------------------------------------------------------------------------------------- learning


def learning(systems: Mapping[str, Sequence[Run]]) -> Figures:
    """Draw how each system learned, a panel a system."""
    curves = {name: [_curve(run) for run in runs] for name, runs in systems.items()}
    scores = [score for seeds in curves.values() for curve in seeds for score in curve.scores if np.isfinite(score)]
    low, high = min([0.0, *scores]), max([0.1, *scores])
    limits = (low, high + 0.08 * (high - low))
    panels = [_curve_panel(name, runs, curves[name], limits) for name, runs in systems.items()]
    rows = [
        [f"{name}, seed {run.seed}", str(len(curve.losses)), str(curve.best), number(curve.kept), number(curve.last)]
        for name, runs in systems.items()
        for run, curve in zip(runs, curves[name], strict=True)
    ]
    columns = ["Run", "Epochs", "Best epoch", "Mean Pearson there", "Last loss"]
    return panels, Table(caption="Epochs of every run", columns=columns, rows=rows)


def _curve(run: Run) -> Curve:
    scores = [line["mean_pearson"] for line in run.history]
    return Curve(
        losses=tuple(float(line["loss"]) for line in run.history),
        scores=tuple(float("nan") if score is None else float(score) for score in scores),
        best=int(run.config["best_epoch"]),
    )


def _curve_panel(name: str, runs: Sequence[Run], curves: Sequence[Curve], limits: tuple[float, float]) -> Panel:
    facts = "best epoch " + ", ".join(str(curve.best) for curve in curves)
    told = "; ".join(
        f"seed {run.seed}: {len(curve.losses)} epochs, best {curve.best} with mean Pearson {number(curve.kept)}"
        for run, curve in zip(runs, curves, strict=True)
    )
    figure = draw_curves(curves, limits, name=f"learning {name}", told=f"{name}, {told}")
    return Panel(heading=name, facts=facts, figure=figure)


# ------------------------------------------------------------------------------------------------ clips


def worst(outcome: Outcome, targets: Sequence[str], modalities: Sequence[str]) -> Table:
    """Give the clips with the largest errors.

    A clip's error is the mean over its targets of the distance between label and prediction, each in standard
    deviations of that target's labels on these clips, so that a rare emotion counts like a common one.
    """
    columns = (values[~np.isnan(values)] for values in outcome.true.T)
    deviation = np.array([values.std() if len(values) else 0.0 for values in columns])
    used = deviation > 0
    errors = np.abs(outcome.true - outcome.predicted)[:, used] / deviation[used]
    labelled = np.flatnonzero(~np.isnan(errors).all(axis=1))
    means = np.nanmean(errors[labelled], axis=1)
    order = np.argsort(-means, kind="stable")[:WORST]
    rows = [
        [
            outcome.clips[row],
            number(error, 2),
            ", ".join(m for m, there in zip(modalities, outcome.presence[row], strict=True) if not there) or "none",
            *(
                f"{number(t, 2)} → {number(p, 2)}"
                for t, p in zip(outcome.true[row], outcome.predicted[row], strict=True)
            ),
        ]
        for row, error in zip(labelled[order], means[order], strict=True)
    ]
    heads = ["Clip", "Error", "Missing", *targets]
    return Table(caption="Label → prediction", columns=heads, rows=rows, words=["Missing"])


def missing(runs: Sequence[Run]) -> Table:
    """Count the clips of each part that lack each feature; the last run is the one whose clips may lack everything."""
    parts = [part for part in ("train", "valid", "test", "rest") if part in runs[-1].outcome.parts]
    rows: dict[str, list[str]] = {}
    for run in runs:
        for column, part in enumerate(run.recipe.parts):
            absent = {name: ~run.outcome.part(name).presence[:, column] for name in parts}
            rows[f"{part.modality.capitalize()} ({part.feature})"] = [_share(absent[name]) for name in parts]
    if len(runs[-1].recipe.parts) > 1:
        rows["All of them"] = [_share(~runs[-1].outcome.part(name).presence.any(axis=1)) for name in parts]
    names = {"train": "Training", "valid": "Validation", "test": "Test", "rest": "In no part"}
    columns = ["Modality", *(names[part] for part in parts)]
    return Table(caption="Clips without each modality", columns=columns, rows=[[k, *v] for k, v in rows.items()])


def _share(absent: NDArray[np.bool_]) -> str:
    return f"{absent.sum():,} of {len(absent):,} ({percent(float(absent.mean()))})"
