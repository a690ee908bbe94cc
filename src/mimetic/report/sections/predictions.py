"""What was predicted against what was said: clips of like label are one group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mimetic.evaluation import Evaluation
from mimetic.panels import Panel, Section, Table, bin_of, edges_of, spread
from mimetic.plots import Group, draw_groups, number
from mimetic.report.material import Material

RANGES = 4
"""That the labels other than zero are cut into, where predictions are set against them."""

LEVELS = (5, 25, 50, 75, 95)
"""Percentiles of the predictions in a group."""


def section(material: Material) -> Section:
    """Draw the predictions by label, a panel a target."""
    outcome, scores = material.head.outcome, material.head.scores
    grouped = {
        target: _groups(outcome.true[:, column], outcome.predicted[:, column])
        for column, target in enumerate(scores.targets)
    }
    ends = [level for groups in grouped.values() for group in groups for level in group.levels]
    up = (min(0.0, *ends), 1.04 * max(ends))
    edges = edges_of(outcome.true, RANGES)
    margin = 0.06 * float(edges[-1] - edges[0])
    across = (float(edges[0]) - margin, float(edges[-1]) + margin)
    told = (
        f"{material.head.name} on validation, predictions averaged over the seeds. Across: the label; up: the"
        " prediction. Clips are grouped by label: those at zero, and four equal ranges of the rest. Bar: the middle"
        " half of the group's predictions, with their median; line: from the 5th to the 95th percentile; above: clips"
        " in the group. The broken line is where label and prediction agree."
    )
    return Section(
        heading="Predicted against true",
        short="Predictions",
        told=[told],
        panels=[_panel(target, groups, scores, across, up) for target, groups in grouped.items()],
        numbers=_numbers(grouped),
    )


def _numbers(grouped: dict[str, list[Group]]) -> Table:
    return Table(
        name="predictions",
        caption="Percentiles of the predictions by label",
        columns=["Label", "Clips", "Mean label", *(f"{level} %" for level in LEVELS)],
        rows=[
            [f"{target}, {group.label}", f"{group.clips:,}", number(group.true), *map(number, group.levels)]
            for target, groups in grouped.items()
            for group in groups
        ],
    )


def _panel(
    target: str, groups: Sequence[Group], scores: Evaluation, across: tuple[float, float], up: tuple[float, float]
) -> Panel:
    score = scores.targets[target]
    facts = f"r {spread(score.pearson)}, CCC {number(score.ccc)}, MAE {number(score.mae)}"
    medians = "; ".join(f"{group.label}: {number(group.levels[2])}" for group in groups)
    told = f"{target}, {facts}; median prediction by label: {medians}"
    figure = draw_groups(groups, across, up, name=f"predictions {target}", told=told)
    return Panel(heading=target, facts=facts, figure=figure)


def _groups(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> list[Group]:
    """Put clips of like label together: those at zero, and equal ranges of the rest."""
    known = ~np.isnan(true)
    true, predicted = true[known], predicted[known]
    if not len(true):
        return []
    edges = edges_of(true, RANGES)
    place = np.where(true == 0, -1, bin_of(true, edges))
    return [
        Group(
            label="0" if index < 0 else f"to {number(edges[index + 1], 2)}",
            true=float(true[place == index].mean()),
            clips=int((place == index).sum()),
            levels=tuple(np.percentile(predicted[place == index], LEVELS).tolist()),
        )
        for index in np.unique(place)
    ]
