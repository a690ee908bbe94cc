"""How far a score can be trusted: scores in, and how they vary over resampled clips; an interval or a comparison out.

The percentile bootstrap (Efron and Tibshirani 1993, chapter 13): clips, or whole groups of clips, are drawn again with
replacement, as many as there are; a resample is a row of counts. Correlation, concordance and squared error follow from
sums over clips, so a block of resamples is one matrix product. Any other statistic is computed resample by resample,
and so is one whose sums have lost their digits to cancellation: both ways agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mimetic.records import Json, UsageError
from mimetic.scores import ERRORS, ccc, mse, pearson

Floats = NDArray[np.float64]
Statistic = Callable[[Floats, Floats], Any]
"""``(target, predicted)``, ``(clip,)`` each and without missing labels, to a number; NaN where it is not defined."""

_BLOCK_BYTES = 16 * 2**20  # of counts at a time: larger blocks are not faster, fresh memory is what costs
_CANCELLED = 1e-4  # a variance below this share of its mean square has lost too many digits


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A score and its interval, NaN where not defined: a single clip has no ends. ``targets`` holds one a column."""

    value: float
    low: float
    high: float
    targets: tuple[Interval, ...] = ()

    def as_json(self) -> Json:
        """Give value and ends as ``--json`` prints them; what is not defined is null."""
        return {"value": _plain(self.value), "low": _plain(self.low), "high": _plain(self.high)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """First minus second, on the same clips. ``wins`` is the share of resamples in which the first is better."""

    difference: float
    low: float
    high: float
    wins: float
    clips: int

    @property
    def verdict(self) -> str:
        """Which one is better, in words: neither, if the interval holds 0 or is not defined."""
        if not (self.low > 0 or self.high < 0):
            return f"no difference can be told (n = {self.clips:,})"
        return "first is better" if self.wins > 0.5 else "second is better"

    def as_json(self) -> Json:
        """Give the comparison as ``--json`` prints it; what is not defined is null."""
        numbers = {"difference": self.difference, "low": self.low, "high": self.high, "wins": self.wins}
        return {**{name: _plain(number) for name, number in numbers.items()}, "verdict": self.verdict}


def interval(
    target: ArrayLike,
    predicted: ArrayLike,
    *,
    statistic: Statistic = pearson,
    groups: ArrayLike | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Give a score with its percentile interval.

    Two dimensions give the mean over targets, with ``.targets`` for each. A column that is constant in the data has no
    score, and then the mean has none. One that becomes constant in a resample is left out of that resample alone.

    >>> found = interval([0.0, 0.2, 0.4, 0.9, 1.0], [0.1, 0.1, 0.5, 0.6, 0.7], resamples=1000)
    >>> found.low < found.value < found.high
    True

    Parameters
    ----------
    target
        ``(clip,)`` or ``(clip, target)``; NaN where a label is missing.
    predicted
        the same, or with an axis ``seed`` before: the statistic is then averaged over the seeds, with the same
        resamples for all. The interval is over clips; how the seeds differ is not in it.
    groups
        ``(clip,)`` labels, such as the person: groups are drawn whole.

    Raises
    ------
    UsageError
        if shapes do not fit, or ``resamples`` or ``level`` make no interval.
    """
    _check(resamples, level)
    sample = _sample(target, [predicted], groups)
    values, drawn = (scores.mean(axis=0) for scores in _bootstrap(sample, statistic, resamples, seed))
    columns = tuple(_percentiles(*column, level) for column in zip(values, drawn.T, strict=True))
    if np.ndim(target) == 1:
        return columns[0]
    return replace(_percentiles(values.mean(), _mean_defined(drawn), level), targets=columns)


def compare(
    target: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    statistic: Statistic = pearson,
    groups: ArrayLike | None = None,
    resamples: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare two sets of predictions on the same clips, resampled together: first minus second, mean over targets.

    Arguments and errors are those of ``interval``. More is better, except for the table ``ERRORS``; ties count half.
    """
    _check(resamples, level)
    sample = _sample(target, [first, second], groups)
    seeds = len(_seeds(target, first))
    values, drawn = (
        scores[:seeds].mean(axis=0) - scores[seeds:].mean(axis=0)
        for scores in _bootstrap(sample, statistic, resamples, seed)
    )
    differences = _mean_defined(drawn)
    found = _percentiles(values.mean(), differences, level)
    gains = -differences if statistic in ERRORS.values() else differences
    return Comparison(
        difference=found.value,
        low=found.low,
        high=found.high,
        wins=math.nan if math.isnan(found.low) else float(np.nanmean(np.heaviside(gains, 0.5))),
        clips=int(sample.known.any(axis=1).sum()),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Sample:
    """``target`` is ``(clip, target)``, ``predicted`` ``(seed, clip, target)``, ``group`` ``(clip,)`` from 0."""

    target: Floats
    predicted: Floats
    group: NDArray[np.intp]
    groups: int

    @property
    def known(self) -> NDArray[np.bool_]:
        """Tell which labels are not missing, ``(clip, target)``."""
        return ~np.isnan(self.target)

    def score(self, statistic: Statistic, seed: int, column: int, counts: NDArray[Any]) -> float:
        """Compute the statistic of one seed and column directly, each group taken ``counts`` times."""
        times = counts[self.group].astype(np.intp) * self.known[:, column]
        clips = np.repeat(np.arange(len(times)), times)
        if not len(clips):
            return math.nan
        return float(statistic(self.target[clips, column], self.predicted[seed, clips, column]))


def _sample(target: ArrayLike, predicted: list[ArrayLike], groups: ArrayLike | None) -> _Sample:
    """Bring the arguments into one shape; all predictions one after the other along ``seed``."""
    seeds = np.concatenate([_seeds(target, one) for one in predicted])
    labels = np.arange(seeds.shape[1]) if groups is None else np.asarray(groups)
    if labels.shape != seeds.shape[1:2]:
        raise UsageError(f"groups is {labels.shape} for {seeds.shape[1]} clips", remedy="Give one label a clip.")
    names, group = np.unique(labels, return_inverse=True)
    known = np.asarray(target, dtype=np.float64).reshape(seeds.shape[1:])
    return _Sample(target=known, predicted=seeds, group=group, groups=len(names))


def _seeds(target: ArrayLike, predicted: ArrayLike) -> Floats:
    """Give predictions as ``(seed, clip, target)``."""
    shape, values = np.shape(target), np.asarray(predicted, dtype=np.float64)
    seeds = values.shape[: values.ndim - len(shape)]
    if len(shape) not in (1, 2) or len(seeds) > 1 or values.shape != (*seeds, *shape):
        message = f"target is {shape} and predicted {values.shape}"
        raise UsageError(message, remedy="Give (clip,) or (clip, target), and predicted the same or (seed, ...) of it.")
    return values.reshape(*seeds or (1,), shape[0], *shape[1:] or (1,))


def _check(resamples: int, level: float) -> None:
    if resamples < 1 or not 0 < level < 1:
        remedy = "Give at least one resample, and a level between 0 and 1."
        raise UsageError(f"{resamples} resamples at level {level} make no interval", remedy=remedy)


def _counts(groups: int, resamples: int, seed: int) -> Iterator[tuple[int, Floats]]:
    """Yield blocks of resamples: the first one's place, and counts ``(resample, group)``, to be used at once."""
    draw = np.random.default_rng(seed)
    small = np.min_scalar_type(groups - 1)  # two bytes instead of eight draw seven times as fast
    block = np.empty((min(resamples, max(1, _BLOCK_BYTES // (8 * groups))), groups))
    for start in range(0, resamples, len(block)):
        rows = block[: resamples - start]
        for row in rows:
            row[:] = np.bincount(draw.integers(groups, size=groups, dtype=small), minlength=groups)
        yield start, rows


def _bootstrap(sample: _Sample, statistic: Statistic, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Give the statistic of the data, ``(seed, target)``, and of the resamples, ``(seed, resample, target)``.

    Where the data's is NaN, so are the resamples', and where there is a single group, for they would all be the data.
    """
    seeds, _, columns = sample.predicted.shape
    once = np.ones(sample.groups)
    values = np.array([[sample.score(statistic, s, c, once) for c in range(columns)] for s in range(seeds)])
    drawn = np.full((seeds, resamples, columns), np.nan)
    if sample.groups < 2:
        return values, drawn
    quick = _Moments(sample, _FORMULAS[statistic]) if statistic in _FORMULAS else None
    wanted = ~np.isnan(values)[:, None, :]
    for start, counts in _counts(sample.groups, resamples, seed):
        block = drawn[:, start : start + len(counts)]
        settled = quick.fill(block, counts) if quick else np.zeros(block.shape, bool)
        for s, row, c in np.argwhere(wanted & ~settled):
            block[s, row, c] = sample.score(statistic, s, c, counts[row])
    drawn[np.broadcast_to(~wanted, drawn.shape)] = np.nan
    return values, drawn


Formula = Callable[[Floats, Floats, Floats, Floats], Floats]
"""A statistic from the variances of target and prediction, their covariance, and the difference of their means."""

_FORMULAS: Mapping[Statistic, Formula] = {
    pearson: lambda var_x, var_y, cov, _: np.clip(cov / np.sqrt(var_x) / np.sqrt(var_y), -1.0, 1.0),
    ccc: lambda var_x, var_y, cov, gap: 2.0 * cov / (var_x + var_y + gap**2),
    mse: lambda var_x, var_y, cov, gap: np.maximum(var_x + var_y - 2.0 * cov + gap**2, 0.0),
}


class _Moments:
    """Sums of 1, x, xx, y, yy, xy over each group's clips: with counts, those of any resample.

    Columns are centred on their mean in the data first, so that little cancels. The seeds are multiplied one by one:
    equal predictions then get equal bits, and a comparison of a run with itself is exactly zero.
    """

    def __init__(self, sample: _Sample, formula: Formula) -> None:
        self._formula = formula
        x, mean_x = _centred(sample.target, sample.known)
        y, mean_y = _centred(sample.predicted, sample.known)
        self._gap = (mean_x - mean_y)[:, None, :]
        self._shared = _by_group(np.stack([sample.known, x, x * x], axis=-2), sample)
        self._own = _by_group(np.stack([y, y * y, x * y], axis=-2), sample)

    def fill(self, block: Floats, counts: Floats) -> NDArray[np.bool_]:
        """Write the statistic of each ``(seed, resample, target)``; tell which have kept their digits."""
        seeds, draws, columns = block.shape
        n, x, xx = np.moveaxis((counts @ self._shared).reshape(draws, 3, columns), 1, 0)
        y, yy, xy = np.moveaxis((counts @ self._own).reshape(seeds, draws, 3, columns), 2, 0)
        with np.errstate(divide="ignore", invalid="ignore"):  # what this makes is not settled, and replaced
            x, xx, y, yy, xy = x / n, xx / n, y / n, yy / n, xy / n
            var_x, var_y = xx - x * x, yy - y * y
            block[:] = self._formula(var_x, var_y, xy - x * y, self._gap + x - y)
        settled: NDArray[np.bool_] = (var_x > _CANCELLED * xx) & (var_y > _CANCELLED * yy)
        return settled


def _centred(values: Floats, known: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Take the mean over the known clips off: give what is left, 0 where unknown, and the mean."""
    mean = np.where(known, values, 0.0).sum(axis=-2) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, values - mean[..., None, :], 0.0), mean


def _by_group(terms: Floats, sample: _Sample) -> Floats:
    """Add up ``(..., clip, term, target)`` within groups: ``(..., group, term * target)``."""
    flat = terms.reshape(*terms.shape[:-2], -1)
    order = np.argsort(sample.group, kind="stable")
    starts = np.searchsorted(sample.group[order], np.arange(sample.groups))
    sums: Floats = np.add.reduceat(flat[..., order, :], starts, axis=-2)
    return sums


def _percentiles(value: float, drawn: Floats, level: float) -> Interval:
    """Give a value with the percentiles of its resamples; those in which it is not defined are left out."""
    kept = drawn[~np.isnan(drawn)]
    told = len(kept) and not math.isnan(value)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2]) if told else (math.nan, math.nan)
    return Interval(value=float(value), low=float(low), high=float(high))


def _mean_defined(drawn: Floats) -> Floats:
    """Average over targets, ``(resample, target)``, what is not NaN; NaN where nothing is left."""
    defined = ~np.isnan(drawn)
    count = np.where(defined.any(axis=-1), defined.sum(axis=-1), np.nan)
    mean: Floats = np.where(defined, drawn, 0.0).sum(axis=-1) / count
    return mean


def _plain(number: float) -> float | None:
    return None if math.isnan(number) else number
