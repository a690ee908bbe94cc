"""Runs become numbers that say how far they can be trusted: scores with intervals, paired differences.

Several runs of one recipe that differ by seed are one system: its score is the mean over its seeds, resampled with the
same clips for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mimetic.evidence.intervals import Comparison, Interval, compare, interval
from mimetic.records import BadRun, Json, UnknownName
from mimetic.runs import Outcome, Run
from mimetic.scores import ccc, mae

PARTS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetScore:
    """One target's scores: Pearson with its interval, concordance, mean absolute error."""

    pearson: Interval
    ccc: float
    mae: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """A system's scores on one part of its data; values are means over its seeds."""

    recipe: str
    data: str
    split: str
    part: str
    clips: int
    seeds: tuple[int, ...]
    mean_pearson: Interval
    targets: dict[str, TargetScore]
    note: str = ""

    def as_json(self) -> Json:
        """Give the evaluation as ``--json`` prints it."""
        return {
            "recipe": self.recipe,
            "data": self.data,
            "split": self.split,
            "part": self.part,
            "clips": self.clips,
            "seeds": list(self.seeds),
            "note": self.note,
            "mean_pearson": self.mean_pearson.as_json(),
            "targets": {
                name: {"pearson": score.pearson.as_json(), "ccc": score.ccc, "mae": score.mae}
                for name, score in self.targets.items()
            },
        }


def evaluate(runs: Sequence[Run], *, part: str = "valid", resamples: int = 10_000) -> Evaluation:
    """Score one system, given as its runs (one a seed), on the labelled clips of a part.

    Raises
    ------
    BadRun
        if the runs are not of one recipe on one data set, or the part has no labels.
    """
    first = runs[0]
    outcome, predicted = _stacked(runs, part)
    means = interval(outcome.true, predicted, resamples=resamples)
    scores = {
        name: TargetScore(
            pearson=means.targets[column],
            ccc=float(np.mean([ccc(outcome.true[:, column], seed[:, column]) for seed in predicted])),
            mae=float(np.mean([mae(outcome.true[:, column], seed[:, column]) for seed in predicted])),
        )
        for column, name in enumerate(first.targets)
    }
    return Evaluation(
        recipe=first.recipe.name,
        data=first.data,
        split=first.recipe.split,
        part=part,
        clips=len(outcome.clips),
        seeds=tuple(run.seed for run in runs),
        mean_pearson=means,
        targets=scores,
        note=first.note,
    )


def compare_runs(
    first: Sequence[Run], second: Sequence[Run], *, part: str = "valid", resamples: int = 10_000
) -> Comparison:
    """Compare two systems on the same clips: first minus second, mean Pearson, paired.

    Raises
    ------
    BadRun
        if they were not scored on the same clips with the same labels.
    """
    mine, my_scores = _stacked(first, part)
    other, other_scores = _stacked(second, part)
    if mine.clips != other.clips or not np.array_equal(mine.true, other.true, equal_nan=True):
        message = f"{first[0].path} and {second[0].path} do not have the same {part} clips"
        raise BadRun(message, remedy="Only runs on one data set and split can be compared.")
    return compare(mine.true, my_scores, other_scores, resamples=resamples)


def systems(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs that differ by seed alone, in the order of their first."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.system, []).append(run)
    return [sorted(group, key=lambda run: run.seed) for group in groups.values()]


def _stacked(runs: Sequence[Run], part: str) -> tuple[Outcome, NDArray[np.float64]]:
    """Give the labelled clips of a part, and the scores of every run on them, ``(seed, clip, target)``."""
    if part not in PARTS:
        raise UnknownName("part", part, PARTS)
    if len(systems(runs)) != 1:
        names = ", ".join(str(run.path) for run in runs)
        raise BadRun(f"{names} are not one system", remedy="Give runs that differ by their seed alone.")
    if runs[0].refit and part == "valid":
        message = f"{runs[0].path} has no validation score: it was trained on all labelled clips"
        raise BadRun(message, remedy="Evaluate the run that it was refit from.")
    outcomes = [run.outcome.part(part) for run in runs]
    if not len(outcomes[0].clips) or np.isnan(outcomes[0].true).all():
        raise BadRun(f"{runs[0].path} has no labels on its {part} clips", remedy=f"Parts: {', '.join(PARTS)}.")
    return outcomes[0], np.stack([outcome.predicted for outcome in outcomes])
