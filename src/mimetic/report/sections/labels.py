"""The labels: how they are spread in training and validation, and how much of them is noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mimetic.panels import Panel, Section, Table, bin_of, edges_of
from mimetic.plots import draw_histograms, number, percent
from mimetic.report.material import Material

BINS = 10
"""Of a label's histogram."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Labels:
    """One target's labels in one part: how many, the share at zero, the mean, the shares of the rest by bin."""

    clips: int
    zero: float
    mean: float
    shares: NDArray[np.float64]


def section(material: Material) -> Section:
    """Set the labels of training beside those of validation, a panel a target; and say what their noise leaves."""
    run = material.head.runs[0]
    parts = [run.outcome.part(part).true for part in ("train", "valid")]
    edges = edges_of(np.concatenate(parts), BINS)
    by_target = {
        target: [_describe(values[:, column], edges) for values in parts] for column, target in enumerate(run.targets)
    }
    top = 1.05 * max(float(d.shares.max()) for pair in by_target.values() for d in pair)
    noise = _noise(material)
    told = (
        "Bars: the share of all clips in each tenth of the labels' range. Clips at zero are not drawn; their share is"
        " stated, training | validation. Triangles: the means, clips at zero included."
    )
    return Section(
        heading="Labels of training and validation",
        short="Labels",
        told=[told],
        key=[("swatch mute", "training"), ("swatch", "validation")],
        panels=[_panel(target, pair, edges, top or 1.0) for target, pair in by_target.items()],
        numbers=_numbers(by_target, edges),
        tables=[noise] if noise else [],
    )


def _numbers(by_target: dict[str, list[_Labels]], edges: NDArray[np.float64]) -> Table:
    bins = [f"to {number(edge, 2)}" for edge in edges[1:]]
    rows = [
        [f"{target}, {part}", f"{d.clips:,}", percent(d.zero), number(d.mean), *map(percent, d.shares)]
        for target, pair in by_target.items()
        for part, d in zip(("training", "validation"), pair, strict=True)
    ]
    caption = "Labelled clips, share at zero, mean, and the share in each bin of the rest"
    return Table(name="labels", caption=caption, columns=["Labels", "Clips", "At zero", "Mean", *bins], rows=rows)


def _panel(target: str, pair: Sequence[_Labels], edges: NDArray[np.float64], top: float) -> Panel:
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


def _describe(values: NDArray[np.float64], edges: NDArray[np.float64]) -> _Labels:
    known = values[~np.isnan(values)]
    if not len(known):
        return _Labels(clips=0, zero=float("nan"), mean=float("nan"), shares=np.zeros(len(edges) - 1))
    rest = np.bincount(bin_of(known[known != 0], edges), minlength=len(edges) - 1)
    zero, mean = float((known == 0).mean()), float(known.mean())
    return _Labels(clips=len(known), zero=zero, mean=mean, shares=rest / len(known))


def _noise(material: Material) -> Table | None:
    """Say what the scatter of few raters leaves to be reached; nothing where labels are no shares of raters."""
    limits = {name: score.limit for name, score in material.head.scores.targets.items() if score.limit}
    if not limits:
        return None
    scores = material.head.scores.targets
    return Table(
        name="noise",
        caption="The noise in validation's labels",
        columns=["Emotion", "Clips", "Not noise", "Reachable Pearson", material.head.name],
        rows=[
            [name, f"{limit.clips:,}", percent(limit.share), number(limit.limit), number(scores[name].pearson.value)]
            for name, limit in limits.items()
        ],
        about=(
            "Labels that are shares of few raters scatter around what all would say. Not noise: the rest of their"
            " variance. Reachable: the Pearson of a system that knew what all possible raters say."
        ),
    )
