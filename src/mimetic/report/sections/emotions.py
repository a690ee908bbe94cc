"""The poster's heat map: every system on every emotion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mimetic.evidence.intervals import Interval
from mimetic.panels import Cell, Name, Score, Section, Table, scored
from mimetic.plots import tick_label
from mimetic.report.material import Material
from mimetic.report.ranking import starts_of
from mimetic.report.systems import System


def section(material: Material) -> Section:
    """Set every system's Pearson on every emotion in colour."""
    warmest = _warmest(material.systems)
    table = Table(
        name="emotions",
        caption="Pearson of every system on every emotion",
        columns=["System", "Mean", *material.targets],
        rows=[_row(system, warmest) for system in material.systems],
        starts=starts_of(material.systems),
    )
    told = "Pearson on validation, mean over the seeds; below it the 95 % interval."
    key = [("", "0 and below"), ("scale", tick_label(warmest))]
    return Section(heading="Which emotion each system reads", short="Emotions", told=[told], tables=[table], key=key)


def _row(system: System, warmest: float) -> list[Cell]:
    scores = [system.scores.mean_pearson, *(score.pearson for score in system.scores.targets.values())]
    name = Name(text=system.name, below=" + ".join(system.modalities))
    return [name, *(_warm(score, warmest) for score in scores)]


def _warm(score: Interval, warmest: float) -> Score:
    share = 0.0 if np.isnan(score.value) else min(1.0, max(0.0, score.value / warmest))
    return scored(score, warmth=share)


def _warmest(found: Sequence[System]) -> float:
    """Give the upper end of the scale: the largest score on it, in tenths, upwards."""
    scores = [score.pearson.value for system in found for score in system.scores.targets.values()]
    return max(0.1, float(np.ceil(10 * np.nanmax([0.0, *scores]) - 1e-9)) / 10)
