"""Runs become numbers that say how far they can be trusted: scores with intervals, paired differences.

Several runs of one recipe that differ by seed are one system: its score is the mean over its seeds, resampled with the
same clips for all of them. How the seeds differ is another source of spread, and told apart from the interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from mimetic.evidence.agreement import Reliability, share_reliability
from mimetic.evidence.intervals import Comparison, Interval, compare, interval
from mimetic.records import BadRun, Dataset, Json, UnknownName
from mimetic.runs import Outcome, Run
from mimetic.scores import ccc, mae, pearson
from mimetic.sharing import Grouping, caution, is_called, rows_of, shared

Floats = NDArray[np.float64]

PARTS = ("train", "valid", "test")

RATERS = ("raters", "rater count", "num raters")
"""What a column is called that says how many people a clip's labels are shares of."""

FEW_GROUPS = 20
"""Groups below which an interval that is drawn from them has to be read with a warning."""

TOLD = 0.9
"""Share of the labelled clips whose labels have to be k of n raters before the noise in that is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetScore:
    """One target's scores, means over seeds: Pearson with its interval, concordance, mean absolute error, Spearman.

    ``limit`` is what the labels' own noise leaves to be reached, ``None`` where the labels do not tell.
    """

    pearson: Interval
    ccc: float
    mae: float
    spearman: float = math.nan
    limit: Reliability | None = None

    def as_json(self) -> Json:
        """Give the scores as ``--json`` prints them."""
        limit = self.limit and {"pearson": self.limit.limit, "share": self.limit.share, "clips": self.limit.clips}
        told = {"pearson": self.pearson.as_json(), "ccc": self.ccc, "mae": self.mae}
        return {**told, "spearman": self.spearman, "limit": limit}


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """A system's scores on one part of its data; values are means over its seeds.

    Attributes
    ----------
    groups
        what was drawn whole (columns, or ``transcript``), and how many there are of each; empty where clips were.
    by_seed
        mean Pearson of each seed, in the order of ``seeds``.
    undefined
        targets without a score, and why.
    warning
        what has to be said of the interval.
    """

    recipe: str
    data: str
    split: str
    part: str
    clips: int
    seeds: tuple[int, ...]
    mean_pearson: Interval
    targets: dict[str, TargetScore]
    note: str = ""
    groups: Mapping[str, int] = field(default_factory=dict)
    by_seed: tuple[float, ...] = ()
    undefined: Mapping[str, str] = field(default_factory=dict)
    warning: str = ""

    @property
    def seed_spread(self) -> float:
        """Standard deviation of the seeds' mean Pearson; NaN of a single one."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else math.nan

    @property
    def limit(self) -> float:
        """The mean Pearson that the labels' noise leaves to be reached; NaN where it cannot be told for all targets."""
        limits = [score.limit.limit if score.limit else math.nan for score in self.targets.values()]
        return float(np.mean(limits))

    def as_json(self) -> Json:
        """Give the evaluation as ``--json`` prints it."""
        return {
            "recipe": self.recipe,
            "data": self.data,
            "split": self.split,
            "part": self.part,
            "clips": self.clips,
            "groups": dict(self.groups) or None,
            "seeds": list(self.seeds),
            "by_seed": list(self.by_seed),
            "seed_spread": self.seed_spread,
            "note": self.note,
            "warning": self.warning,
            "mean_pearson": self.mean_pearson.as_json(),
            "limit": self.limit,
            "targets": {name: score.as_json() for name, score in self.targets.items()},
            "undefined": dict(self.undefined),
        }


def evaluate(
    runs: Sequence[Run],
    *,
    part: str = "valid",
    groups: Grouping | None = None,
    dataset: Dataset | None = None,
    resamples: int = 10_000,
) -> Evaluation:
    """Score one system, given as its runs (one a seed), on the labelled clips of a part.

    >>> from mimetic.runs import load
    >>> found = evaluate([load("RUN")], resamples=200)
    >>> found.mean_pearson.low <= found.mean_pearson.value <= found.mean_pearson.high
    True

    Parameters
    ----------
    groups
        which clips are drawn together, if that is known.
    dataset
        what the runs were trained on, for the number of raters and what clips share; without it the run's own record
        and the labels have to say.

    Raises
    ------
    BadRun
        if the runs are not of one recipe on one data set, or the part has no labels.
    BadData
        if groups or data set lack some of the clips.
    """
    first = runs[0]
    outcome, predicted = stacked(runs, part)
    numbers = None if groups is None else groups.of_clips(outcome.clips)
    counts = {} if groups is None or numbers is None else _counts(groups.by, numbers)
    means = interval(outcome.true, predicted, groups=numbers, resamples=resamples)
    return Evaluation(
        recipe=first.recipe.name,
        data=first.data,
        split=first.recipe.split,
        part=part,
        clips=len(outcome.clips),
        seeds=tuple(run.seed for run in runs),
        mean_pearson=means,
        targets=_by_target(first.targets, outcome, predicted, means, dataset),
        note=first.note,
        groups=counts,
        by_seed=tuple(float(pearson(outcome.true, seed).mean()) for seed in predicted),
        undefined=without_score(first.targets, outcome.true, means),
        warning=_few(counts, part) if counts else caution_of(first, dataset),
    )


def _counts(names: Sequence[str], numbers: NDArray[np.intp]) -> dict[str, int]:
    return {name: len(np.unique(column)) for name, column in zip(names, numbers.T, strict=True)}


def _few(counts: Mapping[str, int], part: str) -> str:
    few = [f"{count} groups by {name}" for name, count in counts.items() if count < FEW_GROUPS]
    return f"{part} has {' and '.join(few)}: intervals over so few are too narrow" if few else ""


def _by_target(
    names: Sequence[str], outcome: Outcome, predicted: Floats, means: Interval, dataset: Dataset | None
) -> dict[str, TargetScore]:
    limits = _limits(outcome, dataset)
    return {
        name: TargetScore(
            pearson=means.targets[column],
            ccc=_mean(ccc, outcome.true[:, column], predicted[:, :, column]),
            mae=_mean(mae, outcome.true[:, column], predicted[:, :, column]),
            spearman=_mean(spearman, outcome.true[:, column], predicted[:, :, column]),
            limit=limits[column],
        )
        for column, name in enumerate(names)
    }


def _mean(metric: Callable[[Floats, Floats], float], true: Floats, predicted: Floats) -> float:
    return float(np.mean([metric(true, seed) for seed in predicted]))


def spearman(target: Floats, predicted: Floats) -> float:
    """Give Spearman's rank correlation of ``(clip,)``, ties at their mean rank; NaN where either side is constant."""
    known = ~np.isnan(target)
    return float(pearson(rankdata(target[known]), rankdata(predicted[known])))


def _limits(outcome: Outcome, dataset: Dataset | None) -> list[Reliability | None]:
    """Give each target's limit where nearly all clips' labels are shares of so and so many raters."""
    raters = None if dataset is None else _raters(dataset, outcome.clips)
    known = (~np.isnan(outcome.true)).sum(axis=0)
    if not _are_shares(outcome.true):
        return [None] * len(known)
    found = share_reliability(outcome.true, raters)
    return [one if one.clips >= TOLD * of and one.clips else None for one, of in zip(found, known, strict=True)]


def _are_shares(labels: Floats) -> bool:
    known = labels[~np.isnan(labels)]
    return bool(((known >= 0) & (known <= 1)).all() and ((known > 0) & (known < 1)).any())


def _raters(dataset: Dataset, clips: Sequence[str]) -> NDArray[np.int64] | None:
    column = next((values for name, values in dataset.columns.items() if is_called(name, RATERS)), None)
    if column is None:
        return None
    told = [column[row] for row in rows_of(dataset, clips)]
    return np.array([int(text) if text.isdecimal() else 0 for text in told], dtype=np.int64)


def without_score(names: Sequence[str], true: Floats, means: Interval) -> dict[str, str]:
    """Say of each target that has no score why."""
    reasons = {}
    for column, name in enumerate(names):
        if not math.isnan(means.targets[column].value):
            continue
        values = np.unique(true[~np.isnan(true[:, column]), column])
        reasons[name] = "its predictions are constant"
        if len(values) < 2:
            reasons[name] = f"all its labels are {values[0]:g}" if len(values) else "it has no labels"
    return reasons


def caution_of(run: Run, dataset: Dataset | None = None) -> str:
    """Warn where clips are known to share people or scripts: by the data set, or else by the run's own record."""
    told = run.config["data"].get("shared") if dataset is None else shared(dataset)
    if told is None or not (warning := caution(told)):
        return ""
    return warning if dataset is not None else warning.replace("give --groups", "give --data DATA --groups")


def compare_runs(
    first: Sequence[Run],
    second: Sequence[Run],
    *,
    part: str = "valid",
    groups: Grouping | None = None,
    resamples: int = 10_000,
) -> Comparison:
    """Compare two systems on the same clips: first minus second, mean Pearson, paired.

    Raises
    ------
    BadRun
        if they were not scored on the same clips with the same labels.
    """
    mine, my_scores = stacked(first, part)
    other, other_scores = stacked(second, part)
    if mine.clips != other.clips or not np.array_equal(mine.true, other.true, equal_nan=True):
        message = f"{first[0].path} and {second[0].path} do not have the same {part} clips"
        raise BadRun(message, remedy="Only runs on one data set and split can be compared.")
    numbers = None if groups is None else groups.of_clips(mine.clips)
    return compare(mine.true, my_scores, other_scores, groups=numbers, resamples=resamples)


def systems(runs: Sequence[Run]) -> list[list[Run]]:
    """Group runs that differ by seed alone, in the order of their first."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.system, []).append(run)
    return [sorted(group, key=lambda run: run.seed) for group in groups.values()]


def stacked(runs: Sequence[Run], part: str) -> tuple[Outcome, Floats]:
    """Give the clips of a part, which has labels, and what every run says of them, ``(seed, clip, target)``.

    Raises
    ------
    BadRun
        if the runs are not one system, or the part has no labels.
    """
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
