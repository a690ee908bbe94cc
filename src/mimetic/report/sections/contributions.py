"""What each modality brings to the head's score.

A prediction is what is said of nothing plus the Shapley values of its modalities. So its covariance with the label is
the sum of theirs, and a Pearson correlation falls into one share a modality that add up to it exactly.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from mimetic.batches import load_tracks
from mimetic.contributions import contributions
from mimetic.evaluation import stacked
from mimetic.panels import Absent, Cell, Panel, Score, Section, Table, axis_of
from mimetic.plots import Dot, draw_dots, number
from mimetic.records import Dataset, MimeticError
from mimetic.report.material import Beside, Material, without_data
from mimetic.report.systems import PART, System
from mimetic.runs import NETWORK
from mimetic.sharing import rows_of

WHAT = "What each modality brings"

RESAMPLES = 1_000

Floats = NDArray[np.float64]


def section(material: Material) -> Section | Absent | None:
    """Split the head's Pearson into its modalities' shares, a panel a target."""
    head, beside = material.head, material.beside
    if head.single:
        return None
    if beside is None or beside.store is None:
        return without_data(WHAT)
    if head.runs[0].kind != NETWORK:
        return Absent(what=WHAT, how=f"{head.name} is no single network; report a network's run")
    try:
        shares = _shares(head, beside)
    except MimeticError as error:
        return Absent(what=WHAT, how=str(error))
    told = (
        f"{head.name}'s Pearson on validation as a sum of what each modality brings (Shapley values; mean over the"
        " seeds). A modality that says only what another says shares its part with it; one that misleads is below 0."
    )
    cells = _cells(shares)
    return Section(
        heading=WHAT,
        short="Contributions",
        told=[told],
        panels=_panels(material, cells),
        tables=[_table(material, cells)],
    )


def _shares(head: System, beside: Beside) -> Floats:
    """Give the shares of Pearson, ``(1 + resample, modality, target)``: first as it is, then resampled."""
    assert beside.store is not None
    outcome, _ = stacked(head.runs, PART)
    rows = rows_of(beside.dataset, outcome.clips)
    clips = tuple(beside.dataset.clips[row] for row in rows)
    members = Dataset(name=beside.dataset.name, clips=clips, targets=beside.dataset.targets, labels=outcome.true)
    parts = tuple(load_tracks(beside.store, feature, members) for feature in head.runs[0].features)
    everyone = np.arange(len(clips), dtype=np.intp)
    cpu = torch.device("cpu")
    found = [contributions(run.network(), parts, everyone, cpu).values for run in head.runs]
    shares: Floats = np.mean([brought(values, outcome.true) for values in found], axis=0)
    return shares


def brought(values: Floats, true: Floats, *, resamples: int = RESAMPLES) -> Floats:
    """Split Pearson into shares that add up to it: ``cov(value, label) / (sd(prediction) sd(label))``.

    Parameters
    ----------
    values
        ``(clip, modality, target)``, what each modality adds to each prediction.
    true
        ``(clip, target)``; NaN where nobody said.

    Returns
    -------
    Floats
        ``(1 + resamples, modality, target)``: of the clips as they are, then of resampled ones; NaN where a side is
        constant.
    """
    draw = np.random.default_rng(0)
    shares = np.full((1 + resamples, *values.shape[1:]), np.nan)
    for target, labels in enumerate(true.T):
        known = np.flatnonzero(~np.isnan(labels))
        if len(known) > 1:
            counts = draw.multinomial(len(known), np.full(len(known), 1 / len(known)), size=resamples)
            weights = np.concatenate([np.ones((1, len(known))), counts]) / len(known)
            shares[:, :, target] = _weighted(weights, values[known, :, target], labels[known])
    return shares


def _weighted(weights: Floats, values: Floats, labels: Floats) -> Floats:
    """Give the shares under each row of weights, ``(row, modality)``."""
    predicted = values.sum(axis=1)
    mean, mean_label = weights @ values, weights @ labels
    covariance = weights @ (values * labels[:, None]) - mean * mean_label[:, None]
    spread = weights @ predicted**2 - mean.sum(axis=1) ** 2
    spread_label = weights @ labels**2 - mean_label**2
    scale = np.sqrt(np.maximum(spread * spread_label, 0.0))
    return np.divide(covariance, scale[:, None], out=np.full_like(covariance, np.nan), where=scale[:, None] > 1e-12)


def _cells(shares: Floats) -> list[list[Score]]:
    """Give a score a modality and target; the last target is their mean."""
    with_mean = np.concatenate([shares, shares.mean(axis=2, keepdims=True)], axis=2)
    return [[_cell(with_mean[:, m, t]) for t in range(with_mean.shape[2])] for m in range(with_mean.shape[1])]


def _cell(column: Floats) -> Score:
    drawn = column[1:][~np.isnan(column[1:])]
    if np.isnan(column[0]) or not len(drawn):
        return Score(value=float("nan"))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Score(value=float(column[0]), low=float(low), high=float(high))


def _panels(material: Material, cells: list[list[Score]]) -> list[Panel]:
    limits = axis_of([score for row in cells for score in row])
    panels = []
    for column, target in enumerate(material.targets):
        scores = [(name, row[column]) for name, row in zip(material.head.modalities, cells, strict=True)]
        told = f"{target}, share of Pearson: " + "; ".join(f"{name} {number(s.value)}" for name, s in scores)
        dots = [Dot(label=name, value=s.value, low=s.low, high=s.high, strong=True) for name, s in scores]
        figure = draw_dots(dots, limits, name=f"contributions {target}", told=told)
        panels.append(Panel(heading=target, facts="", figure=figure))
    return panels


def _table(material: Material, cells: list[list[Score]]) -> Table:
    rows: list[list[Cell]] = [[name, *row] for name, row in zip(material.head.modalities, cells, strict=True)]
    totals = [number(float(np.sum([row[column].value for row in cells]))) for column in range(len(cells[0]))]
    return Table(
        name="contributions",
        caption="Shares of Pearson",
        columns=["Modality", *material.targets, "Mean"],
        rows=[*rows, ["Together", *totals]],
    )
